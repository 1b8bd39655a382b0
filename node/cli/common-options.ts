import type { OptionSpecs } from './command.ts'

export const URL_DEFAULT = 'http://127.0.0.1:9347'

export const HELP_OPTION = {
  help: { form: 'switch', short: 'h', about: 'Print this help.' },
} as const satisfies OptionSpecs

/** Of every command that asks a node. */
export const CONNECTION_OPTIONS = {
  url: { form: 'text', value: 'url', about: `Any node. Default: WEIR_URL, else ${URL_DEFAULT}.` },
  'key-file': { form: 'text', value: 'file', about: 'File that holds the key. Default: the key in WEIR_KEY.' },
  key: { form: 'text', value: 'key', about: 'The key itself, which everybody sees in the list of processes.' },
  tenant: { form: 'text', value: 'name', about: 'Tenant, for keys of the whole cluster. Default: WEIR_TENANT.' },
} as const satisfies OptionSpecs

/** Of every command that prints records or rows. */
export const OUTPUT_OPTIONS = {
  output: {
    form: 'text',
    value: 'form',
    short: 'o',
    choices: ['auto', 'text', 'table', 'json', 'ndjson', 'raw'],
    default: 'auto',
    about: '`auto`: for people on a terminal, else `ndjson`.',
  },
  color: {
    form: 'text',
    value: 'when',
    choices: ['auto', 'always', 'never'],
    default: 'auto',
    about: 'On terminals only, by default; NO_COLOR is heeded.',
  },
} as const satisfies OptionSpecs

/** Of every command that lists things. */
export const LIST_OPTIONS = {
  output: {
    form: 'text',
    value: 'form',
    short: 'o',
    choices: ['auto', 'table', 'json', 'ndjson'],
    default: 'auto',
    about: '`auto`: a table on a terminal, else `ndjson`, a thing a line.',
  },
} as const satisfies OptionSpecs

export const EMPTY_OPTION = {
  'fail-empty': { form: 'switch', about: 'Exit with 3 when nothing is found.' },
} as const satisfies OptionSpecs
