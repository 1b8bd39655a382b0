import { ALERT_METRICS } from './alert-metrics.ts'
import { NOTIFY_METRICS } from './notify-metrics.ts'
import { PROCESS_METRICS } from './process-metrics.ts'
import { SYSLOG_METRICS } from './syslog-metrics.ts'
import { TAIL_METRICS } from './tail-metrics.ts'
import { UPLOAD_METRICS } from './upload-metrics.ts'

/**
 * Every metric of the system. Names follow the Prometheus conventions (base units, `_total` for counters); docs/metrics.md is generated from
 * this table. A metric exists once a thread; threads are summed when rendered, or the highest taken where `across` says so.
 */
export interface MetricSpec {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly unit: string
  readonly labels: readonly string[]
  /** Upper bounds of a histogram's buckets, ascending, in `unit`; +Inf is implied. */
  readonly buckets?: readonly number[]
  /** How the values of several threads become one; default sum. */
  readonly across?: 'sum' | 'max'
}

/** Half a millisecond to a minute: receipts and searches are judged at 1 to 100 ms. */
const LATENCY_S = [
  0.0005, 0.001, 0.002, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
] as const
const DISK_LATENCY_S = [0.0001, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5] as const
const FRAME_BYTES = [1024, 4096, 16_384, 65_536, 131_072, 262_144, 524_288, 1_048_576, 2_097_152, 6_291_456] as const
const BLOCK_ROWS = [16, 64, 256, 1024, 2048, 4096, 8192] as const

