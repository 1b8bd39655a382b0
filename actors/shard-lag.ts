import type { Position } from '../base/ids.ts'
import type { ShardState } from './messages/shard.ts'
import type { LaneEnd } from './ownership-plan.ts'

/** What is durable of a shard and not applied; null: not known. */
export interface ShardLag {
  /** Frames that wait, times the rows that frames lately held of the shard: what waits has not been read. 0 is exact. */
  readonly records: number | null
  /** For how long the oldest frame has waited. */
  readonly ms: number | null
}

export const LAG_UNKNOWN: ShardLag = { records: null, ms: null }
const NO_LAG: ShardLag = { records: 0, ms: 0 }

/** Frames that the mean of rows is taken over, or twice as many. */
const PACE_FRAMES = 1024
/** Ends of a lane that are remembered while something waits; with more of them they are taken at twice the distance. */
const ENDS_MAX = 256
/** An end that was seen longer ago than this is not the end any more. */
const END_AGE_MAX_MS = 5000

/** How a shard moves through its lane. */
export class ShardPace {
  #frames = 0
  #rows = 0
  #appliedMs: number | null = null

  /** `frames` of the lane were applied, the last of them appended at `appendedMs`, with `rows` of the shard in all of them. */
  applied(frames: number, rows: number, appendedMs: number): void {
    if (this.#frames >= PACE_FRAMES * 2) {
      this.#frames /= 2
      this.#rows /= 2
    }
    this.#frames += frames
    this.#rows += rows
    this.#appliedMs = appendedMs
  }

  /** Null while none has been applied. */
  get rowsPerFrame(): number | null {
    return this.#frames === 0 ? null : this.#rows / this.#frames
  }

  /** The journal's time of the last frame that was applied; null before one was. */
  get appliedMs(): number | null {
    return this.#appliedMs
  }
}

/** Where a lane ended when it was looked at: tells how far the shards of this node are behind it. */
export class LaneEnds {
  #newest: (LaneEnd & { readonly seenMs: number }) | undefined
  /** Oldest first: since when the lane ends there, or behind. */
  #seen: { readonly lastSequence: number; readonly sinceMs: number }[] = []
  /** Between those that are remembered. */
  #distanceMs = 0

  /** The lane was looked at, at `nowMs` of the monotonic clock. */
  see(end: LaneEnd, nowMs: number): void {
    if (end.generation !== this.#newest?.generation) this.#seen = []
    this.#newest = { ...end, seenMs: nowMs }
    const { lastSequence } = end
    const last = this.#seen.at(-1)
    if (last !== undefined && (lastSequence <= last.lastSequence || nowMs - last.sinceMs < this.#distanceMs)) return
    this.#seen.push({ lastSequence, sinceMs: nowMs })
    if (this.#seen.length <= ENDS_MAX) return
    this.#distanceMs = (2 * (nowMs - this.#seen[0]!.sinceMs)) / ENDS_MAX
    this.#seen = this.#seen.filter((_, i) => i % 2 === 0)
  }

  /** Every shard of this node has applied what comes up to `position`. */
  applied({ generation, sequence }: Position): void {
    if (generation !== this.#newest?.generation) return
    this.#seen = this.#seen.filter(({ lastSequence }) => lastSequence > sequence)
    if (this.#seen.length === 0) this.#distanceMs = 0
  }

  /** As of the last look. `wallMs`: now, by the clock that the journal's times are compared with. */
  lagOf({ applied, isCaughtUp, rowsPerFrame, appliedMs }: ShardState, nowMs: number, wallMs: number): ShardLag {
    const end = this.#newest
    if (end === undefined || nowMs - end.seenMs > END_AGE_MAX_MS) return LAG_UNKNOWN
    // J3: of another generation, all that is kept is still to be read.
    const through = applied.generation === end.generation ? applied.sequence : 0
    const frames = end.lastSequence - Math.max(through, end.firstSequence - 1)
    if (frames <= 0) return NO_LAG
    const since = this.#seen.find(({ lastSequence }) => lastSequence > through)
    const seenForMs = nowMs - (since?.sinceMs ?? end.seenMs)
    // What was there before the shard was opened has waited for longer than it has been seen.
    const behindMs = isCaughtUp || appliedMs === null ? 0 : wallMs - appliedMs
    return {
      records: rowsPerFrame === null ? null : Math.ceil(frames * rowsPerFrame),
      ms: Math.max(seenForMs, behindMs),
    }
  }
}
