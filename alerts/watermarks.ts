import type { ShardId } from '../base/ids.ts'

/** A shard whose watermark stands still for so long is decided without. */
export const STUCK_AFTER_MS = 30_000

interface Mark {
  epoch: number
  ms: number
  /** As `observe` last saw it, and when it saw a change. */
  seenMs: number
  progressMs: number
}

/**
 * How far each shard has come: the journal's time of what it has applied, or the clock where a caught-up lane is idle. Shared by the evaluators
 * of a keeper. Whether a shard stands still is told by the keeper's own clock.
 */
export class Watermarks {
  readonly shardCount: number
  readonly #marks: Mark[]

  constructor(shardCount: number, nowMs: number) {
    this.shardCount = shardCount
    this.#marks = Array.from({ length: shardCount }, () => ({
      epoch: -1,
      ms: Number.NEGATIVE_INFINITY,
      seenMs: Number.NEGATIVE_INFINITY,
      progressMs: nowMs,
    }))
  }

  /** A new owner's mark may be below that of the one before; within an epoch it only rises. */
  note(shard: ShardId, epoch: number, ms: number): void {
    const mark = this.#marks[shard]
    if (mark === undefined || epoch < mark.epoch) return
    mark.ms = epoch === mark.epoch ? Math.max(mark.ms, ms) : ms
    mark.epoch = epoch
  }

  /** Looks who has moved on; to be called before evaluators advance. */
  observe(nowMs: number): void {
    for (const mark of this.#marks) {
      if (mark.ms === mark.seenMs) continue
      mark.seenMs = mark.ms
      mark.progressMs = nowMs
    }
  }

  /** -Infinity before the shard was heard of. */
  at(shard: ShardId): number {
    return this.#marks[shard]?.ms ?? Number.NEGATIVE_INFINITY
  }

  isStuck(shard: ShardId, nowMs: number): boolean {
    const mark = this.#marks[shard]
    return mark === undefined || nowMs - mark.progressMs >= STUCK_AFTER_MS
  }
}
