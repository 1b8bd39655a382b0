import type { ShardId } from '../base/ids.ts'
import { comparePositions } from '../base/ids.ts'
import type { AlertSample, PartialStamp } from './partial.ts'
import type { AlertRule } from './rule.ts'
import { windowOf } from './rule-window.ts'
import { SAMPLES_MAX } from './sample.ts'
import { createTally, type TallyState } from './tally.ts'

interface Part {
  readonly stamp: PartialStamp
  readonly tally: TallyState
  readonly base: TallyState
}

/** The buckets of one group of a rule, of all shards. */
export class GroupSeries {
  /** The least and the greatest bucket there is; the greatest first where there is none. */
  first = Number.POSITIVE_INFINITY
  last = Number.NEGATIVE_INFINITY
  readonly #rule: AlertRule
  readonly #bucketCount: number
  readonly #buckets = new Map<number, Map<ShardId, Part>>()
  readonly #samples = new Map<ShardId, readonly AlertSample[]>()
  /** Buckets before are not taken any more. */
  #droppedBefore = Number.NEGATIVE_INFINITY

  constructor(rule: AlertRule) {
    this.#rule = rule
    this.#bucketCount = windowOf(rule).bucketCount
  }

  get isEmpty(): boolean {
    return this.#buckets.size === 0
  }

  /** Takes a shard's value of a bucket, unless a newer one is there (A2). */
  set(stamp: PartialStamp, bucket: number, tally: TallyState, base: TallyState): boolean {
    if (bucket < this.#droppedBefore) return false
    let parts = this.#buckets.get(bucket)
    if (parts === undefined) {
      parts = new Map()
      this.#buckets.set(bucket, parts)
      this.first = Math.min(this.first, bucket)
      this.last = Math.max(this.last, bucket)
    }
    const known = parts.get(stamp.shard)
    if (known !== undefined && compareStamps(stamp, known.stamp) < 0) return false
    parts.set(stamp.shard, { stamp, tally, base })
    return true
  }

  setSamples(shard: ShardId, samples: readonly AlertSample[]): void {
    this.#samples.set(shard, samples)
  }

  hasBetween(from: number, to: number): boolean {
    return this.last >= from && this.first < to && this.#buckets.size > 0
  }

  /** What the rule makes of the window that ends before bucket `end`. */
  valueOf(end: number): number | null {
    const { aggregate, ratio } = this.#rule.condition
    const own = createTally(aggregate)
    const base = ratio === null ? null : createTally(aggregate)
    for (let bucket = Math.max(end - this.#bucketCount, this.first); bucket < end && bucket <= this.last; bucket++) {
      const parts = this.#buckets.get(bucket)
      if (parts === undefined) continue
      for (const part of parts.values()) {
        own.merge(part.tally)
        base?.merge(part.base)
      }
    }
    let value = own.value()
    if (base !== null) {
      const divisor = base.value()
      return value === null || divisor === null || divisor === 0 ? null : value / divisor
    }
    if (aggregate.kind === 'rate' && value !== null) value /= this.#rule.condition.windowMs / 1000
    return value
  }

  /** Up to five of a window, newest first. */
  samplesBetween(fromMs: number, toMs: number): AlertSample[] {
    const samples = [...this.#samples.values()].flat()
    const within = samples.filter(({ timestamp }) => {
      const ms = Date.parse(timestamp)
      return ms >= fromMs && ms < toMs
    })
    within.sort((a, b) => (a.timestamp < b.timestamp ? 1 : a.timestamp > b.timestamp ? -1 : 0))
    return within.slice(0, SAMPLES_MAX)
  }

  dropBefore(bucket: number): void {
    this.#droppedBefore = Math.max(this.#droppedBefore, bucket)
    if (this.first >= bucket) return
    let first = Number.POSITIVE_INFINITY
    for (const known of this.#buckets.keys()) {
      if (known < bucket) this.#buckets.delete(known)
      else if (known < first) first = known
    }
    this.first = first
    if (this.#buckets.size === 0) this.last = Number.NEGATIVE_INFINITY
  }
}

/** By epoch, then by how far the shard had read. */
function compareStamps(a: PartialStamp, b: PartialStamp): number {
  return a.epoch - b.epoch || comparePositions(a.through, b.through)
}
