import Type, { type Static } from 'typebox'
import { JSON_TYPE, NameText } from './common.ts'
import type { Endpoint } from './endpoint.ts'
import { NoParameters } from './records.ts'

const Nullable = <T extends Type.TSchema>(schema: T, description: string) =>
  Type.Union([schema, Type.Null()], { description })

const ClusterLoad = Type.Object({
  recordsPerSecond: Type.Number({ description: 'Records taken in.' }),
  bytesPerSecond: Type.Number({ description: 'Bodies taken in, as they were sent.' }),
  cpuCores: Type.Number({ description: 'Cores that the process keeps busy.' }),
})

export const ClusterNode = Type.Object(
  {
    id: Type.String(),
    state: Type.Enum(['joining', 'active', 'draining', 'silent'], {
      description:
        '`joining`: it starts; `draining`: it gives its shards away; `silent`: it owns shards and is not heard, or not yet.',
    }),
    url: Nullable(Type.String(), 'Of its HTTP side.'),
    version: Nullable(Type.String(), 'Of Weir.'),
    startedAt: Nullable(Type.String(), 'By its own clock.'),
    workers: Type.Integer(),
    shards: Type.Integer({ description: 'Shards that it owns.' }),
    standbys: Type.Integer({ description: 'Shards that it follows, to take them over at once.' }),
    load: ClusterLoad,
    natsServer: Nullable(Type.String(), 'The NATS server that it is connected to.'),
    stuck: Type.Array(Type.String(), { description: 'Its threads that make no progress.' }),
  },
  { title: 'ClusterNode' },
)
export type ClusterNode = Static<typeof ClusterNode>

export const ClusterShard = Type.Object(
  {
    shard: Type.Integer(),
    owner: Nullable(Type.String(), 'Null while nobody has taken it.'),
    standby: Nullable(Type.String(), 'The node that follows it.'),
    epoch: Type.Integer({ description: 'Rises with each change of the owner.' }),
    lagRecords: Nullable(
      Type.Number(),
      'About how many records are durable and cannot be found yet; null where the owner did not say.',
    ),
    lagSeconds: Nullable(
      Type.Number(),
      'For how long the oldest of them has waited; null where the owner did not say.',
    ),
    floor: Nullable(
      Type.Object({ generation: Type.Integer(), sequence: Type.Integer() }),
      'Position in the journal up to which everything is in published segments.',
    ),
  },
  { title: 'ClusterShard' },
)
export type ClusterShard = Static<typeof ClusterShard>

const ClusterMove = Type.Object(
  {
    shard: Type.Integer(),
    from: Nullable(Type.String(), 'Null: from nobody.'),
    to: Type.String(),
    state: Type.Enum(['planned', 'catchingUp', 'following', 'unknown'], {
      description:
        'Of the node that it goes to. `planned`: it has not begun; `catchingUp`: it reads the journal; `following`: it has caught up and takes over next; `unknown`: it did not say.',
    }),
    lagRecords: Nullable(Type.Number(), 'About how many records that node has still to read.'),
    lagSeconds: Nullable(Type.Number(), 'For how long the oldest of them has waited.'),
  },
  { title: 'ClusterMove' },
)

export const Cluster = Type.Object(
  {
    name: Type.String(),
    nodeId: Type.String({ description: 'The node that answers; this is the cluster as it sees it.' }),
    settled: Type.Boolean({ description: 'False while that node may not have heard of all others yet.' }),
    nodes: Type.Array(ClusterNode),
    shards: Type.Array(ClusterShard),
    moves: Type.Array(ClusterMove, { description: 'Shards that are to have another owner.' }),
  },
  { title: 'Cluster' },
)
export type Cluster = Static<typeof Cluster>

export const getCluster: Endpoint = {
  id: 'getCluster',
  method: 'GET',
  path: '/v1/cluster',
  group: 'Operate',
  summary: 'Nodes, shards and their owners, and what is being moved',
  description: 'A credential of the whole cluster is needed.',
  role: 'read',
  clusterOnly: true,
  query: NoParameters,
  responses: { 200: { description: 'The cluster as this node sees it.', content: { [JSON_TYPE]: Cluster } } },
}

export const drainNode: Endpoint = {
  id: 'drainNode',
  method: 'POST',
  path: '/v1/cluster/nodes/{id}/drain',
  group: 'Operate',
  summary: 'Have a node give its shards to the others and end',
  description:
    'As SIGTERM does. The answer comes when it has begun; `GET /v1/cluster` shows how far it is. A credential of the whole cluster is needed.',
  role: 'admin',
  clusterOnly: true,
  pathParameters: Type.Object({ id: NameText('Id of the node.') }),
  query: NoParameters,
  responses: {
    202: {
      description: 'It drains.',
      content: {
        [JSON_TYPE]: Type.Object({ id: Type.String(), state: Type.Enum(['draining']) }, { title: 'Draining' }),
      },
    },
    404: { description: 'There is no such node.' },
    409: { description: 'No other node could take over.' },
  },
}
