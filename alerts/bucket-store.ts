import type { ColumnSource } from '../base/columns.ts'
import { ALERT_GROUP_VALUE_CHARS_MAX, ALERT_GROUPS_PER_RULE_MAX } from '../base/limits.ts'
import { type Cell, cellReader } from '../query/aggregate-groups.ts'
import {
  type AlertSample,
  type BucketValue,
  GROUP_ALL,
  GROUP_OVERFLOW,
  type GroupSamples,
  groupKey,
  type RuleValues,
} from './partial.ts'
import type { AlertRule } from './rule.ts'
import { aheadMs, bucketAt, retainMs, windowOf } from './rule-window.ts'
import { SAMPLES_MAX, sampleReader } from './sample.ts'
import { createTally, type Tally, tallyRows } from './tally.ts'

interface BucketCell {
  readonly own: Tally
  readonly base: Tally | null
  isChanged: boolean
}

interface GroupBuckets {
  readonly key: string
  readonly cells: Map<number, BucketCell>
  samples: AlertSample[]
  /** Bucket of the newest sample. */
  samplesBucket: number
  samplesChanged: boolean
}

interface RuleState {
  readonly rule: AlertRule
  readonly groups: Map<string, GroupBuckets>
  /** Groups with something to send. */
  readonly changed: Set<GroupBuckets>
  /** Everything stored with a time from then on is counted. */
  fromMs: number
}

/** What the rows of one shard amount to, by rule, group and bucket of event time. */
export class RuleBuckets {
  readonly #states = new Map<string, RuleState>()

  /**
   * Keeps what was counted for rules that are still there in the same revision, and forgets the rest. Of the others everything stored with a time
   * from `fromMs(rule)` on is to be added now; their values are to be sent when it has been.
   */
  setRules(rules: readonly AlertRule[], fromMs: (rule: AlertRule) => number): void {
    const kept = new Map<string, RuleState>()
    for (const rule of rules) {
      if (!rule.enabled) continue
      const key = stateKey(rule)
      kept.set(
        key,
        this.#states.get(key) ?? { rule, groups: new Map(), changed: new Set(), fromMs: Math.floor(fromMs(rule)) },
      )
    }
    this.#states.clear()
    for (const [key, state] of kept) this.#states.set(key, state)
  }

  /** Counts rows that match a rule. Rows whose time is too old or too far ahead of `nowMs` are left out. */
  add(rule: AlertRule, side: 'own' | 'base', source: ColumnSource, rows: Uint32Array, nowMs: number): void {
    const state = this.#states.get(stateKey(rule))
    if (state === undefined) return
    const window = windowOf(rule)
    const first = bucketAt(window, Math.max(state.fromMs, nowMs - retainMs(rule)))
    const last = bucketAt(window, nowMs + aheadMs(rule))
    const groupOf = groupReader(state, source)
    const cellIds = new Map<BucketCell, number>()
    const cells: BucketCell[] = []
    const taken = new Uint32Array(rows.length)
    const cellOfTaken = new Uint32Array(rows.length)
    let count = 0
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!
      const bucket = bucketAt(window, source.timeMs[row]!)
      if (bucket < first || bucket > last) continue
      const group = groupOf(row)
      const cell = cellOf(state, group, bucket)
      let id = cellIds.get(cell)
      if (id === undefined) {
        id = cells.length
        cellIds.set(cell, id)
        cells.push(cell)
        cell.isChanged = true
        state.changed.add(group)
      }
      taken[count] = row
      cellOfTaken[count++] = id
      if (side === 'own') takeSample(group, bucket, window.bucketCount, source, row)
    }
    if (count === 0) return
    const states = tallyRows(
      rule.condition.aggregate,
      source,
      taken.subarray(0, count),
      cellOfTaken.subarray(0, count),
      cells.length,
    )
    states.forEach((tally, id) => {
      const cell = cells[id]!
      const target = side === 'own' ? cell.own : cell.base
      target?.merge(tally)
    })
  }

  /** Values that have changed since the last call, by rule. */
  changed(): RuleValues[] {
    const values: RuleValues[] = []
    for (const state of this.#states.values()) {
      if (state.changed.size > 0) values.push(valuesOf(state, state.changed, false))
      state.changed.clear()
    }
    return values
  }

  /** All values of these rules, also of those that have none; `changed` does not say them again. */
  all(rules: readonly AlertRule[]): RuleValues[] {
    return rules.flatMap((rule) => {
      const state = this.#states.get(stateKey(rule))
      if (state === undefined) return []
      state.changed.clear()
      return [valuesOf(state, state.groups.values(), true)]
    })
  }

  /** Drops what no window needs any more. `nowMs`: the watermark of the shard. */
  expire(nowMs: number): void {
    for (const state of this.#states.values()) {
      const fromMs = nowMs - retainMs(state.rule)
      if (fromMs <= state.fromMs) continue
      state.fromMs = fromMs
      const first = bucketAt(windowOf(state.rule), fromMs)
      for (const [key, group] of state.groups) {
        for (const bucket of group.cells.keys()) if (bucket < first) group.cells.delete(bucket)
        if (group.cells.size > 0) continue
        state.groups.delete(key)
        state.changed.delete(group)
      }
    }
  }
}

