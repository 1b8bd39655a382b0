import type { TenantId } from '../../base/ids.ts'

/** One ingest request as the api hands it on: authenticated, admitted, inflated, not yet looked into. */
export interface IngestRequest {
  readonly tenant: TenantId
  /** Protocol that it came by; kept with dead letters. */
  readonly protocol: string
  /** `json`: one record, an array, or {"logs":[…]}; `ndjson`: a record a line. */
  readonly format: 'json' | 'ndjson'
  readonly body: Uint8Array
  readonly receivedMs: number
  /** D3; scoped by tenant. */
  readonly idempotencyKey?: string
  /** Overrides of the request: names of the fields to take as timestamp or message, service for records without one. */
  readonly timeField?: string
  readonly messageField?: string
  readonly serviceDefault?: string
  readonly hostDefault?: string
}

/** What became of a request, once durable. */
export interface IngestReceipt {
  readonly accepted: number
  readonly rejected: number
  /** The first rejects, in order of their index; at most REJECTS_LISTED_MAX. */
  readonly errors: readonly RecordReject[]
  /** True when an earlier request with the same idempotency key and body had stored all of it. */
  readonly repeated: boolean
}

export interface RecordReject {
  /** 0-based number of the record in the request. */
  readonly index: number
  /** Stable code, from ingest/reject.ts. */
  readonly code: string
  readonly reason: string
}
