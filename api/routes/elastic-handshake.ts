import type { FastifyReply, FastifyRequest } from 'fastify'
import {
  elasticCatHealth,
  elasticClusterHealth,
  elasticInfo,
  elasticInfoBare,
  elasticLicense,
  elasticNodes,
  elasticNodesAbout,
  elasticNodesOf,
  elasticRefreshes,
  elasticSetupGets,
  elasticSetupPuts,
  elasticXpack,
} from '../contract/elastic-handshake.ts'
import type { Endpoint } from '../contract/endpoint.ts'
import { ELASTIC_HEADERS, elasticContentType, elasticError } from '../elastic-words.ts'
import type { Route } from '../route.ts'
import type { ServerContext } from '../server-options.ts'

/** The version that is claimed: clients of 7.14 to 9 work with it. */
const ELASTIC_VERSION = '8.19.0'
const CLUSTER_NAME = 'weir'

/** What clients are told at `/`. */
export function elasticInfoOf(nodeId: string): object {
  return {
    name: nodeId,
    cluster_name: CLUSTER_NAME,
    cluster_uuid: CLUSTER_NAME,
    version: {
      number: ELASTIC_VERSION,
      build_flavor: 'default',
      build_type: 'docker',
      build_hash: 'unknown',
      build_date: '2025-07-23T22:05:07.000Z',
      build_snapshot: false,
      lucene_version: '9.12.2',
      minimum_wire_compatibility_version: '7.17.0',
      minimum_index_compatibility_version: '7.0.0',
    },
    tagline: 'You Know, for Search',
  }
}

const LICENSE = {
  status: 'active',
  uid: CLUSTER_NAME,
  type: 'basic',
  issue_date: '2025-01-01T00:00:00.000Z',
  issue_date_in_millis: 1_735_689_600_000,
  max_nodes: 1000,
  issued_to: CLUSTER_NAME,
  issuer: CLUSTER_NAME,
  start_date_in_millis: -1,
}
const FEATURES = ['data_streams', 'ilm', 'monitoring', 'security']
const XPACK = {
  build: { hash: 'unknown', date: '2025-07-23T22:05:07.000Z' },
  license: { uid: CLUSTER_NAME, type: 'basic', mode: 'basic', status: 'active' },
  features: Object.fromEntries(
    FEATURES.map((name) => [name, { available: true, enabled: name === 'ilm' || name === 'data_streams' }]),
  ),
  tagline: 'You know, for X',
}
const ALL_SHARDS = { _shards: { total: 1, successful: 1, failed: 0 } }

type Setup = (name: string) => object

/** Bodies of what agents set up, in the order of the contract: enough for them to see that it is there. */
const SETUPS: readonly Setup[] = [
  (name) => ({ [name]: { version: 1, modified_date: '2025-01-01T00:00:00.000Z', policy: { phases: {} } } }),
  (name) => ({
    index_templates: [{ name, index_template: { index_patterns: [name], data_stream: {}, composed_of: [] } }],
  }),
  (name) => ({ component_templates: [{ name, component_template: { template: {} } }] }),
  (name) => ({ [name]: { index_patterns: [name], mappings: {}, settings: {}, aliases: {} } }),
  (name) => ({
    data_streams: [
      { name, timestamp_field: { name: '@timestamp' }, indices: [], generation: 1, status: 'GREEN', template: name },
    ],
  }),
  (name) => ({ [name]: { processors: [] } }),
]

/** What clients of Elasticsearch ask before they send anything. */
export function elasticHandshakeRoutes({ backend, options }: ServerContext): Route[] {
  const { nodeId } = options
  const info = elasticInfoOf(nodeId)

  const nodes = ({ headers }: FastifyRequest) => ({
    _nodes: { total: 1, successful: 1, failed: 0 },
    cluster_name: CLUSTER_NAME,
    nodes: {
      [nodeId]: {
        name: nodeId,
        version: ELASTIC_VERSION,
        roles: ['data', 'ingest'],
        http: { publish_address: headers.host ?? '' },
      },
    },
  })
  const statusNow = () => (backend.status.notReadyReasons().length === 0 ? 'green' : 'red')
  const health = () => ({
    cluster_name: CLUSTER_NAME,
    status: statusNow(),
    timed_out: false,
    number_of_nodes: 1,
    number_of_data_nodes: 1,
    active_primary_shards: 1,
    active_shards: 1,
    relocating_shards: 0,
    initializing_shards: 0,
    unassigned_shards: 0,
  })
  const catHealth = (_request: FastifyRequest, reply: FastifyReply) => {
    const atSeconds = Math.floor(options.clock.nowMs() / 1000)
    reply.headers(ELASTIC_HEADERS).header('content-type', 'text/plain; charset=UTF-8')
    return reply.send(`${atSeconds} ${CLUSTER_NAME} ${statusNow()} 1 1 1 1 0 0 0 0 - 100.0%\n`)
  }

  const answering = (endpoint: Endpoint, bodyOf: (request: FastifyRequest) => object): Route => ({
    endpoint,
    errorWords: elasticError,
    handler(request, reply) {
      reply.headers(ELASTIC_HEADERS).header('content-type', elasticContentType(request.headers))
      return reply.send(JSON.stringify(bodyOf(request)))
    },
  })
  const nameOf = ({ params }: FastifyRequest) => (params as { readonly name: string }).name

  return [
    answering(elasticInfo, () => info),
    answering(elasticInfoBare, () => info),
    answering(elasticLicense, () => ({ license: LICENSE })),
    answering(elasticXpack, () => XPACK),
    ...[elasticNodes, elasticNodesOf, elasticNodesAbout].map((endpoint) => answering(endpoint, nodes)),
    answering(elasticClusterHealth, health),
    { endpoint: elasticCatHealth, errorWords: elasticError, handler: catHealth },
    ...elasticRefreshes.map((endpoint) => answering(endpoint, () => ALL_SHARDS)),
    ...elasticSetupGets.map((endpoint, i) => answering(endpoint, (request) => SETUPS[i]!(nameOf(request)))),
    ...elasticSetupPuts.map((endpoint) => answering(endpoint, () => ({ acknowledged: true }))),
  ]
}
