import type { CommandSpec, OptionSpecs } from './command.ts'
import { EMPTY_OPTION, LIST_OPTIONS } from './common-options.ts'

export const KEY_CREATE_OPTIONS = {
  role: {
    form: 'text',
    value: 'role',
    many: true,
    choices: ['ingest', 'read', 'alert', 'admin', 'enrol'],
    about: 'What it may do; several times for several.',
  },
  of: {
    form: 'text',
    value: 'tenant',
    about: 'Its tenant; * for a key of the cluster. Default: that of the key used.',
  },
} as const satisfies OptionSpecs

const FILE = { form: 'text', value: 'file', short: 'f', about: 'JSON or YAML; - is standard input.' } as const

export const PIPELINE_APPLY_OPTIONS = {
  file: FILE,
  'if-version': { form: 'count', about: 'Only if this is its version; 0: only if there is none.' },
} as const satisfies OptionSpecs

export const PIPELINE_DRY_RUN_OPTIONS = {
  file: { ...FILE, about: 'A definition that is not stored, JSON or YAML.' },
  records: { form: 'text', value: 'file', default: '-', about: 'Records to try it on, NDJSON; - is standard input.' },
  ...LIST_OPTIONS,
} as const satisfies OptionSpecs

const LETTER_NARROWING = {
  from: { form: 'text', value: 'time', about: 'Received from this time on.' },
  to: { form: 'text', value: 'time', about: 'Received before this time.' },
  protocol: { form: 'text', value: 'name', about: 'That came by this protocol, such as http or syslog.' },
  code: { form: 'text', value: 'code', about: 'That were refused with this code.' },
  reason: { form: 'text', value: 'words', about: 'With these words in their reason.' },
} as const satisfies OptionSpecs

export const DEAD_LETTERS_OPTIONS = {
  ...LETTER_NARROWING,
  limit: { form: 'count', short: 'n', default: 100, about: 'So many at most; 0: all.' },
  ...LIST_OPTIONS,
  ...EMPTY_OPTION,
} as const satisfies OptionSpecs

export const REPLAY_OPTIONS = {
  ...LETTER_NARROWING,
  all: { form: 'switch', about: 'All that there are.' },
} as const satisfies OptionSpecs

const PIPELINE_WORD = { name: 'id', about: 'Name of the pipeline.' }

