import type { AlertRule } from '../../../alerts/rule.ts'

/** A record as the reference sees it. */
export interface Happening {
  readonly timeMs: number
  /** When it was received: the journal's time. */
  readonly receivedMs: number
  readonly shard: number
  /** Value of the field that is grouped by; null: absent. */
  readonly group: string | null
  readonly n: number
  readonly user: string
  /** It matches the rule; it matches what a ratio is to. */
  readonly own: boolean
  readonly base: boolean
}

export interface Outcome {
  readonly kind: string
  readonly group: string | null
  readonly toMs: number
  readonly value: number | null
}

const STUCK_MS = 30_000

interface GroupState {
  since: number | null
  firedAt: number | null
  quietUntil: number
}

/**
 * What a rule means, said as plainly as can be: at every step all records that are there are looked at again, one by one. No buckets, no sketches; windows
 * end at multiples of the step.
 */
export class ReferenceEvaluator {
  readonly #rule: AlertRule
  readonly #stepMs: number
  readonly #shardCount: number
  readonly #groups = new Map<string | null, GroupState>()
  readonly #marks: { ms: number; seen: number; movedMs: number }[]
  #decidedMs: number

  constructor(rule: AlertRule, shardCount: number, nowMs: number) {
    this.#rule = rule
    const { windowMs, type } = rule.condition
    const bucketMs = windowMs / Math.min(300, Math.floor(windowMs / 1000))
    if (!Number.isInteger(bucketMs)) throw new Error('the reference wants whole milliseconds')
    this.#stepMs = type === 'tumbling' ? windowMs : bucketMs
    this.#bucketMs = bucketMs
    this.#shardCount = shardCount
    this.#decidedMs = Math.floor(nowMs / bucketMs) * bucketMs
    this.#marks = Array.from({ length: shardCount }, () => ({ ms: -Infinity, seen: -Infinity, movedMs: nowMs }))
    if (rule.condition.groupBy.length === 0) this.#groups.set(null, { since: null, firedAt: null, quietUntil: 0 })
  }

  readonly #bucketMs: number

