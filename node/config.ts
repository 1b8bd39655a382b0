import { isIP } from 'node:net'
import { join } from 'node:path'
import { isTenantName } from '../base/ids.ts'
import {
  AGGREGATE_GROUPS_MAX,
  BODY_BYTES_MAX,
  BODY_INFLATED_BYTES_MAX,
  HEADS_BYTES_MAX,
  RESULT_CACHE_BYTES_MAX,
  SPREAD_SLOTS_MAX,
  WORKERS_MAX,
} from '../base/limits.ts'
import { LOG_LEVELS } from '../base/logger.ts'
import { ALERT_SETTINGS } from './alert-settings.ts'
import { NODE_SETTINGS } from './node-settings.ts'
import { SOCKET_SETTINGS } from './socket-settings.ts'
import { TAIL_SETTINGS } from './tail-settings.ts'
import { UPLOAD_SETTINGS } from './upload-settings.ts'

const KIB = 1024
const MIB = 1024 * KIB
const GIB = 1024 * MIB

/** How a value is written and checked. `null` as default means that the setting may stay unset. */
export type SettingSpec = Common &
  (
    | { readonly kind: 'string' | 'path' | 'secret'; readonly default: string | null }
    | {
        readonly kind: 'integer' | 'bytes' | 'duration' | 'port'
        readonly default: number | null
        readonly min: number
        readonly max: number
      }
    | { readonly kind: 'boolean'; readonly default: boolean }
    | { readonly kind: 'choice'; readonly default: string; readonly choices: readonly string[] }
  )

interface Common {
  readonly unit: string
  readonly description: string
  /** What an unset value becomes, where that depends on other settings or on the machine. */
  readonly derived?: string
  /** Why the setting has no effect in this version. */
  readonly later?: string
}

/** What the names of NATS streams, buckets and subjects allow. */
const CLUSTER_NAME = /^[A-Za-z0-9_-]{1,64}$/

const PORT = { kind: 'port', unit: 'TCP port', min: -1, max: 65_535 } as const

/**
 * Every setting of a node. The key `a.b` is `a: {b: …}` in weir.yaml, `WEIR_A_B` in the environment (camelCase words split by `_`)
 * and `--a.b` or `--a-b` as a flag. docs/config.md and weir.example.yaml are generated from this table.
 */
