import Type from 'typebox'
import { JSON_TYPE } from './common.ts'
import type { Endpoint } from './endpoint.ts'

const answer = { 200: { description: 'As Elasticsearch answers it.', content: { [JSON_TYPE]: Type.Unknown() } } }
const name = Type.Object({ name: Type.String() })

function call(id: string, path: string, summary: string, method: Endpoint['method'] = 'GET'): Endpoint {
  return {
    id,
    method,
    path: `/elastic${path}`,
    group: 'Elasticsearch handshake',
    summary,
    role: 'ingest',
    ...(path.includes('{name}') ? { pathParameters: name } : {}),
    ...(path.includes('{index}') ? { pathParameters: Type.Object({ index: Type.String() }) } : {}),
    responses: answer,
  }
}

export const elasticInfo = call('elasticInfo', '/', 'Version and name, for clients that check them')
export const elasticInfoBare = call('elasticInfoBare', '', 'The same')
export const elasticLicense = call('elasticLicense', '/_license', 'A basic licence')
export const elasticXpack = call('elasticXpack', '/_xpack', 'Features')
export const elasticNodes = call('elasticNodes', '/_nodes', 'This node')
export const elasticNodesOf = call('elasticNodesOf', '/_nodes/{name}', 'This node')
export const elasticNodesAbout = call('elasticNodesAbout', '/_nodes/{name}/http', 'This node')
export const elasticClusterHealth = call(
  'elasticClusterHealth',
  '/_cluster/health',
  'Green when the node is ready, else red',
)
export const elasticCatHealth = call('elasticCatHealth', '/_cat/health', 'The same, as text')
/** The official clients ask by GET. */
export const elasticRefreshes = [
  call('elasticRefresh', '/_refresh', 'Does nothing: records are found by themselves', 'POST'),
  call('elasticRefreshByGet', '/_refresh', 'The same'),
  call('elasticRefreshOfIndex', '/{index}/_refresh', 'The same', 'POST'),
  call('elasticRefreshOfIndexByGet', '/{index}/_refresh', 'The same'),
]

/** What agents set up before they send: policies, templates, data streams, pipelines. All exist, none has an effect. */
const SETUPS: readonly (readonly [id: string, path: string])[] = [
  ['IlmPolicy', '/_ilm/policy'],
  ['IndexTemplate', '/_index_template'],
  ['ComponentTemplate', '/_component_template'],
  ['Template', '/_template'],
  ['DataStream', '/_data_stream'],
  ['IngestPipeline', '/_ingest/pipeline'],
]
export const elasticSetupGets = SETUPS.map(([id, path]) =>
  call(`elasticGet${id}`, `${path}/{name}`, 'Says that it exists'),
)
export const elasticSetupPuts = SETUPS.map(([id, path]) =>
  call(`elasticPut${id}`, `${path}/{name}`, 'Acknowledged, without effect', 'PUT'),
)

export const ELASTIC_HANDSHAKE: readonly Endpoint[] = [
  elasticInfo,
  elasticInfoBare,
  elasticLicense,
  elasticXpack,
  elasticNodes,
  elasticNodesOf,
  elasticNodesAbout,
  elasticClusterHealth,
  elasticCatHealth,
  ...elasticRefreshes,
  ...elasticSetupGets,
  ...elasticSetupPuts,
]