  /** All that shards have applied so far, and how far they are (-Infinity: not heard of). */
  advance(nowMs: number, records: readonly Happening[], watermarks: readonly number[]): Outcome[] {
    const { condition } = this.#rule
    const outcomes: Outcome[] = []
    watermarks.forEach((ms, shard) => {
      const mark = this.#marks[shard]!
      if (ms !== mark.ms) mark.movedMs = nowMs
      mark.ms = ms
    })
    const isGrouped = condition.groupBy.length > 0
    for (const { group, own, base } of records) {
      if (isGrouped && (own || (base && condition.ratio !== null)) && !this.#groups.has(group))
        this.#groups.set(group, { since: null, firedAt: null, quietUntil: 0 })
    }
    for (;;) {
      const end = (Math.floor(this.#decidedMs / this.#stepMs) + 1) * this.#stepMs
      const behind = this.#marks.filter(({ ms }) => ms < end + condition.allowedLatenessMs)
      if (behind.length === this.#shardCount || behind.some(({ movedMs }) => nowMs - movedMs < STUCK_MS)) break
      for (const [group, state] of this.#groups) this.#close(group, state, end, behind.length > 0, records, outcomes)
      this.#decidedMs = end
    }
    if (isEarly(this.#rule)) {
      const bucketEnd = Math.floor(nowMs / this.#bucketMs) * this.#bucketMs + this.#bucketMs
      const running = Math.ceil(bucketEnd / this.#stepMs) * this.#stepMs
      for (const [group, state] of this.#groups) {
        const first = (Math.floor(this.#decidedMs / this.#stepMs) + 1) * this.#stepMs
        for (let end = first; end <= running && state.firedAt === null; end += this.#stepMs) {
          if (end >= state.quietUntil && this.#holds(group, end, records))
            this.#fire(group, state, end, records, outcomes)
        }
      }
    }
    return outcomes
  }

  #close(
    group: string | null,
    state: GroupState,
    end: number,
    isMissing: boolean,
    records: readonly Happening[],
    outcomes: Outcome[],
  ): void {
    if (!this.#holds(group, end, records)) {
      if (state.firedAt !== null && end > state.firedAt) {
        state.firedAt = null
        state.since = null
        outcomes.push({ kind: 'resolved', group, toMs: end, value: this.#value(group, end, records) })
      } else if (state.firedAt === null && state.since !== null) {
        state.since = null
        outcomes.push({ kind: 'ended', group, toMs: end, value: this.#value(group, end, records) })
      }
      return
    }
    if (state.firedAt !== null || (isMissing && isDownward(this.#rule))) return
    if (this.#rule.forMs > 0 && state.since === null) {
      state.since = end
      outcomes.push({ kind: 'pending', group, toMs: end, value: this.#value(group, end, records) })
    }
    if (end - (state.since ?? end) >= this.#rule.forMs && end >= state.quietUntil)
      this.#fire(group, state, end, records, outcomes)
  }

  #fire(
    group: string | null,
    state: GroupState,
    end: number,
    records: readonly Happening[],
    outcomes: Outcome[],
  ): void {
    state.firedAt = end
    state.quietUntil = end + this.#rule.cooldownMs
    outcomes.push({ kind: 'fired', group, toMs: end, value: this.#value(group, end, records) })
  }

  #holds(group: string | null, end: number, records: readonly Happening[]): boolean {
    const { threshold, change, absence, windowMs } = this.#rule.condition
    const value = this.#value(group, end, records)
    if (absence) return value === 0
    if (threshold !== null && (value === null || !compare(value, threshold.operator, threshold.value))) return false
    if (change === null) return threshold !== null
    const before = this.#value(group, end - windowMs, records)
    if (value === null || before === null) return false
    let difference = value - before
    if (change.relative && difference !== 0) difference = (100 * difference) / Math.abs(before)
    return compare(difference, change.operator, change.value)
  }

  #value(group: string | null, end: number, records: readonly Happening[]): number | null {
    const { windowMs, ratio, groupBy, aggregate } = this.#rule.condition
    const within = records.filter(
      (record) =>
        record.timeMs >= end - windowMs && record.timeMs < end && (groupBy.length === 0 || record.group === group),
    )
    const own = this.#aggregate(within.filter((record) => record.own))
    if (ratio !== null) {
      const base = this.#aggregate(within.filter((record) => record.base))
      return own === null || base === null || base === 0 ? null : own / base
    }
    return aggregate.kind === 'rate' ? own! / (windowMs / 1000) : own
  }

  #aggregate(records: readonly Happening[]): number | null {
    const { aggregate } = this.#rule.condition
    const values = records.map(({ n }) => n)
    const sum = values.reduce((a, b) => a + b, 0)
    switch (aggregate.kind) {
      case 'count':
      case 'rate':
        return records.length
      case 'distinct':
        return new Set(records.map(({ user }) => user)).size
      case 'sum':
        return sum
      default:
        if (values.length === 0) return null
    }
    if (aggregate.kind === 'quantile')
      return values.sort((a, b) => a - b)[Math.floor(aggregate.quantile * (values.length - 1))]!
    if (aggregate.kind === 'avg') return sum / values.length
    return aggregate.kind === 'min' ? Math.min(...values) : Math.max(...values)
  }
}

function compare(actual: number, operator: string, limit: number): boolean {
  if (operator === '>') return actual > limit
  if (operator === '>=') return actual >= limit
  if (operator === '<') return actual < limit
  return operator === '<=' ? actual <= limit : actual === limit
}

function isEarly({ forMs, condition: { aggregate, threshold, change, ratio } }: AlertRule): boolean {
  if (forMs > 0 || threshold === null || change !== null || ratio !== null) return false
  if (aggregate.kind === 'min') return threshold.operator.startsWith('<')
  return ['count', 'rate', 'distinct', 'max'].includes(aggregate.kind) && threshold.operator.startsWith('>')
}

function isDownward({ condition: { threshold, change, absence } }: AlertRule): boolean {
  return absence || [threshold, change].some((limit) => limit !== null && !limit.operator.startsWith('>'))
}
