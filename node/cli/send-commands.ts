import type { CommandSpec, OptionSpecs } from './command.ts'
import { LIST_OPTIONS } from './common-options.ts'

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

export const UPLOAD_OPTIONS = {
  ...MAPPING,
  format: {
    form: 'text',
    choices: ['ndjson', 'json', 'csv', 'text'],
    about: 'Of every file; else the node looks at each.',
  },
  name: { form: 'text', value: 'name', about: 'Name for what comes from standard input.' },
  detach: { form: 'switch', about: 'Print the id of the job and end when the node has every byte.' },
} as const satisfies OptionSpecs

export const JOB_GET_OPTIONS = {
  follow: { form: 'switch', short: 'f', about: 'Wait until it has ended, with progress.' },
} as const satisfies OptionSpecs

export const BENCH_OPTIONS = {
  duration: { form: 'text', value: 'time', default: '10s', about: 'For so long.' },
  rate: { form: 'count', default: 0, about: 'Records a second; 0: as many as the node takes.' },
  connections: { form: 'count', default: 4, about: 'Requests in flight.' },
  batch: { form: 'count', default: 500, about: 'Records a request.' },
  services: { form: 'count', default: 4, about: 'Services that they are of.' },
  output: {
    form: 'text',
    value: 'form',
    short: 'o',
    choices: ['auto', 'table', 'json'],
    default: 'auto',
    about: '`auto`: for people on a terminal, else `json`.',
  },
} as const satisfies OptionSpecs

const JOB_WORD = { name: 'job', about: 'Its id.' }

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
  {
    path: ['upload'],
    group: 'Send',
    summary: 'Upload files of any size, and follow the job that ingests them',
    description: [
      'NDJSON, JSON, CSV with a head, or text; plain, gzip or zstd. When the bytes are received they are durable: Ctrl-C leaves the job running. docs/upload.md says more.',
      'The exit status is 1 when records were refused or the job failed.',
    ],
    words: [{ name: 'file', about: 'Files, 100 at most; - or none is standard input.', isOptional: true, many: true }],
    options: UPLOAD_OPTIONS,
    asksNode: true,
    examples: [
      { about: 'files, with progress', line: 'weir upload app-2026-11-20.ndjson.gz audit.csv -s shop' },
      { about: 'from another program', line: 'zcat old/*.gz | weir upload --name old.log --format text -s legacy' },
      { about: 'without waiting', line: 'job=$(weir upload --detach big.ndjson) && weir jobs get "$job" -f' },
    ],
    load: () => import('./commands/upload.ts'),
  },
  {
    path: ['jobs', 'list'],
    group: 'Send',
    summary: 'List upload jobs, newest first',
    options: LIST_OPTIONS,
    asksNode: true,
    examples: [{ about: 'those that failed', line: `weir jobs list | jq -c 'select(.state == "failed")'` }],
    load: () => import('./commands/jobs.ts'),
  },
  {
    path: ['jobs', 'get'],
    group: 'Send',
    summary: 'Show an upload job, or wait for its end',
    words: [JOB_WORD],
    options: JOB_GET_OPTIONS,
    asksNode: true,
    examples: [{ about: 'until it has ended', line: 'weir jobs get 0199a1b2-… -f' }],
    load: () => import('./commands/job-get.ts'),
  },
  {
    path: ['jobs', 'rejects'],
    group: 'Send',
    summary: 'List the records of an upload that were refused',
    words: [JOB_WORD],
    options: LIST_OPTIONS,
    asksNode: true,
    examples: [{ about: 'why, counted', line: 'weir jobs rejects 0199a1b2-… | jq -r .code | sort | uniq -c' }],
    load: () => import('./commands/job-rejects.ts'),
  },
  {
    path: ['jobs', 'cancel'],
    group: 'Send',
    summary: 'Cancel an upload job; what it has stored stays',
    words: [JOB_WORD],
    asksNode: true,
    examples: [{ about: 'by its id', line: 'weir jobs cancel 0199a1b2-…' }],
    load: () => import('./commands/job-cancel.ts'),
  },
  {
    path: ['bench'],
    group: 'Send',
    summary: 'Send made-up records to a node that you name, and measure rate and receipts',
    description: [
      'The records are stored, as services weir-bench-0 and on. The node must be named, by --url or WEIR_URL. At a rate, latencies count from when a request was due.',
    ],
    options: BENCH_OPTIONS,
    asksNode: true,
    examples: [
      {
        about: 'as fast as it takes them',
        line: 'weir bench --url http://127.0.0.1:9347 --duration 30s --connections 8',
      },
      {
        about: 'latencies at 20,000 records a second',
        line: 'weir bench --url http://127.0.0.1:9347 --rate 20000 --batch 200',
      },
    ],
    load: () => import('./commands/bench.ts'),
  },
]
