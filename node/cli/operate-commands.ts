import type { CommandSpec } from './command.ts'
import { LIST_OPTIONS } from './common-options.ts'

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
]
