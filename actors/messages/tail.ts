import type { WeirError, WireError } from '../../base/errors.ts'
import type { Position, ShardId, TenantId } from '../../base/ids.ts'
import type { Filter } from '../../query/ast.ts'
import type { RecordKey } from '../../storage/record-id.ts'
import type { Question } from '../runtime/actor.ts'
import type { RecordJson } from './search.ts'

// --- between a TailHub and the TailFeeds of the shards' owners ---------------------------------------------------

/** Rows that a feed is to hand over as they are applied. */
export interface Follow {
  /** Of the session; never used twice. */
  readonly id: number
  readonly tenant: TenantId
  readonly filter: Filter
  readonly shards: readonly ShardId[]
}

/** Begins and ends follows of a session. */
export interface ChangeFollows extends Question<FollowsChanged> {
  readonly kind: 'changeFollows'
  /** Of one hub at one feed, random. */
  readonly session: string
  /** Begins the session. Else not_found says that it was forgotten, with all its follows. */
  readonly isFirst: boolean
  readonly begin: readonly Follow[]
  readonly end: readonly number[]
}

export interface FollowsChanged {
  /** Every matching row behind the position is handed over. Of a shard that is not here nothing is said. */
  readonly began: readonly (Position & { readonly follow: number; readonly shard: ShardId })[]
}

/** Takes what has come for a session since the last time; waits for it up to `waitMs`. Who does not ask for a while is forgotten: not_found. */
export interface CollectRows extends Question<CollectedRows> {
  readonly kind: 'collectRows'
  readonly session: string
  readonly waitMs: number
}

export interface CollectedRows {
  /** Of each shard in the order of the journal. */
  readonly rows: readonly LiveRow[]
  /** Up to where the follows of a shard have been given all. Shards whose position has not changed are left out. */
  readonly through: readonly (Position & { readonly shard: ShardId })[]
  /** More came than a session may hold: so many matches were let go. */
  readonly dropped: readonly { readonly follow: number; readonly count: number }[]
  /** Filters that cannot be matched, as they turned out, or take far too long; nothing more comes of them. */
  readonly failed: readonly { readonly follow: number; readonly error: WireError }[]
  /** The shard is not here any more, or was opened anew; nothing more comes of it for this follow. */
  readonly gone: readonly { readonly follow: number; readonly shard: ShardId }[]
}

export interface LiveRow {
  readonly key: RecordKey
  readonly json: RecordJson
  /** Those that it matches. */
  readonly follows: readonly number[]
}

/** The hub has no use for the session any more. */
export interface EndSession {
  readonly kind: 'endSession'
  readonly session: string
}

export type TailFeedMessage = ChangeFollows | CollectRows | EndSession

/** What a feed of another node may be asked, and told. */
export const TAIL_FEED_ASKED = ['changeFollows', 'collectRows'] as const satisfies readonly TailFeedMessage['kind'][]
export const TAIL_FEED_TOLD = ['endSession'] as const satisfies readonly TailFeedMessage['kind'][]

// --- tails per tenant ---------------------------------------------------------------------------------------------

/** Counts one more tail of the tenant on this node, unless it has as many as it may. */
export interface AdmitTail extends Question<{ readonly isAdmitted: boolean }> {
  readonly kind: 'admitTail'
  readonly tenant: TenantId
}

export interface ReleaseTail {
  readonly kind: 'releaseTail'
  readonly tenant: TenantId
}

export type TailCensusMessage = AdmitTail | ReleaseTail

// --- between the HTTP side and the hub ----------------------------------------------------------------------------

/** What a tail shows. */
export interface TailQuery {
  readonly query: string
  readonly service?: string
  readonly level?: string
  readonly host?: string
  readonly traceId?: string
}

export interface TailStart extends TailQuery {
  /** Where to go on. Else it begins now, with the newest `last` records. */
  readonly cursor?: string
  readonly last: number
}

/** The far end of a tail, as the hub sees it. None of these throws or waits. */
export interface TailClient {
  /** Bytes given to the client that its connection has not taken yet. */
  readonly queuedBytes: number
  /** Bytes that its connection has taken since it began. */
  readonly takenBytes: number
  /** The filter of the last start or change holds from here on. */
  began(cursor: string): void
  /** Records in order. */
  logs(records: readonly RecordJson[]): void
  /** With it all that was given so far is passed over. */
  cursor(cursor: string): void
  /** So many records matched here and are not given. */
  dropped(count: number): void
  /** The client's wish to pause is fulfilled. */
  paused(cursor: string): void
  heartbeat(): void
  /** Why the tail ends, and where another may go on. Nothing follows. */
  ended(error: WeirError, cursor: string | undefined): void
}

/** A tail as the HTTP side holds it. Calls of one tail do not overlap. Once it has ended they do nothing. */
export interface LiveTail {
  /** Begins, or begins anew. Throws invalid_query, invalid_parameter; then all stays as it was. */
  start(start: TailStart): Promise<void>
  /** Changes what is shown, from here on. Throws as `start`. */
  change(query: TailQuery): Promise<void>
  pause(): void
  /** Goes on where it was paused. */
  resume(): void
  /** Ends it from this side, with what has come so far and why. */
  end(error: WeirError): void
  /** The client is gone. Idempotent. */
  close(): void
}
