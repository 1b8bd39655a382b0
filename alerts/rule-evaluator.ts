import { createHash } from 'node:crypto'
import type { ShardId } from '../base/ids.ts'
import { ALERT_GROUP_KEPT_MS, ALERT_GROUPS_PER_KEEPER_MAX } from '../base/limits.ts'
import { holds } from './condition.ts'
import { GroupSeries } from './group-series.ts'
import {
  type AlertSample,
  GROUP_ALL,
  GROUP_OVERFLOW,
  groupLabels,
  type PartialStamp,
  type RuleValues,
} from './partial.ts'
import type { AlertRule } from './rule.ts'
import { bucketAt, bucketStartMs, type RuleWindow, windowOf } from './rule-window.ts'
import { STUCK_AFTER_MS, type Watermarks } from './watermarks.ts'

/** What has become of a group of a rule. */
export interface Transition {
  /** `pending`: the condition holds, but not for long enough yet; `ended`: it no longer does, and nothing had fired. */
  readonly kind: 'fired' | 'resolved' | 'pending' | 'ended'
  /** The same of a firing and of what resolves it; null for the other kinds. */
  readonly firingId: string | null
  /** The group as the keeper knows it, and its values by field. */
  readonly groupKey: string
  readonly group: Readonly<Record<string, string>>
  /** It stands for all groups beyond the limit of groups. */
  readonly isOverflow: boolean
  /** Null where there is none: the mean of nothing. */
  readonly value: number | null
  /** Difference to the window before, in percent or absolute; null where the rule does not ask for it, or it has no end. */
  readonly change: number | null
  /** The window that decided. */
  readonly fromMs: number
  readonly toMs: number
  /** Newest first. */
  readonly samples: readonly AlertSample[]
  /** Shards that were decided without. */
  readonly missingShards: readonly ShardId[]
  /** Groups that were left out, for the keeper knows as many as it may. */
  readonly groupsLeftOut: number
}

/** What a keeper persists of a rule; plain JSON. */
export interface RuleState {
  readonly revision: number
  /** What its groups are by. */
  readonly groupBy: readonly string[]
  /** Ends of windows up to here are decided. */
  readonly decidedMs: number
  readonly groups: readonly GroupState[]
}

export interface GroupState {
  readonly group: string
  /** End of the first window for which the condition has held without a break; null: it does not hold. */
  readonly sinceMs: number | null
  readonly firing: { readonly id: string; readonly atMs: number } | null
  /** Windows that end before do not fire. */
  readonly quietUntilMs: number
  /** The newest record, to the hour. */
  readonly seenMs: number
}

/** The value of a group for one window. */
export interface RecordedValue {
  readonly group: Readonly<Record<string, string>>
  readonly atMs: number
  readonly value: number
}

export interface RuleEvaluatorOptions {
  readonly rule: AlertRule
  readonly watermarks: Watermarks
  /** The keeper's clock. */
  readonly nowMs: number
  /** As `snapshot` gave it, of whatever revision. */
  readonly state?: RuleState | undefined
  /** Takes the value of each group for each closed window, where the rule records it. */
  readonly onValue?: (value: RecordedValue) => void
}

interface Group {
  readonly key: string
  readonly series: GroupSeries
  sinceMs: number | null
  firing: { readonly id: string; readonly atMs: number } | null
  quietUntilMs: number
  seenMs: number
}

interface Measured {
  readonly value: number | null
  readonly change: number | null
  readonly holds: boolean
}

const SEEN_STEP_MS = 3600_000
const NEVER = () => false

/**
 * Decides one rule, of what all shards have counted. Windows are closed in order of their end, once all shards' watermarks are past it by the
 * allowed lateness, or a shard has stood still for STUCK_AFTER_MS and is left out. Conditions that more records cannot undo (`count > n`) fire as
 * soon as a window up to the running bucket meets them. It is a function of its state and the values: a new one that is given the state as it
 * was at the last change of `stateVersion`, and all values again, goes on as the old one would have.
 */
