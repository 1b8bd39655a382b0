import type { TenantId } from '../../base/ids.ts'
import type { Refusal } from '../../ingest/protocols/decoded-body.ts'
import type { RejectCode } from '../../ingest/reject.ts'

/** One ingest request as the api hands it on: authenticated, admitted, inflated, not yet looked into. */
export interface IngestRequest {
  readonly tenant: TenantId
  /** Protocol that it came by; kept with dead letters. */
  readonly protocol: string
  /** Names of members do not stand beside their values, but in the header of a table: what is refused does not say itself what is secret (X1). */
  readonly hasNamesApart?: boolean
  /** `json`: one record, an array, or {"logs":[…]}; `ndjson`: a record a line. */
  readonly format: 'json' | 'ndjson'
  readonly body: Uint8Array
  readonly receivedMs: number
  /**
   * The time that records without one get, and that those are measured by which are too old; `receivedMs` when absent. Said of what may be ingested again
   * much later, and must then be taken or refused alike.
   */
  readonly asOfMs?: number
  /** D3; scoped by tenant. */
  readonly idempotencyKey?: string
  /** Overrides of the request: names of the fields to take as timestamp or message, service for records without one. */
  readonly timeField?: string
  readonly messageField?: string
  readonly serviceDefault?: string
  readonly hostDefault?: string
  /** What `body` was made from, where the protocol is not JSON itself; `body` has a line for each of its records then. */
  readonly decoded?: DecodedFrom
  /**
   * Records of low levels are taken also under pressure: the answer has no way to say of single records that they shall come again. A keyed
   * request is taken whole anyway.
   */
  readonly takenWhole?: boolean
  /**
   * Id of the dead letter whose record this is, sent again: it takes its time of receipt from there, leaves the letter as it is when it is
   * refused again, and has it leave the list when it is stored.
   */
  readonly replayOf?: string
  /** The receipt names all rejects, not only the first. */
  readonly namesAllRejects?: boolean
}

/** What a request says of the records that do not say it themselves. */
export type RequestDefaults = Pick<IngestRequest, 'serviceDefault' | 'hostDefault' | 'timeField' | 'messageField'>

/** A request of another protocol as it came, inflated. */
export interface DecodedFrom {
  readonly source: Uint8Array
  /** Records, refused ones included. */
  readonly count: number
  /** Why the decoder refused this record; undefined when it did not. */
  refusalOf(record: number): Refusal | undefined
  /** The bytes that this record came as. */
  sourceOf(record: number): Uint8Array
}

/** What became of a request, once durable. */
export interface IngestReceipt {
  readonly accepted: number
  /** Of the accepted: those that a pipeline left out, so that nothing is stored of them. */
  readonly dropped?: number
  readonly rejected: number
  /** The first rejects, in order of their index; at most REJECTS_LISTED_MAX. */
  readonly errors: readonly RecordReject[]
  /** All rejects, ascending by record, where the request asked for them: numbers of the records, and the code of each. */
  readonly allRejects?: AllRejects
  /** True when a request with the same idempotency key and body is known: what it stored is not stored again. */
  readonly repeated: boolean
}

export interface AllRejects {
  readonly records: readonly number[]
  readonly codes: readonly RejectCode[]
}

export interface RecordReject {
  /** 0-based number of the record in the request. */
  readonly index: number
  /** Stable code, from ingest/reject.ts. */
  readonly code: RejectCode
  readonly reason: string
}