export const SETTINGS = {
  'http.host': {
    kind: 'string',
    default: '127.0.0.1',
    unit: 'address',
    description: 'Address that the HTTP API listens on. With auth.mode off it must be a loopback address.',
  },
  'http.port': {
    ...PORT,
    default: 9347,
    min: 0,
    description: 'Port of the HTTP API; 0 picks a free one, which the ready line names.',
  },
  'http.advertise': {
    kind: 'string',
    default: null,
    derived: 'the address, or the name of the host when it listens on all',
    unit: 'URL',
    description: 'Where other nodes and people reach the HTTP API of this node.',
  },
  'data.dir': {
    kind: 'path',
    default: './data',
    unit: 'directory',
    description: 'Where the journal, the registry and the local partitions live. One node at a time.',
  },
  'objects.dir': {
    kind: 'path',
    default: null,
    derived: '<data.dir>/objects',
    unit: 'directory',
    description: 'Where published segments are kept when no S3 bucket is configured.',
  },
  shards: {
    kind: 'integer',
    default: 32,
    min: 1,
    max: 4096,
    unit: 'shards',
    description: 'Units of ownership that records are divided into; fixed when the data directory is created.',
  },
  workers: {
    kind: 'integer',
    default: null,
    min: 1,
    max: WORKERS_MAX,
    derived: 'one a core',
    unit: 'threads',
    description: 'Worker threads; each listens, parses, appends and owns shards.',
  },
  'journal.lanes': {
    kind: 'integer',
    default: 1,
    min: 1,
    max: 64,
    unit: 'lanes',
    description: 'Ordered streams of the journal; fixed when the data directory is created.',
  },
  'journal.bytesMax': {
    kind: 'bytes',
    default: 8 * GIB,
    min: 64 * MIB,
    max: 64 * 1024 * GIB,
    unit: 'bytes',
    description: 'Size of the journal beyond which records are refused with 503 until segments are published.',
  },
  'spread.slotRecords': {
    kind: 'integer',
    default: 50_000,
    min: 1,
    max: 1_000_000_000,
    unit: 'records/s',
    description: 'Rate of one service in one shard beyond which the service is spread over more shards.',
  },
  'spread.slotsMax': {
    kind: 'integer',
    default: 16,
    min: 1,
    max: SPREAD_SLOTS_MAX,
    unit: 'slots',
    description: 'Slots that a hot service is spread over at most; a power of two, or the next below. 1 spreads none.',
  },
  'retention.days': {
    kind: 'integer',
    default: 30,
    min: 1,
    max: 36_500,
    unit: 'days',
    description: 'Age beyond which whole days are dropped, and records are refused.',
  },
  'auth.mode': {
    kind: 'choice',
    default: 'off',
    choices: ['off', 'keys', 'oidc'],
    unit: '',
    description: 'Who may use the API: anybody who reaches it (off), holders of API keys (keys).',
  },
  'auth.allowInsecureNetwork': {
    kind: 'boolean',
    default: false,
    unit: '',
    description: 'Permits auth.mode off on an address that other machines can reach.',
  },
  'auth.adminKey': {
    kind: 'secret',
    default: null,
    unit: '',
    description:
      'An API key that administers the cluster and may name any tenant. Unset: one is made at the first start and shown once.',
  },
  'log.level': {
    kind: 'choice',
    default: 'info',
    choices: LOG_LEVELS,
    unit: '',
    description: 'Lowest level of the log lines that the node writes to standard error.',
  },
  'drain.timeoutMs': {
    kind: 'duration',
    default: 10_000,
    min: 0,
    max: 600_000,
    unit: 'ms',
    description: 'How long a stop may take: requests are answered, heads cut, segments published.',
  },
  demo: {
    kind: 'boolean',
    default: false,
    unit: '',
    description: 'Keeps producing the logs of a small shop, so that there is something to see.',
  },
  ...NODE_SETTINGS,
  'cluster.name': {
    kind: 'string',
    default: 'weir',
    unit: 'name',
    description: 'Prefix of every stream and bucket; nodes of one name are one cluster.',
  },
  'compat.elasticAtRoot': {
    kind: 'boolean',
    default: false,
    unit: '',
    description:
      'Answers calls of Elasticsearch clients also at the root, for those that cannot be given the path /elastic.',
  },
  'limits.bodyBytes': {
    kind: 'bytes',
    default: BODY_BYTES_MAX,
    min: KIB,
    max: BODY_BYTES_MAX,
    unit: 'bytes',
    description: 'Largest request body as it is sent; larger ones get 413.',
  },
  'limits.bodyInflatedBytes': {
    kind: 'bytes',
    default: BODY_INFLATED_BYTES_MAX,
    min: KIB,
    max: BODY_INFLATED_BYTES_MAX,
    unit: 'bytes',
    description: 'Largest request body after decompression; larger ones get 413.',
  },
  'limits.inFlightBytes': {
    kind: 'bytes',
    default: BODY_BYTES_MAX,
    min: KIB,
    max: 64 * GIB,
    unit: 'bytes a worker',
    description: 'Bytes of requests that a worker holds before it answers 429; at least limits.bodyBytes.',
  },
  'limits.headsBytes': {
    kind: 'bytes',
    default: HEADS_BYTES_MAX,
    min: MIB,
    max: 64 * GIB,
    unit: 'bytes a worker',
    description: 'Memory for rows that are not yet cut into blocks.',
  },
  'limits.blockCacheBytes': {
    kind: 'bytes',
    default: 64 * MIB,
    min: 0,
    max: 1024 * GIB,
    unit: 'bytes a worker',
    description: 'Memory for decoded columns of blocks.',
  },
  'limits.resultCacheBytes': {
    kind: 'bytes',
    default: RESULT_CACHE_BYTES_MAX,
    min: 0,
    max: 64 * GIB,
    unit: 'bytes a worker',
    description: 'Memory for what repeated aggregations found in published segments; 0 to keep nothing.',
  },
  'limits.searchConcurrency': {
    kind: 'integer',
    default: 8,
    min: 1,
    max: 1024,
    unit: 'queries a worker',
    description: 'Queries that a worker runs at once; others wait for their turn.',
  },
  'limits.aggregateGroups': {
    kind: 'integer',
    default: AGGREGATE_GROUPS_MAX,
    min: 1,
    max: AGGREGATE_GROUPS_MAX,
    unit: 'groups',
    description: 'Groups of one aggregation before it fails.',
  },
  'nats.url': {
    kind: 'string',
    default: null,
    unit: 'URLs',
    description: 'NATS servers, separated by commas. Unset: the node is a cluster of its own.',
  },
  'nats.replicas': {
    kind: 'integer',
    default: null,
    min: 1,
    max: 5,
    derived: 'the servers, at most 3',
    unit: 'replicas',
    description: 'Copies that JetStream keeps of the journal and the registry.',
  },
  'nats.user': { kind: 'string', default: null, unit: 'name', description: 'User name for NATS.' },
  'nats.password': { kind: 'secret', default: null, unit: '', description: 'Password for NATS.' },
  'nats.token': { kind: 'secret', default: null, unit: '', description: 'Token for NATS.' },
  'nats.credentialsFile': {
    kind: 'path',
    default: null,
    unit: 'file',
    description: "File with a NATS user's JWT and seed.",
  },
  'nats.nkeyFile': {
    kind: 'path',
    default: null,
    unit: 'file',
    description: 'File with the seed of a NATS nkey.',
  },
  'nats.caFile': {
    kind: 'path',
    default: null,
    unit: 'file',
    description: 'Certificates (PEM) to trust for NATS; makes TLS compulsory.',
  },
  'nats.certFile': {
    kind: 'path',
    default: null,
    unit: 'file',
    description: 'Certificate (PEM) to show to NATS.',
  },
  'nats.keyFile': {
    kind: 'path',
    default: null,
    unit: 'file',
    description: 'Key (PEM) of nats.certFile.',
  },
  'replicas.standby': {
    kind: 'integer',
    default: 0,
    min: 0,
    max: 1,
    unit: 'nodes',
    description: 'Nodes that follow each shard beside its owner, to take it over without a replay.',
  },
  's3.endpoint': {
    kind: 'string',
    default: null,
    unit: 'URL',
    description: 'An S3-compatible object store. Unset: the one of the AWS region.',
  },
  's3.bucket': {
    kind: 'string',
    default: null,
    unit: 'name',
    description: 'Bucket for published segments. Unset: objects.dir is used.',
  },
  's3.prefix': {
    kind: 'string',
    default: null,
    derived: 'cluster.name',
    unit: 'key',
    description: 'Before every key in the bucket, with a slash between; so several clusters may share a bucket.',
  },
  's3.createBucket': {
    kind: 'boolean',
    default: false,
    unit: '',
    description: 'Makes the bucket when it is absent.',
  },
  's3.region': {
    kind: 'string',
    default: null,
    derived: 'what the AWS environment says; us-east-1 at an s3.endpoint',
    unit: 'name',
    description: 'Region of the bucket.',
  },
  's3.accessKeyId': {
    kind: 'string',
    default: null,
    unit: '',
    description: 'Access key. Unset: the standard chain of AWS (environment, shared files, roles).',
  },
  's3.secretAccessKey': {
    kind: 'secret',
    default: null,
    unit: '',
    description: 'Secret of the access key.',
  },
  's3.forcePathStyle': {
    kind: 'boolean',
    default: false,
    unit: '',
    description: 'Names the bucket in the path rather than in the host; most S3-compatible servers want it.',
  },
  's3.caFile': {
    kind: 'path',
    default: null,
    unit: 'file',
    description: 'Certificates (PEM) to trust for s3.endpoint beside those of the system.',
  },
  'cache.bytesMax': {
    kind: 'bytes',
    default: 10 * GIB,
    min: 0,
    max: 1024 * 1024 * GIB,
    unit: 'bytes',
    description: 'Disk below data.dir for what was read from or put into the bucket; 0 for no cache.',
  },
  ...UPLOAD_SETTINGS,
  ...TAIL_SETTINGS,
  ...ALERT_SETTINGS,
  ...SOCKET_SETTINGS,
} as const satisfies Record<string, SettingSpec>