function stateKey({ tenant, id, revision }: AlertRule): string {
  return `${tenant}/${id}@${revision}`
}

function cellOf({ rule }: RuleState, group: GroupBuckets, bucket: number): BucketCell {
  let cell = group.cells.get(bucket)
  if (cell === undefined) {
    const { aggregate, ratio } = rule.condition
    cell = { own: createTally(aggregate), base: ratio === null ? null : createTally(aggregate), isChanged: false }
    group.cells.set(bucket, cell)
  }
  return cell
}

function groupReader(state: RuleState, source: ColumnSource): (row: number) => GroupBuckets {
  const { groupBy } = state.rule.condition
  if (groupBy.length === 0) {
    const all = groupOf(state, GROUP_ALL)
    return () => all
  }
  const readers = groupBy.map((field) => cellReader(source, field))
  return (row) => groupOf(state, groupKey(readers.map((read) => groupText(read(row)))))
}

function groupText(cell: Cell): string | null {
  return cell === null ? null : String(cell).slice(0, ALERT_GROUP_VALUE_CHARS_MAX)
}

function groupOf(state: RuleState, key: string): GroupBuckets {
  const known = state.groups.get(key)
  if (known !== undefined) return known
  if (state.groups.size >= ALERT_GROUPS_PER_RULE_MAX && key !== GROUP_OVERFLOW) return groupOf(state, GROUP_OVERFLOW)
  const group: GroupBuckets = {
    key,
    cells: new Map(),
    samples: [],
    samplesBucket: Number.NEGATIVE_INFINITY,
    samplesChanged: false,
  }
  state.groups.set(key, group)
  return group
}

/** Samples are taken anew after such a part of a window, so that they cost little and are of the window that fires. */
const SAMPLES_PER_WINDOW = 10
const SAMPLES_AGE_MIN = 10

function takeSample(group: GroupBuckets, bucket: number, bucketCount: number, source: ColumnSource, row: number): void {
  if (group.samples.length >= SAMPLES_MAX) {
    const age = Math.min(bucketCount, Math.max(SAMPLES_AGE_MIN, bucketCount / SAMPLES_PER_WINDOW))
    if (bucket < group.samplesBucket + age) return
    group.samples = []
  }
  group.samples.push(sampleReader(source)(row))
  group.samplesBucket = Math.max(group.samplesBucket, bucket)
  group.samplesChanged = true
}

function valuesOf(state: RuleState, groups: Iterable<GroupBuckets>, isWhole: boolean): RuleValues {
  const { rule, fromMs } = state
  const buckets: BucketValue[] = []
  const samples: GroupSamples[] = []
  for (const group of groups) {
    for (const [bucket, cell] of group.cells) {
      if (!isWhole && !cell.isChanged) continue
      cell.isChanged = false
      buckets.push({ group: group.key, bucket, tally: cell.own.state(), base: cell.base?.state() ?? null })
    }
    if (isWhole ? group.samples.length > 0 : group.samplesChanged) {
      samples.push({ group: group.key, samples: group.samples.slice() })
      group.samplesChanged = false
    }
  }
  return { tenant: rule.tenant, ruleId: rule.id, revision: rule.revision, fromMs, buckets, samples }
}
