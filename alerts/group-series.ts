import type { ShardId } from '../base/ids.ts'
import { comparePositions } from '../base/ids.ts'
import type { AlertSample, PartialStamp } from './partial.ts'
import type { AlertRule } from './rule.ts'
import { windowOf } from './rule-window.ts'
import { SAMPLES_MAX } from './sample.ts'
import { createTally, type Tally, type TallyState } from './tally.ts'

interface Part {
  readonly stamp: PartialStamp
  readonly tally: TallyState
  readonly base: TallyState
}

/** Buckets whose sum is kept: a window of 300 buckets is then 18 sums and up to 30 buckets. */
const BLOCK = 16

interface Sum {
  readonly own: TallyState
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
  /** Sums of blocks of buckets that were asked for since one of them changed; undefined: there is none. */
  readonly #blocks = new Map<number, Sum | undefined>()
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
    this.#blocks.delete(Math.floor(bucket / BLOCK))
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
    const last = Math.min(end - 1, this.last)
    for (let bucket = Math.max(end - this.#bucketCount, this.first); bucket <= last; ) {
      if (bucket % BLOCK === 0 && bucket + BLOCK <= end) {
        const sum = this.#blockAt(bucket)
        if (sum !== undefined) {
          own.merge(sum.own)
          base?.merge(sum.base)
        }
        bucket += BLOCK
        continue
      }
      this.#addBucket(bucket++, own, base)
    }
    let value = own.value()
    if (base !== null) {
      const divisor = base.value()
      return value === null || divisor === null || divisor === 0 ? null : value / divisor
    }
    if (aggregate.kind === 'rate' && value !== null) value /= this.#rule.condition.windowMs / 1000
    return value
  }

  #addBucket(bucket: number, own: Tally, base: Tally | null): void {
    const parts = this.#buckets.get(bucket)
    if (parts === undefined) return
    for (const part of parts.values()) {
      own.merge(part.tally)
      base?.merge(part.base)
    }
  }

  #blockAt(from: number): Sum | undefined {
    const block = from / BLOCK
    const known = this.#blocks.get(block)
    if (known !== undefined || this.#blocks.has(block)) return known
    const { aggregate, ratio } = this.#rule.condition
    const own = createTally(aggregate)
    const base = ratio === null ? null : createTally(aggregate)
    let isEmpty = true
    for (let bucket = from; bucket < from + BLOCK; bucket++) {
      if (this.#buckets.has(bucket)) isEmpty = false
      this.#addBucket(bucket, own, base)
    }
    const sum = isEmpty ? undefined : { own: own.state(), base: base?.state() ?? null }
    this.#blocks.set(block, sum)
    return sum
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
    for (const block of this.#blocks.keys()) if (block * BLOCK < bucket) this.#blocks.delete(block)
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