type Table = typeof SETTINGS
export type SettingKey = keyof Table
/** `derived` values that only the running node can make stay null: node.id, nats.replicas. */
type Kept<S> = S extends { readonly kind: 'choice'; readonly choices: readonly (infer C)[] }
  ? C
  : S extends { readonly kind: 'boolean' }
    ? boolean
    : S extends { readonly default: null }
      ? (S extends { readonly kind: 'integer' | 'bytes' | 'duration' | 'port' } ? number : string) | null
      : S extends { readonly kind: 'integer' | 'bytes' | 'duration' | 'port' }
        ? number
        : string

/** The settings of a node by their key. Paths are absolute. Plain data: workers get it as it is. */
export type Settings = {
  readonly [K in Exclude<SettingKey, 'objects.dir' | 'workers'>]: Kept<Table[K]>
} & { readonly 'objects.dir': string; readonly workers: number }

export const SETTING_KEYS = Object.keys(SETTINGS) as SettingKey[]

export function settingSpec(key: SettingKey): SettingSpec {
  return SETTINGS[key]
}

/** `http.port` → `WEIR_HTTP_PORT`, `auth.adminKey` → `WEIR_AUTH_ADMIN_KEY`. */
export function environmentName(key: SettingKey): string {
  return `WEIR_${words(key).join('_').toUpperCase()}`
}