export const METRIC_CATALOGUE = {
  // --- HTTP ---------------------------------------------------------------------------------------------------
  httpRequests: {
    name: 'weir_http_requests_total',
    help: 'Requests answered, by route and status.',
    type: 'counter',
    unit: 'requests',
    labels: ['route', 'status'],
  },
  httpSeconds: {
    name: 'weir_http_request_seconds',
    help: 'Time from the last byte of a request to its answer, by route.',
    type: 'histogram',
    unit: 'seconds',
    labels: ['route'],
    buckets: LATENCY_S,
  },
  httpConnections: {
    name: 'weir_http_connections',
    help: 'Open connections.',
    type: 'gauge',
    unit: 'connections',
    labels: [],
  },

  // --- ingest -------------------------------------------------------------------------------------------------
  ingestRecordsAccepted: {
    name: 'weir_ingest_records_accepted_total',
    help: 'Records stored durably, by protocol.',
    type: 'counter',
    unit: 'records',
    labels: ['protocol'],
  },
  pipelineRecords: {
    name: 'weir_pipeline_records_total',
    help: 'Records that have passed a pipeline, by outcome: kept, routed, dropped, failed.',
    type: 'counter',
    unit: 'records',
    labels: ['outcome'],
  },
  servicesSpread: {
    name: 'weir_services_spread',
    help: 'Services that are so hot that they have more than one slot.',
    type: 'gauge',
    unit: 'services',
    labels: [],
    across: 'max',
  },
  ingestRecordsRejected: {
    name: 'weir_ingest_records_rejected_total',
    help: 'Records refused one by one and kept as dead letters, by protocol and reason code.',
    type: 'counter',
    unit: 'records',
    labels: ['protocol', 'code'],
  },
  ingestRecordsRepeated: {
    name: 'weir_ingest_records_repeated_total',
    help: 'Records of keyed requests that had been stored before and were not stored again.',
    type: 'counter',
    unit: 'records',
    labels: [],
  },
  ingestBytes: {
    name: 'weir_ingest_bytes_total',
    help: 'Bytes of request bodies taken in, after decompression, by protocol.',
    type: 'counter',
    unit: 'bytes',
    labels: ['protocol'],
  },
  ingestRequestsRefused: {
    name: 'weir_ingest_requests_refused_total',
    help: 'Whole requests refused before anything was appended, by error code.',
    type: 'counter',
    unit: 'requests',
    labels: ['code'],
  },
  ingestReceiptSeconds: {
    name: 'weir_ingest_receipt_seconds',
    help: 'Time from admission of a request to its receipt, which is sent when its records are durable.',
    type: 'histogram',
    unit: 'seconds',
    labels: [],
    buckets: LATENCY_S,
  },
  ingestInFlightBytes: {
    name: 'weir_ingest_in_flight_bytes',
    help: 'Bytes of requests admitted and not answered yet.',
    type: 'gauge',
    unit: 'bytes',
    labels: [],
  },

  ...ALERT_METRICS,
  ...UPLOAD_METRICS,
  ...TAIL_METRICS,
  ...NOTIFY_METRICS,

  // --- the journal --------------------------------------------------------------------------------------------
  journalFrames: {
    name: 'weir_journal_frames_total',
    help: 'Frames appended.',
    type: 'counter',
    unit: 'frames',
    labels: [],
  },
  journalSections: {
    name: 'weir_journal_sections_total',
    help: 'Sections in the frames appended.',
    type: 'counter',
    unit: 'sections',
    labels: [],
  },
  journalFrameBytes: {
    name: 'weir_journal_frame_bytes',
    help: 'Sizes of the frames appended.',
    type: 'histogram',
    unit: 'bytes',
    labels: [],
    buckets: FRAME_BYTES,
  },
  journalAppendSeconds: {
    name: 'weir_journal_append_seconds',
    help: 'Time of one append, until it is durable.',
    type: 'histogram',
    unit: 'seconds',
    labels: [],
    buckets: DISK_LATENCY_S,
  },
  journalAppendFailures: {
    name: 'weir_journal_append_failures_total',
    help: 'Appends that failed, by error code.',
    type: 'counter',
    unit: 'appends',
    labels: ['code'],
  },
  journalGenerationsRaised: {
    name: 'weir_journal_generations_raised_total',
    help: 'Times that a lane was found recreated or restored from an older state: acknowledged records may be gone from it.',
    type: 'counter',
    unit: 'generations',
    labels: ['lane', 'reason'],
  },
  journalBytes: {
    name: 'weir_journal_bytes',
    help: 'Bytes the journal keeps.',
    type: 'gauge',
    unit: 'bytes',
    labels: ['lane'],
    across: 'max',
  },
  journalBytesMax: {
    name: 'weir_journal_bytes_max',
    help: 'Bytes the journal may keep before it refuses appends.',
    type: 'gauge',
    unit: 'bytes',
    labels: ['lane'],
    across: 'max',
  },
  journalLagFrames: {
    name: 'weir_journal_lag_frames',
    help: 'Durable frames that are not yet applied, so not yet searchable.',
    type: 'gauge',
    unit: 'frames',
    labels: ['lane'],
    across: 'max',
  },
  journalLagSeconds: {
    name: 'weir_journal_lag_seconds',
    help: 'Age of the oldest durable frame that is not yet searchable.',
    type: 'gauge',
    unit: 'seconds',
    labels: ['lane'],
    across: 'max',
  },

  ...SYSLOG_METRICS,

  // --- storage ------------------------------------------------------------------------------------------------
  storageRowsApplied: {
    name: 'weir_storage_rows_applied_total',
    help: 'Rows applied to heads.',
    type: 'counter',
    unit: 'rows',
    labels: [],
  },
  storageHeadBytes: {
    name: 'weir_storage_head_bytes',
    help: 'Bytes of all heads in memory.',
    type: 'gauge',
    unit: 'bytes',
    labels: [],
  },
  storageBlocksCut: {
    name: 'weir_storage_blocks_cut_total',
    help: 'Blocks cut from heads.',
    type: 'counter',
    unit: 'blocks',
    labels: [],
  },
  storageBlockRows: {
    name: 'weir_storage_block_rows',
    help: 'Rows of the blocks cut.',
    type: 'histogram',
    unit: 'rows',
    labels: [],
    buckets: BLOCK_ROWS,
  },
  storageCutSeconds: {
    name: 'weir_storage_cut_seconds',
    help: 'Time to cut one head into blocks and commit them.',
    type: 'histogram',
    unit: 'seconds',
    labels: [],
    buckets: LATENCY_S,
  },
  storageBlockBytes: {
    name: 'weir_storage_block_bytes_total',
    help: 'Bytes of the blocks cut, filters included.',
    type: 'counter',
    unit: 'bytes',
    labels: [],
  },
  storageSegmentsPublished: {
    name: 'weir_storage_segments_published_total',
    help: 'Segments put into the object store and committed.',
    type: 'counter',
    unit: 'segments',
    labels: [],
  },
  storageSegmentBytes: {
    name: 'weir_storage_segment_bytes_total',
    help: 'Bytes of the segments published.',
    type: 'counter',
    unit: 'bytes',
    labels: [],
  },
  storageSegmentsMerged: {
    name: 'weir_storage_segments_merged_total',
    help: 'Segments that went into merges.',
    type: 'counter',
    unit: 'segments',
    labels: [],
  },
  storagePublishFailures: {
    name: 'weir_storage_publish_failures_total',
    help: 'Publishes that failed and will be tried again, by error code.',
    type: 'counter',
    unit: 'publishes',
    labels: ['code'],
  },
  storageDaysDropped: {
    name: 'weir_storage_days_dropped_total',
    help: 'Days of a shard dropped because their retention ended.',
    type: 'counter',
    unit: 'days',
    labels: [],
  },

  // --- search -------------------------------------------------------------------------------------------------
  searchQueries: {
    name: 'weir_search_queries_total',
    help: 'Queries answered, by kind and outcome (ok, partial or an error code).',
    type: 'counter',
    unit: 'queries',
    labels: ['kind', 'outcome'],
  },
  searchSeconds: {
    name: 'weir_search_seconds',
    help: 'Time of a query, from its receipt to its answer, by kind.',
    type: 'histogram',
    unit: 'seconds',
    labels: ['kind'],
    buckets: LATENCY_S,
  },
  searchRowsScanned: {
    name: 'weir_search_rows_scanned_total',
    help: 'Rows whose columns were looked at.',
    type: 'counter',
    unit: 'rows',
    labels: [],
  },
  searchBlocks: {
    name: 'weir_search_blocks_total',
    help: 'Blocks in the range of queries, by fate: opened, or skipped by the filter of that name.',
    type: 'counter',
    unit: 'blocks',
    labels: ['fate'],
  },
  searchBytesRead: {
    name: 'weir_search_bytes_read_total',
    help: 'Bytes read from blocks and segments.',
    type: 'counter',
    unit: 'bytes',
    labels: [],
  },

  // --- object store --------------------------------------------------------------------------------------------
  objectStoreAttempts: {
    name: 'weir_object_store_attempts_total',
    help: 'Attempts of requests to the object store (S3), by operation and outcome: ok, absent, transient (tried again), or why it is refused.',
    type: 'counter',
    unit: 'attempts',
    labels: ['operation', 'outcome'],
  },
  objectStoreSeconds: {
    name: 'weir_object_store_attempt_seconds',
    help: 'Time of an attempt, its body included, by operation.',
    type: 'histogram',
    unit: 'seconds',
    labels: ['operation'],
    buckets: LATENCY_S,
  },

  // --- caches -------------------------------------------------------------------------------------------------
  cacheHits: {
    name: 'weir_cache_hits_total',
    help: 'Lookups that found what they looked for, by cache.',
    type: 'counter',
    unit: 'lookups',
    labels: ['cache'],
  },
  cacheMisses: {
    name: 'weir_cache_misses_total',
    help: 'Lookups that did not, by cache.',
    type: 'counter',
    unit: 'lookups',
    labels: ['cache'],
  },
  cacheFailures: {
    name: 'weir_cache_failures_total',
    help: 'What a cache could not keep, by cache and error code; it is read from its source again.',
    type: 'counter',
    unit: 'entries',
    labels: ['cache', 'code'],
  },
  cacheBytes: {
    name: 'weir_cache_bytes',
    help: 'Bytes held, by cache.',
    type: 'gauge',
    unit: 'bytes',
    labels: ['cache'],
  },

  // --- actors -------------------------------------------------------------------------------------------------
  actorMailboxDepth: {
    name: 'weir_actor_mailbox_depth',
    help: 'Messages waiting, by actor, all threads together.',
    type: 'gauge',
    unit: 'messages',
    labels: ['actor'],
  },
  actorMessages: {
    name: 'weir_actor_messages_total',
    help: 'Messages handled, by actor.',
    type: 'counter',
    unit: 'messages',
    labels: ['actor'],
  },
  actorRefused: {
    name: 'weir_actor_refused_total',
    help: 'Messages refused or dropped by a full mailbox, by actor.',
    type: 'counter',
    unit: 'messages',
    labels: ['actor'],
  },
  actorRestarts: {
    name: 'weir_actor_restarts_total',
    help: 'Restarts after a failure, by actor.',
    type: 'counter',
    unit: 'restarts',
    labels: ['actor'],
  },
  actorBusySeconds: {
    name: 'weir_actor_busy_seconds_total',
    help: 'Time spent in handlers, their waits included, by actor.',
    type: 'counter',
    unit: 'seconds',
    labels: ['actor'],
  },

  // --- cluster ------------------------------------------------------------------------------------------------
  clusterMembers: {
    name: 'weir_cluster_members',
    help: 'Nodes that this node takes for alive, itself included.',
    type: 'gauge',
    unit: 'nodes',
    labels: [],
  },
  clusterHeartbeatsMalformed: {
    name: 'weir_cluster_heartbeats_malformed_total',
    help: 'Heartbeats that could not be read.',
    type: 'counter',
    unit: 'heartbeats',
    labels: [],
  },
  clusterDisturbances: {
    name: 'weir_cluster_disturbances_total',
    help: 'Times that the messaging was disturbed, so that silence did not count for a while.',
    type: 'counter',
    unit: 'disturbances',
    labels: [],
  },

  ...PROCESS_METRICS,
} as const satisfies Record<string, MetricSpec>

export type MetricKey = keyof typeof METRIC_CATALOGUE
