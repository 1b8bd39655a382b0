import type { WeirError, WireError } from '../base/errors.ts'
import { errorToWire } from '../base/errors.ts'
import type { Position, ShardId, TenantId } from '../base/ids.ts'
import { comparePositions } from '../base/ids.ts'
import { TAIL_FOLLOW_BYTES_MAX, TAIL_SESSION_BYTES_MAX } from '../base/limits.ts'
import type { RecordKey } from '../storage/record-id.ts'
import type { RecordJson } from './messages/search.ts'
import type { CollectedRows, LiveRow } from './messages/tail.ts'

/** What a session is told of one follow. */
export interface SessionFollow {
  readonly session: TailSession
  readonly id: number
  readonly tenant: TenantId
  /** Under which TailFilters knows the filter. */
  readonly filterKey: string
  readonly shards: Set<ShardId>
  /** Of its rows that wait to be collected. */
  bytes: number
}

/** A row beside its JSON takes about so much. */
const ROW_BYTES = 120

/** What one hub has asked a feed for, and what has come for it since it last collected. Bounded: what is too much is counted and let go. */
export class TailSession {
  readonly follows = new Map<number, SessionFollow>()
  /** Shards of the follows, and how many have each. */
  readonly shards = new Map<ShardId, number>()
  /** Monotonic. */
  askedMs: number
  #rows: LiveRow[] = []
  #bytes = 0
  #dropped = new Map<number, number>()
  #through = new Map<ShardId, Position>()
  readonly #told = new Map<ShardId, Position>()
  #gone: { follow: number; shard: ShardId }[] = []
  #failed: { follow: number; error: WireError }[] = []

  constructor(askedMs: number) {
    this.askedMs = askedMs
  }

  /** There is something that a client waits for. */
  get hasNews(): boolean {
    return this.#rows.length > 0 || this.#dropped.size > 0 || this.#gone.length > 0 || this.#failed.length > 0
  }

  add(follow: SessionFollow): void {
    this.follows.set(follow.id, follow)
    for (const shard of follow.shards) this.shards.set(shard, (this.shards.get(shard) ?? 0) + 1)
  }

  remove(id: number): SessionFollow | undefined {
    const follow = this.follows.get(id)
    if (follow === undefined) return undefined
    this.follows.delete(id)
    this.#dropped.delete(id)
    for (const shard of follow.shards) {
      const left = this.shards.get(shard)! - 1
      if (left > 0) this.shards.set(shard, left)
      else {
        this.shards.delete(shard)
        this.#told.delete(shard)
      }
    }
    return follow
  }

  /** Nothing more comes of the shard to the follows that there are. Returns those that have no other. */
  lost(shard: ShardId): SessionFollow[] {
    const idle: SessionFollow[] = []
    for (const follow of this.follows.values()) {
      if (!follow.shards.delete(shard)) continue
      this.#gone.push({ follow: follow.id, shard })
      if (follow.shards.size === 0) idle.push(follow)
    }
    this.shards.delete(shard)
    this.#told.delete(shard)
    return idle
  }

  fail(follow: number, error: WeirError): void {
    this.#failed.push({ follow, error: errorToWire(error) })
  }

  /** Takes rows of a look, those of a shard in the order of the journal; afterwards all up to `through` has been given. */
  take(
    rows: readonly { readonly key: RecordKey; readonly json: RecordJson; readonly follows: readonly SessionFollow[] }[],
  ): void {
    for (const { key, json, follows } of rows) {
      const bytes = json.length + ROW_BYTES
      const ids: number[] = []
      for (const follow of follows) {
        if (this.follows.get(follow.id) !== follow) continue
        if (this.#bytes + bytes > TAIL_SESSION_BYTES_MAX || follow.bytes + bytes > TAIL_FOLLOW_BYTES_MAX) {
          this.#dropped.set(follow.id, (this.#dropped.get(follow.id) ?? 0) + 1)
          continue
        }
        follow.bytes += bytes
        ids.push(follow.id)
      }
      if (ids.length === 0) continue
      this.#rows.push({ key, json, follows: ids })
      this.#bytes += bytes
    }
  }

  reach(shard: ShardId, through: Position): void {
    if (!this.shards.has(shard)) return
    const told = this.#told.get(shard)
    if (told === undefined || comparePositions(told, through) !== 0) this.#through.set(shard, through)
  }

  /** Hands over what there is. */
  collect(): CollectedRows {
    const through = [...this.#through].map(([shard, position]) => ({ shard, ...position }))
    for (const [shard, position] of this.#through) this.#told.set(shard, position)
    const dropped = [...this.#dropped].map(([follow, count]) => ({ follow, count }))
    const collected = { rows: this.#rows, through, dropped, gone: this.#gone, failed: this.#failed }
    this.#rows = []
    this.#bytes = 0
    this.#dropped = new Map()
    this.#through = new Map()
    this.#gone = []
    this.#failed = []
    for (const follow of this.follows.values()) follow.bytes = 0
    return collected
  }
}