/** `drain.timeoutMs` → `drain-timeout-ms`; the flag of the setting beside its key itself. */
export function flagName(key: SettingKey): string {
  return words(key).join('-')
}

function words(key: SettingKey): string[] {
  return key
    .replace(/([a-z0-9])([A-Z])/g, '$1.$2')
    .toLowerCase()
    .split('.')
}

/** What the values of several settings together must obey. Returns sentences, none when all is well. */
export function conflicts(settings: Settings): string[] {
  const problems: string[] = []
  if (!CLUSTER_NAME.test(settings['cluster.name'])) {
    problems.push('cluster.name: letters, digits, _ and - only, at most 64')
  }
  const host = settings['http.host']
  // X2
  if (settings['auth.mode'] === 'off' && !isLoopback(host) && !settings['auth.allowInsecureNetwork']) {
    problems.push(
      `http.host ${host} can be reached by other machines while auth.mode is off: set auth.mode to keys, or keep to 127.0.0.1, ` +
        'or set auth.allowInsecureNetwork to true where the network itself is closed',
    )
  }
  if (settings['auth.mode'] === 'oidc') problems.push('auth.mode oidc: this version has API keys only; use keys')
  if (settings['limits.inFlightBytes'] < settings['limits.bodyBytes']) {
    problems.push('limits.inFlightBytes is below limits.bodyBytes: the largest body could never be admitted')
  }
  if (settings['limits.bodyInflatedBytes'] < settings['limits.bodyBytes']) {
    problems.push('limits.bodyInflatedBytes is below limits.bodyBytes: the largest body could never be read')
  }
  if ((settings['s3.accessKeyId'] === null) !== (settings['s3.secretAccessKey'] === null)) {
    problems.push(
      's3.accessKeyId and s3.secretAccessKey belong together: give both, or neither for the standard chain of AWS',
    )
  }
  if (
    settings['nats.url'] !== null &&
    settings['s3.bucket'] === null &&
    settings['objects.dir'] === join(settings['data.dir'], 'objects')
  ) {
    problems.push(
      'nats.url without s3.bucket: the nodes of a cluster need one place for published segments; configure a bucket, or an objects.dir ' +
        'that all nodes share',
    )
  }
  if ((settings['alerts.smtpUser'] === null) !== (settings['alerts.smtpPassword'] === null)) {
    problems.push('alerts.smtpUser and alerts.smtpPassword belong together')
  }
  for (const listener of ['syslog', 'otlpGrpc'] as const) {
    if ((settings[`${listener}.certFile`] === null) !== (settings[`${listener}.keyFile`] === null)) {
      problems.push(`${listener}.certFile and ${listener}.keyFile belong together`)
    }
  }
  for (const key of ['syslog.tenant', 'forward.tenant'] as const) {
    const tenant = settings[key]
    if (tenant !== null && !isTenantName(tenant)) problems.push(`${key}: this is no name of a tenant`)
  }
  const needBucket = (['s3.endpoint', 's3.accessKeyId'] as const).filter((key) => settings[key] !== null)
  if (settings['s3.bucket'] === null && needBucket.length > 0) {
    problems.push(`${needBucket.join(' and ')} without s3.bucket: objects would go to objects.dir`)
  }
  return problems
}

/** True for addresses that only this machine can reach. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, '$1').toLowerCase()
  if (bare === 'localhost' || bare === '::1') return true
  return isIP(bare) === 4 && bare.startsWith('127.')
}
