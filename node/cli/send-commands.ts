import type { CommandSpec, OptionSpecs } from './command.ts'

const MAPPING = {
  service: { form: 'text', value: 'name', short: 's', about: 'Service of records that name none.' },
  host: { form: 'text', value: 'name', about: 'Host of records that name none.' },
  'time-field': { form: 'text', value: 'name', about: 'Field to take as the timestamp.' },
  'message-field': { form: 'text', value: 'name', about: 'Field to take as the message.' },
} as const satisfies OptionSpecs

export const SEND_OPTIONS = {
  ...MAPPING,
  format: {
    form: 'text',
    choices: ['auto', 'ndjson', 'lines'],
    default: 'auto',
    about: '`ndjson`: a record a line; `lines`: each line is a message; `auto`: told by the first character.',
  },
  id: {
    form: 'text',
    value: 'name',
    about: 'Name of what is sent: the same again under the same name, within 24 hours, stores nothing twice.',
  },
  'retry-for': { form: 'text', value: 'time', default: '5m', about: 'Try a batch again for so long.' },
  quiet: { form: 'switch', short: 'q', about: 'No progress and no summary.' },
} as const satisfies OptionSpecs

export const SEND_COMMANDS: readonly CommandSpec[] = [
  {
    path: ['send'],
    group: 'Send',
    summary: 'Send records from files or standard input',
    description: [
      'Ends when the node has made every record durable. Each batch has an idempotency key, so that what is sent again after a broken connection is stored once; 429 and 503 are waited for as the node asks.',
      'Files may be compressed (.gz, .zst). From a pipe, records are sent as they come. Refused records are named with their line; the exit status is then 1.',
    ],
    words: [{ name: 'file', about: 'Files; - or none is standard input.', isOptional: true, many: true }],
    options: SEND_OPTIONS,
    asksNode: true,
    examples: [
      { about: 'a line', line: `echo 'payment gateway timeout' | weir send -s checkout` },
      { about: 'a file of NDJSON', line: 'weir send app-2026-11-20.ndjson.gz' },
      { about: 'the output of a program, while it runs', line: './job 2>&1 | weir send -s nightly-job' },
      { about: 'a backfill that may be started again', line: 'weir send --id backfill-2026-11 old/*.log -s legacy' },
    ],
    load: () => import('./commands/send.ts'),
  },
]