export class RuleEvaluator {
  readonly rule: AlertRule
  /**
   * Rises when what `snapshot` gives has changed in a way that must not be lost; save before transitions are told to anybody. 0: what is saved is
   * right. A rule without a state is to be saved after its first `advance`: a new keeper goes on from where it began.
   */
  stateVersion = 0
  readonly #window: RuleWindow
  readonly #watermarks: Watermarks
  readonly #onValue: ((value: RecordedValue) => void) | undefined
  readonly #startedMs: number
  readonly #isEarly: boolean
  /** Fewer records can make the condition hold: it does not fire where shards are missing. */
  readonly #isDownward: boolean
  /** The condition holds where there is no record: groups are remembered after their last one. */
  readonly #holdsEmpty: boolean
  readonly #groups = new Map<string, Group>()
  /** Groups whose values have changed since they were looked at, and the first bucket that has. */
  readonly #touched = new Map<Group, number>()
  /** There was no time to look at all of them. */
  #isEarlyBehind = false
  /** Shards that have been heard of, and since when they know all. */
  readonly #coverage = new Map<ShardId, number>()
  /** The last window that is decided, by its end; undefined before the first. */
  #decided: number | undefined
  /** Groups for which the window after it is still to be decided; null between windows. */
  #queue: Group[] | null = null
  #groupsLeftOut = 0
  /** Groups that an earlier revision of the rule told apart, still firing. */
  #orphans: GroupState[] = []
  #orphansBy: readonly string[] = []

  constructor({ rule, watermarks, nowMs, state, onValue }: RuleEvaluatorOptions) {
    this.rule = rule
    this.#window = windowOf(rule)
    this.#watermarks = watermarks
    this.#onValue = rule.record === null ? undefined : onValue
    this.#startedMs = nowMs
    this.#isEarly = firesEarly(rule)
    this.#isDownward = isDownward(rule)
    this.#holdsEmpty = this.#judge(new GroupSeries(rule), 0).holds
    if (rule.condition.groupBy.length === 0) this.#groupOf(GROUP_ALL)
    if (state?.revision !== rule.revision) this.stateVersion++
    if (state === undefined) return
    this.#decided = bucketAt(this.#window, state.decidedMs)
    const isRegrouped = JSON.stringify(state.groupBy) !== JSON.stringify(rule.condition.groupBy)
    this.#orphansBy = state.groupBy
    for (const saved of state.groups) {
      if (isRegrouped && saved.firing !== null) this.#orphans.push(saved)
      if (isRegrouped) continue
      const group = this.#groupOf(saved.group)
      if (group === undefined) continue
      group.sinceMs = saved.sinceMs
      group.firing = saved.firing
      group.quietUntilMs = saved.quietUntilMs
      group.seenMs = saved.seenMs
    }
  }