export const OPERATE_COMMANDS: readonly CommandSpec[] = [
  {
    path: ['cluster', 'status'],
    group: 'Operate',
    summary: 'Show the nodes and shards of a running cluster, and what moves',
    description: ['Needs a key of the whole cluster.'],
    options: LIST_OPTIONS,
    asksNode: true,
    examples: [
      { about: 'as tables', line: 'weir cluster status' },
      { about: 'who owns what', line: `weir cluster status -o json | jq '.shards[] | [.shard, .owner]'` },
    ],
    load: () => import('./commands/cluster-status.ts'),
  },
  {
    path: ['cluster', 'drain'],
    group: 'Operate',
    summary: 'Have a node give its shards to the others and end',
    description: ['As SIGTERM does. Needs an admin key of the whole cluster.'],
    words: [{ name: 'node', about: 'Its id, as in weir cluster status.' }],
    asksNode: true,
    examples: [{ about: 'before its machine is taken away', line: 'weir cluster drain node-3' }],
    load: () => import('./commands/cluster-drain.ts'),
  },
  {
    path: ['keys', 'list'],
    group: 'Operate',
    summary: 'List keys, without their secrets',
    options: LIST_OPTIONS,
    asksNode: true,
    examples: [{ about: 'as a table', line: 'weir keys list' }],
    load: () => import('./commands/keys.ts'),
  },
  {
    path: ['keys', 'create'],
    group: 'Operate',
    summary: 'Make a key; it is printed this once',
    words: [{ name: 'name', about: 'For people to know it by.' }],
    options: KEY_CREATE_OPTIONS,
    asksNode: true,
    examples: [
      { about: 'for a shipper, into a file', line: 'weir keys create shipper --role ingest > shipper.key' },
      { about: 'for another tenant, by a key of the cluster', line: 'weir keys create web --role read --of shop' },
    ],
    load: () => import('./commands/key-create.ts'),
  },
  {
    path: ['keys', 'revoke'],
    group: 'Operate',
    summary: 'Revoke keys, in force at once',
    words: [{ name: 'id', about: 'As in weir keys list.', many: true }],
    asksNode: true,
    examples: [{ about: 'by its id', line: 'weir keys revoke 0199a1b2-…' }],
    load: () => import('./commands/key-revoke.ts'),
  },
  {
    path: ['agents', 'list'],
    group: 'Operate',
    summary: 'List the agents, and what each last said of itself',
    options: LIST_OPTIONS,
    asksNode: true,
    examples: [{ about: 'as a table', line: 'weir agents list' }],
    load: () => import('./commands/agents.ts'),
  },
  {
    path: ['agents', 'revoke'],
    group: 'Operate',
    summary: 'Revoke agents: their tokens are void within a second',
    words: [{ name: 'id', about: 'As in weir agents list.', many: true }],
    asksNode: true,
    examples: [{ about: 'by its id', line: 'weir agents revoke 0199a1b2-…' }],
    load: () => import('./commands/agent-revoke.ts'),
  },
  {
    path: ['pipelines', 'list'],
    group: 'Operate',
    summary: 'List pipelines, in the order in which records pass them',
    options: LIST_OPTIONS,
    asksNode: true,
    examples: [{ about: 'as a table', line: 'weir pipelines list' }],
    load: () => import('./commands/pipelines.ts'),
  },
  {
    path: ['pipelines', 'get'],
    group: 'Operate',
    summary: 'Print the definition of a pipeline',
    words: [PIPELINE_WORD],
    asksNode: true,
    examples: [{ about: 'to a file, to be changed and applied', line: 'weir pipelines get shop > shop.json' }],
    load: () => import('./commands/pipeline-get.ts'),
  },
  {
    path: ['pipelines', 'apply'],
    group: 'Operate',
    summary: 'Make or change a pipeline; in force on every node within a second',
    words: [PIPELINE_WORD],
    options: PIPELINE_APPLY_OPTIONS,
    asksNode: true,
    examples: [
      { about: 'from a file', line: 'weir pipelines apply shop -f shop.yaml' },
      { about: 'only if nobody else changed it', line: 'weir pipelines apply shop -f shop.yaml --if-version 3' },
    ],
    load: () => import('./commands/pipeline-apply.ts'),
  },
  {
    path: ['pipelines', 'dry-run'],
    group: 'Operate',
    summary: 'Try a pipeline on records; nothing is stored',
    description: [
      'Of the definition in a file, of a stored pipeline, or of neither: then all that the tenant has. The exit status is 1 when a step refuses a record.',
    ],
    words: [{ ...PIPELINE_WORD, isOptional: true }],
    options: PIPELINE_DRY_RUN_OPTIONS,
    asksNode: true,
    examples: [
      {
        about: 'a file, on the newest records',
        line: 'weir query -n 20 | weir pipelines dry-run -f shop.yaml -o table',
      },
    ],
    load: () => import('./commands/pipeline-dry-run.ts'),
  },
  {
    path: ['pipelines', 'delete'],
    group: 'Operate',
    summary: 'Delete a pipeline',
    words: [PIPELINE_WORD],
    asksNode: true,
    examples: [{ about: 'by its name', line: 'weir pipelines delete shop' }],
    load: () => import('./commands/pipeline-delete.ts'),
  },
  {
    path: ['dead-letters', 'list'],
    group: 'Operate',
    summary: 'List refused records with their reasons, newest first',
    options: DEAD_LETTERS_OPTIONS,
    asksNode: true,
    examples: [
      { about: 'why, counted', line: 'weir dead-letters list -n 0 | jq -r .code | sort | uniq -c' },
      {
        about: 'those of today that were too old',
        line: 'weir dead-letters list --from now/d --code timestamp_out_of_range',
      },
    ],
    load: () => import('./commands/dead-letters.ts'),
  },
  {
    path: ['dead-letters', 'replay'],
    group: 'Operate',
    summary: 'Store refused records after all, once what refused them has changed',
    description: [
      'Each is stored once, however often it is replayed. The exit status is 1 when some are refused again.',
    ],
    words: [{ name: 'id', about: 'As in weir dead-letters list.', isOptional: true, many: true }],
    options: REPLAY_OPTIONS,
    asksNode: true,
    examples: [
      { about: 'those of a code', line: 'weir dead-letters replay --code timestamp_out_of_range' },
      { about: 'all', line: 'weir dead-letters replay --all' },
    ],
    load: () => import('./commands/dead-letter-replay.ts'),
  },
]
