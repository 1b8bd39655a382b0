import type { TenantId } from '../../base/ids.ts'

/** Half-open range of time [from, to), milliseconds since the epoch; may be fractional down to the nanosecond's millisecond. */
export interface TimeRange {
  readonly fromMs: number
  readonly toMs: number
}

/** What every query request says. `query` is text of the query language; the narrowing fields are ANDed to it. */
export interface QueryBase {
  readonly tenant: TenantId
  readonly query: string
  readonly range: TimeRange
  readonly service?: string
  readonly level?: string
  readonly host?: string
  readonly traceId?: string
  /** Milliseconds from receipt after which partial results are returned, labelled. */
  readonly timeoutMs: number
}

export type SortOrder = 'asc' | 'desc'
export type TotalMode = 'upToLimit' | 'exact' | 'none'

export interface SearchRequest extends QueryBase {
  readonly limit: number
  readonly order: SortOrder
  /** From 1; not with a cursor. */
  readonly page: number
  readonly cursor?: string
  readonly total: TotalMode
  /** Fields to return (API names such as `timestamp`, `message`, `metadata.userId`); undefined: all. */
  readonly fields?: readonly string[]
}

/** A record, already as JSON text in the shape of the API: {"id","timestamp","level",…}. */
export type RecordJson = string

export interface Coverage {
  readonly complete: boolean
  readonly shards: number
  readonly answered: number
  readonly missing: readonly { readonly shard: number; readonly reason: string }[]
  readonly tiers: { readonly hot: TierCoverage; readonly warm: TierCoverage; readonly cold: TierCoverage }
}

export interface TierCoverage {
  readonly blocks: number
  readonly rows: number
}

export interface QueryStats {
  readonly blocks: number
  readonly blocksSkipped: number
  readonly rowsScanned: number
  readonly bytesRead: number
}

export interface QueryAnswer {
  readonly coverage: Coverage
  readonly stats: QueryStats
  readonly tookMs: number
}

/** Answer of a search without an aggregating pipe. */
export interface RowsAnswer extends QueryAnswer {
  readonly kind: 'rows'
  readonly logs: readonly RecordJson[]
  readonly total: number | null
  readonly totalRelation: 'eq' | 'gte'
  readonly nextCursor: string | null
}

/** Answer of a search with stats, top, rate …, and of aggregate. Values are JSON values. */
export interface TableAnswer extends QueryAnswer {
  readonly kind: 'table'
  readonly columns: readonly string[]
  readonly rows: readonly Readonly<Record<string, string | number | boolean | null>>[]
}

export type SearchAnswer = RowsAnswer | TableAnswer

export interface HistogramRequest extends QueryBase {
  /** Width of a bucket, ms; undefined: chosen so that there are at most about 100. */
  readonly intervalMs?: number
  /** Field to split by; default level. */
  readonly groupBy: string
}

export interface HistogramAnswer extends QueryAnswer {
  readonly intervalMs: number
  readonly buckets: readonly {
    readonly startMs: number
    readonly count: number
    readonly by: Readonly<Record<string, number>>
  }[]
  readonly total: number
}

export interface AggregateRequest extends QueryBase {
  readonly groupBy: readonly string[]
  readonly intervalMs?: number
  /** `count`, `sum`, `avg`, `min`, `max`, `p50` … `p99`, `uniq`. */
  readonly metric: string
  readonly field?: string
  /** Keep the groups with the highest value. */
  readonly top?: number
}

export interface TailRequest extends QueryBase {
  /** From an earlier answer; undefined: start now minus nothing, return the newest `limit`. */
  readonly cursor?: string
  readonly limit: number
  /** Wait for up to this long when there is nothing new. */
  readonly waitMs: number
}

export interface TailAnswer {
  /** Oldest first. */
  readonly logs: readonly RecordJson[]
  readonly cursor: string
  readonly coverage: Coverage
}

export interface ContextRequest {
  readonly tenant: TenantId
  readonly id: string
  readonly before: number
  readonly after: number
  readonly timeoutMs: number
}

export interface ContextAnswer {
  readonly before: readonly RecordJson[]
  readonly record: RecordJson
  readonly after: readonly RecordJson[]
  readonly coverage: Coverage
}

export interface TraceAnswer {
  readonly traceId: string
  readonly startedAt: string
  readonly durationMs: number
  readonly services: readonly {
    readonly service: string
    readonly count: number
    readonly firstAt: string
    readonly lastAt: string
    readonly errors: number
  }[]
  readonly logs: readonly RecordJson[]
  readonly coverage: Coverage
}

export interface PatternsAnswer extends QueryAnswer {
  readonly patterns: readonly {
    readonly pattern: string
    readonly count: number
    readonly levels: Readonly<Record<string, number>>
    readonly firstAt: string
    readonly lastAt: string
    readonly sample: RecordJson
  }[]
}

export interface FieldsAnswer extends QueryAnswer {
  readonly fields: readonly {
    readonly name: string
    readonly type: string
    readonly count: number
    readonly cardinality: number
  }[]
}

export interface FieldValuesAnswer extends QueryAnswer {
  readonly values: readonly { readonly value: string; readonly count: number }[]
  readonly other: number
}

/** The plan of a query and what each filter pruned. A plain JSON value. */
export interface ExplainAnswer {
  readonly query: unknown
  readonly shards: readonly unknown[]
  readonly totals: unknown
  readonly coverage: Coverage
}

export interface DeadLettersRequest {
  readonly tenant: TenantId
  /** Times of receipt. */
  readonly range: TimeRange
  readonly protocol?: string
  readonly code?: string
  /** Words that follow each other in the reason. */
  readonly reason?: string
  /** These and no others, whatever else is asked for; one that is not there is an error. */
  readonly ids?: readonly string[]
  /** With what is needed to store their records. */
  readonly whole?: boolean
  readonly limit: number
  readonly cursor?: string
  readonly timeoutMs: number
}

/** A record that was refused. */
export interface DeadLetter {
  readonly id: string
  readonly receivedAt: string
  readonly protocol: string
  readonly tenant: string
  readonly code: string
  readonly reason: string
  /** The bytes that it came as, or their beginning. */
  readonly raw: string
  readonly encoding: 'utf8' | 'base64'
  /** Of the record, where `raw` is only its beginning. */
  readonly size?: number
  /** The pipeline whose step refused it, and its version then. */
  readonly pipeline?: string
  readonly pipelineVersion?: number
  /** The record that was made of the bytes, as a line of JSON. */
  readonly line?: string
  /** The bytes are the record as JSON: nothing was made of them. */
  readonly form?: 'json'
  /** What the request said of records that do not say it themselves: RequestDefaults as JSON. */
  readonly defaults?: string
}

export interface DeadLettersAnswer {
  readonly deadLetters: readonly DeadLetter[]
  readonly nextCursor: string | null
  readonly coverage: Coverage
}