  /** Takes what a shard has counted. Values of another revision of the rule are left out. */
  accept(stamp: PartialStamp, values: RuleValues): void {
    if (values.revision !== this.rule.revision) return
    if (!this.#coverage.has(stamp.shard)) this.#coverage.set(stamp.shard, values.fromMs)
    for (const { group: key, bucket, tally, base } of values.buckets) {
      const group = this.#groupOf(key)
      if (group === undefined) {
        this.#groupsLeftOut++
        continue
      }
      if (!group.series.set(stamp, bucket, tally, base)) continue
      this.#touched.set(group, Math.min(this.#touched.get(group) ?? bucket, bucket))
      const seenMs = Math.floor(bucketStartMs(this.#window, bucket) / SEEN_STEP_MS) * SEEN_STEP_MS
      if (seenMs <= group.seenMs) continue
      group.seenMs = seenMs
      if (this.#holdsEmpty && key !== GROUP_ALL) this.stateVersion++
    }
    for (const { group, samples } of values.samples) this.#groups.get(group)?.series.setSamples(stamp.shard, samples)
  }

  /**
   * Decides what can be decided at the keeper's time `nowMs`; in order. Stops early when `isTimeUp` says so, and goes on with the next call: then
   * `isBehind` is true.
   */
  advance(nowMs: number, isTimeUp: () => boolean = NEVER): Transition[] {
    const transitions: Transition[] = this.#resolveOrphans()
    this.#closeWindows(nowMs, transitions, isTimeUp)
    if (this.#isEarly && this.#queue === null) this.#fireEarly(nowMs, transitions, isTimeUp)
    return transitions
  }

  get isBehind(): boolean {
    return this.#queue !== null || this.#isEarlyBehind
  }

  /** Records ahead of the clock have come, which count when their time is there: `advance` has something to do then. */
  get awaitsTime(): boolean {
    return this.#isEarly && this.#touched.size > 0
  }

  /** Resolves all that fires: the rule is switched off or removed. */
  end(): Transition[] {
    const transitions: Transition[] = this.#resolveOrphans()
    const end = this.#decided ?? bucketAt(this.#window, this.#startedMs)
    for (const group of this.#groups.values()) {
      if (group.firing !== null) this.#resolve(group, end, this.#judge(group.series, end), [], transitions)
      group.sinceMs = null
    }
    return transitions
  }

  snapshot(): RuleState {
    const groups: GroupState[] = []
    for (const { key, sinceMs, firing, quietUntilMs, seenMs } of this.#groups.values()) {
      const isKnown = this.#holdsEmpty && key !== GROUP_ALL
      if (sinceMs === null && firing === null && quietUntilMs === 0 && !isKnown) continue
      groups.push({ group: key, sinceMs, firing, quietUntilMs, seenMs })
    }
    const decided = this.#decided ?? bucketAt(this.#window, this.#startedMs)
    const { groupBy } = this.rule.condition
    return { revision: this.rule.revision, groupBy, decidedMs: bucketStartMs(this.#window, decided), groups }
  }

  #resolveOrphans(): Transition[] {
    const orphans = this.#orphans
    if (orphans.length > 0) this.stateVersion++
    this.#orphans = []
    return orphans.map(({ group: key, firing }) => {
      const end = bucketAt(this.#window, firing!.atMs)
      const group: Group = {
        key,
        series: new GroupSeries(this.rule),
        firing: null,
        sinceMs: null,
        quietUntilMs: 0,
        seenMs: 0,
      }
      const none = { value: null, change: null, holds: false }
      const resolved = this.#transition('resolved', firing!.id, group, end, none, [])
      return { ...resolved, group: groupLabels(this.#orphansBy, key) }
    })
  }

  #groupOf(key: string): Group | undefined {
    let group = this.#groups.get(key)
    if (group === undefined) {
      if (this.#groups.size >= ALERT_GROUPS_PER_KEEPER_MAX) return undefined
      const series = new GroupSeries(this.rule)
      group = { key, series, sinceMs: null, firing: null, quietUntilMs: 0, seenMs: 0 }
      this.#groups.set(key, group)
    }
    return group
  }

  #closeWindows(nowMs: number, transitions: Transition[], isTimeUp: () => boolean): void {
    const { step } = this.#window
    const { closed, complete } = this.#closable(nowMs)
    // Windows that ended before the rule was watched are nobody's; neither are those of which not all is known.
    this.#decided ??= bucketAt(this.#window, this.#startedMs)
    let end = Math.max(this.#decided + 1, this.#knownFrom() + this.#window.span)
    end = Math.ceil(end / step) * step
    for (; end <= closed; end += step) {
      const missing = end <= complete ? [] : this.#missingAt(end, nowMs)
      this.#queue ??= [...this.#groups.values()].reverse()
      for (let group = this.#queue.pop(); group !== undefined; group = this.#queue.pop()) {
        this.#decide(group, end, missing, transitions)
        if (isTimeUp()) return
      }
      this.#queue = null
      this.#decided = end
    }
    this.#forget()
  }

  /** Bucket from which on all shards that were heard of know everything. */
  #knownFrom(): number {
    let fromMs = Number.NEGATIVE_INFINITY
    for (const ms of this.#coverage.values()) fromMs = Math.max(fromMs, ms)
    return fromMs === Number.NEGATIVE_INFINITY ? fromMs : bucketAt(this.#window, Math.ceil(fromMs) - 1) + 1
  }

  /** Ends of the last windows that are closed: with all shards (`complete`), and without those that stand still. */
  #closable(nowMs: number): { readonly closed: number; readonly complete: number } {
    const { allowedLatenessMs } = this.rule.condition
    let all = Number.POSITIVE_INFINITY
    let moving = Number.POSITIVE_INFINITY
    for (let shard = 0 as ShardId; shard < this.#watermarks.shardCount; shard++) {
      const ms = this.#coverage.has(shard) ? this.#watermarks.at(shard) : Number.NEGATIVE_INFINITY
      if (ms < all) all = ms
      if (ms < moving && !this.#isMissing(shard, nowMs)) moving = ms
    }
    const complete = all === Number.NEGATIVE_INFINITY ? all : bucketAt(this.#window, all - allowedLatenessMs)
    if (moving === Number.POSITIVE_INFINITY || moving <= all) return { closed: complete, complete }
    return { closed: bucketAt(this.#window, moving - allowedLatenessMs), complete }
  }

  #isMissing(shard: ShardId, nowMs: number): boolean {
    if (!this.#coverage.has(shard)) return nowMs - this.#startedMs >= STUCK_AFTER_MS
    return this.#watermarks.isStuck(shard, nowMs)
  }

  #missingAt(end: number, nowMs: number): ShardId[] {
    const closedMs = bucketStartMs(this.#window, end) + this.rule.condition.allowedLatenessMs
    const missing: ShardId[] = []
    for (let shard = 0 as ShardId; shard < this.#watermarks.shardCount; shard++) {
      const isClosed = this.#coverage.has(shard) && this.#watermarks.at(shard) >= closedMs
      if (!isClosed && this.#isMissing(shard, nowMs)) missing.push(shard)
    }
    return missing
  }

  #decide(group: Group, end: number, missing: readonly ShardId[], transitions: Transition[]): void {
    const isIdle = group.firing === null && group.sinceMs === null
    const isEmpty = !group.series.hasBetween(end - this.#window.span, end)
    if (isIdle && isEmpty && !this.#holdsEmpty) return
    const measured = this.#judge(group.series, end)
    const endMs = bucketStartMs(this.#window, end)
    if (this.#onValue !== undefined && measured.value !== null && !isEmpty) {
      const labels = groupLabels(this.rule.condition.groupBy, group.key)
      this.#onValue({ group: labels, atMs: endMs, value: measured.value })
    }
    if (!measured.holds) {
      if (group.firing !== null) {
        if (endMs > group.firing.atMs) this.#resolve(group, end, measured, missing, transitions)
      } else if (group.sinceMs !== null) {
        group.sinceMs = null
        this.stateVersion++
        transitions.push(this.#transition('ended', null, group, end, measured, missing))
      }
      return
    }
    if (group.firing !== null || (missing.length > 0 && this.#isDownward)) return
    const { forMs } = this.rule
    if (forMs > 0 && group.sinceMs === null) {
      group.sinceMs = endMs
      this.stateVersion++
      transitions.push(this.#transition('pending', null, group, end, measured, missing))
    }
    if (endMs - (group.sinceMs ?? endMs) < forMs || endMs < group.quietUntilMs) return
    this.#fire(group, end, measured, missing, transitions)
  }

  /** Fires groups for windows that are not closed yet, the first that meets the condition; up to that which ends with the running bucket. */
  #fireEarly(nowMs: number, transitions: Transition[], isTimeUp: () => boolean): void {
    const { step, bucketCount } = this.#window
    const running = Math.ceil((bucketAt(this.#window, nowMs) + 1) / step) * step
    const first = Math.max(this.#decided! + 1, this.#knownFrom() + this.#window.span)
    let looked = 0
    this.#isEarlyBehind = false
    for (const [group, changed] of [...this.#touched]) {
      if (looked > 0 && isTimeUp()) {
        this.#isEarlyBehind = true
        return
      }
      looked++
      const isQuiet = group.quietUntilMs > bucketStartMs(this.#window, running)
      this.#touched.delete(group)
      // Behind those that have not had their turn.
      if (group.series.last >= running || isQuiet) this.#touched.set(group, changed)
      if (group.firing !== null) continue
      // Windows without a record of the group do not meet such a condition; those in which nothing has changed did not before.
      const from = Math.max(first, group.series.first + 1, changed + 1)
      const to = Math.min(running, Math.ceil((group.series.last + bucketCount) / step) * step)
      for (let end = Math.ceil(from / step) * step; end <= to; end += step) {
        if (bucketStartMs(this.#window, end) < group.quietUntilMs) continue
        const measured = this.#judge(group.series, end)
        if (!measured.holds) continue
        this.#fire(group, end, measured, [], transitions)
        break
      }
    }
  }

  #judge(series: GroupSeries, end: number): Measured {
    const { threshold, change, absence } = this.rule.condition
    const value = series.valueOf(end)
    if (absence) return { value, change: null, holds: value === 0 }
    let isHeld = threshold !== null || change !== null
    if (threshold !== null) isHeld = value !== null && holds(threshold, value)
    if (change === null) return { value, change: null, holds: isHeld }
    const difference = differenceOf(value, series.valueOf(end - this.#window.bucketCount), change.relative)
    if (difference === null || !holds(change, difference)) isHeld = false
    return { value, change: difference !== null && Number.isFinite(difference) ? difference : null, holds: isHeld }
  }

  #fire(group: Group, end: number, measured: Measured, missing: readonly ShardId[], transitions: Transition[]): void {
    const atMs = bucketStartMs(this.#window, end)
    const id = firingId(this.rule, group.key, atMs)
    group.firing = { id, atMs }
    group.quietUntilMs = this.rule.cooldownMs === 0 ? 0 : atMs + this.rule.cooldownMs
    this.stateVersion++
    transitions.push(this.#transition('fired', id, group, end, measured, missing))
  }

  #resolve(
    group: Group,
    end: number,
    measured: Measured,
    missing: readonly ShardId[],
    transitions: Transition[],
  ): void {
    const id = group.firing!.id
    group.firing = null
    group.sinceMs = null
    // Windows that are open may meet the condition again.
    this.#touched.set(group, Number.NEGATIVE_INFINITY)
    this.stateVersion++
    transitions.push(this.#transition('resolved', id, group, end, measured, missing))
  }

  #transition(
    kind: Transition['kind'],
    id: string | null,
    { key, series }: Group,
    end: number,
    { value, change }: Measured,
    missingShards: readonly ShardId[],
  ): Transition {
    const fromMs = bucketStartMs(this.#window, end - this.#window.bucketCount)
    const toMs = bucketStartMs(this.#window, end)
    return {
      kind,
      firingId: id,
      groupKey: key,
      group: groupLabels(this.rule.condition.groupBy, key),
      isOverflow: key === GROUP_OVERFLOW,
      value,
      change,
      fromMs,
      toMs,
      samples: kind === 'fired' ? series.samplesBetween(fromMs, toMs) : [],
      missingShards,
      groupsLeftOut: this.#groupsLeftOut,
    }
  }

  /** Drops buckets that no open window needs, and groups that nothing is known of. */
  #forget(): void {
    const first = this.#decided! + 1 - this.#window.span
    const decidedMs = bucketStartMs(this.#window, this.#decided!)
    for (const [key, group] of this.#groups) {
      group.series.dropBefore(first)
      if (group.quietUntilMs !== 0 && group.quietUntilMs <= decidedMs) group.quietUntilMs = 0
      if (!group.series.isEmpty || key === GROUP_ALL) continue
      if (group.firing !== null || group.sinceMs !== null || group.quietUntilMs !== 0) continue
      if (this.#holdsEmpty && group.seenMs + SEEN_STEP_MS + ALERT_GROUP_KEPT_MS > decidedMs) continue
      this.#groups.delete(key)
      this.#touched.delete(group)
    }
  }
}

/** Stable: the same firing has the same id, whoever decides it (A4). */
function firingId({ tenant, id, revision }: AlertRule, group: string, atMs: number): string {
  const text = JSON.stringify([tenant, id, revision, group, atMs])
  return createHash('sha256').update(text).digest('hex').slice(0, 32)
}

/** True where a condition that holds for some of a window's records holds for all of them. */
function firesEarly({ condition, forMs }: AlertRule): boolean {
  const { aggregate, threshold, change, absence, ratio } = condition
  if (forMs > 0 || change !== null || absence || ratio !== null || threshold === null) return false
  const isAbove = threshold.operator === '>' || threshold.operator === '>='
  switch (aggregate.kind) {
    case 'count':
    case 'rate':
    case 'distinct':
    case 'max':
      return isAbove
    case 'min':
      return threshold.operator === '<' || threshold.operator === '<='
    default:
      return false
  }
}

function isDownward({ condition: { absence, threshold, change } }: AlertRule): boolean {
  const isBelow = (operator: string | undefined) => operator === '<' || operator === '<=' || operator === '=='
  return absence || isBelow(threshold?.operator) || isBelow(change?.operator)
}

/** Null where either has no value. From nothing to something is without end. */
function differenceOf(value: number | null, before: number | null, relative: boolean): number | null {
  if (value === null || before === null) return null
  const difference = value - before
  if (!relative || difference === 0) return difference
  return (difference / Math.abs(before)) * 100
}
