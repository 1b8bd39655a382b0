import type { CommandSpec, OptionSpecs } from './command.ts'
import { EMPTY_OPTION, OUTPUT_OPTIONS } from './common-options.ts'

const NARROWING = {
  service: { form: 'text', value: 'name', short: 's', about: 'Only records of this service.' },
  level: { form: 'text', value: 'level', short: 'l', about: 'Only records of this level, such as ERROR.' },
  host: { form: 'text', value: 'name', about: 'Only records of this host.' },
} as const satisfies OptionSpecs

const RAW = {
  raw: {
    form: 'switch',
    about: 'Print messages only, byte for byte, a line each; their terminal escapes are executed. As -o raw.',
  },
  fields: { form: 'text', value: 'names', about: 'Only these fields, separated by commas; a table on a terminal.' },
} as const satisfies OptionSpecs

const TIMEOUT = {
  timeout: { form: 'text', value: 'time', about: 'How long the node may search; what it has by then is printed.' },
} as const satisfies OptionSpecs

export const QUERY_OPTIONS = {
  since: { form: 'text', value: 'time', about: 'From so long ago, such as 15m, 1h, 7d, or from a time. Default: 1h.' },
  from: { form: 'text', value: 'time', about: 'From this time: RFC 3339, epoch, or now-1h; inclusive.' },
  to: { form: 'text', value: 'time', about: 'To this time, exclusive. Default: now.' },
  ...NARROWING,
  limit: { form: 'count', short: 'n', default: 100, about: 'Print so many records; 0: all. Read page by page.' },
  order: { form: 'text', choices: ['desc', 'asc'], default: 'desc', about: 'Newest or oldest first.' },
  follow: { form: 'switch', short: 'f', about: 'Print the newest, oldest of them first, then those that come.' },
  ...RAW,
  ...OUTPUT_OPTIONS,
  ...TIMEOUT,
  ...EMPTY_OPTION,
  quiet: { form: 'switch', short: 'q', about: 'Do not say how many were found.' },
} as const satisfies OptionSpecs

export const TAIL_OPTIONS = {
  since: { form: 'text', value: 'time', about: 'Begin with records from so long ago at most. Default: 1h.' },
  ...NARROWING,
  lines: { form: 'count', short: 'n', default: 10, about: 'Begin with so many of the newest, 1000 at most.' },
  ...RAW,
  ...OUTPUT_OPTIONS,
} as const satisfies OptionSpecs

export const TRACE_OPTIONS = {
  from: { form: 'text', value: 'time', about: 'Only from this time on. Default: all that is kept.' },
  to: { form: 'text', value: 'time', about: 'Only before this time.' },
  limit: { form: 'count', short: 'n', default: 1000, about: 'So many records at most.' },
  output: {
    form: 'text',
    value: 'form',
    short: 'o',
    choices: ['auto', 'text', 'json', 'ndjson'],
    default: 'auto',
    about: '`auto`: text on a terminal, else `ndjson`, a record a line.',
  },
  ...EMPTY_OPTION,
} as const satisfies OptionSpecs

const QUERY_WORD = {
  name: 'query',
  about: 'Text of the query language (docs/query-language.md); nothing matches all. Quote it for the shell.',
  isOptional: true,
  many: true,
} as const

export const FIND_COMMANDS: readonly CommandSpec[] = [
  {
    path: ['query'],
    group: 'Find',
    summary: 'Find records, or count them',
    description: [
      'Records are printed newest first, as lines on a terminal and as NDJSON elsewhere: each record as the node has it, a line each. A query that ends in stats, top or rate prints a table.',
      'When something did not answer in time, the answer is not whole: that is said on the error stream, and the exit status is 4.',
    ],
    words: [QUERY_WORD],
    options: QUERY_OPTIONS,
    asksNode: true,
    examples: [
      { about: 'errors of the last quarter of an hour', line: `weir query 'level:ERROR timeout' --since 15m` },
      {
        about: 'which services fail most, as a table',
        line: `weir query 'level:>=ERROR | top 10 service' --since 1d`,
      },
      {
        about: 'percentiles a service and five minutes',
        line: `weir query '* | stats count(), p95(latency_ms) by (service, bucket(5m))'`,
      },
      { about: 'all of a day to a file', line: 'weir query --from 2026-11-20 --to 2026-11-21 -n 0 > day.ndjson' },
      { about: 'messages only, as they were sent', line: `weir query 'service:checkout' --raw | sort | uniq -c` },
      { about: 'a query that begins with a minus', line: `weir query -- '-level:INFO'` },
      { about: 'fail a script when there was an error', line: `! weir query level:ERROR --since 10m --fail-empty -q` },
    ],
    load: () => import('./commands/query.ts'),
  },
  {
    path: ['tail'],
    group: 'Find',
    summary: 'Print records as they come',
    description: [
      'Begins with the newest ten. When the node goes away, it says so and goes on where it stopped as soon as one answers again. Records that come faster than they are read are left out and counted on the error stream. Ctrl-C ends it.',
    ],
    words: [QUERY_WORD],
    options: TAIL_OPTIONS,
    asksNode: true,
    examples: [
      { about: 'everything', line: 'weir tail' },
      { about: 'warnings and errors of one service', line: `weir tail 'level:>=WARN' -s checkout` },
      { about: 'into another program', line: 'weir tail -n 0 level:ERROR | jq -r .message' },
    ],
    load: () => import('./commands/tail.ts'),
  },
  {
    path: ['trace'],
    group: 'Find',
    summary: 'Show a request across services: every record of a trace, oldest first',
    words: [{ name: 'id', about: 'Id of the trace, as in the field traceId.' }],
    options: TRACE_OPTIONS,
    asksNode: true,
    examples: [
      { about: 'when, where, and what went wrong', line: 'weir trace 4bf92f3577b34da6a3ce929d0e0e4736' },
      {
        about: 'that of the newest error',
        line: `weir trace "$(weir query 'level:ERROR _exists_:traceId' -n 1 | jq -r .traceId)" -o text`,
      },
    ],
    load: () => import('./commands/trace.ts'),
  },
]
