import type { ColumnSource } from '../base/columns.ts'
import { ALERT_BUCKETS_BYTES_MAX, ALERT_GROUP_VALUE_CHARS_MAX, ALERT_GROUPS_PER_RULE_MAX } from '../base/limits.ts'
import type { Cell } from '../query/aggregate-groups.ts'
import {
  type AlertSample,
  type BucketValue,
  GROUP_ALL,
  GROUP_OVERFLOW,
  type GroupSamples,
  groupKey,
  type RuleValues,
} from './partial.ts'
import { valuesOf as rowValuesOf } from './row-values.ts'
import type { AlertRule } from './rule.ts'
import { aheadMs, bucketAt, bucketStartMs, type RuleWindow, retainMs, windowOf } from './rule-window.ts'
import { SAMPLES_MAX } from './sample.ts'
import { createTally, type Tally, tallyBytes, tallyDistinct } from './tally.ts'

interface BucketCell {
  readonly group: GroupBuckets
  readonly bucket: number
  readonly own: Tally
  readonly base: Tally | null
  /** It is in the list of what is to be sent. */
  isChanged: boolean
}

interface GroupBuckets {
  readonly key: string
  readonly cells: Map<number, BucketCell>
  /** The bucket counted last. */
  lastCell: BucketCell | undefined
  samples: AlertSample[]
  /** Rows of this bucket and later ones are taken as samples. */
  samplesFrom: number
  samplesChanged: boolean
}

interface RuleState {
  readonly rule: AlertRule
  readonly window: RuleWindow
  readonly retainMs: number
  readonly aheadMs: number
  readonly cellBytes: number
  readonly groups: Map<string, GroupBuckets>
  /** The groups of a rule that groups by one field, by its values; and the one of a rule that does not group. */
  readonly groupOfCell: Map<Cell, GroupBuckets>
  all: GroupBuckets | undefined
  /** What is to be sent. */
  changedCells: BucketCell[]
  changedSamples: GroupBuckets[]
  /** Everything stored with a time from then on is counted. */
  fromMs: number
  /** Buckets that are taken at `nowMs`. */
  nowMs: number
  first: number
  last: number
}

/**
 * What the rows of one shard amount to, by rule, group and bucket of event time. Bounded in groups of a rule, and in bytes: beyond either new groups
 * are counted in the overflow group.
 */
export class RuleBuckets {
  readonly #states = new Map<string, RuleState>()
  /** The same by the rules as they were given: the short way. */
  readonly #byRule = new Map<AlertRule, RuleState>()
  readonly #bytesMax: number
  #bytes = 0
  #values: ReturnType<typeof rowValuesOf> | undefined

  constructor(bytesMax = ALERT_BUCKETS_BYTES_MAX) {
    this.#bytesMax = bytesMax
  }

  /** Approximate bytes of memory. */
  get byteSize(): number {
    return this.#bytes
  }

  /**
   * Keeps what was counted for rules that are still there in the same revision, and forgets the rest. Of the others everything stored with a time
   * from `fromMs(rule)` on is to be added now; their values are to be sent when it has been.
   */
  setRules(rules: readonly AlertRule[], fromMs: (rule: AlertRule) => number): void {
    const known = new Map(this.#states)
    this.#states.clear()
    this.#byRule.clear()
    for (const rule of rules) {
      if (!rule.enabled) continue
      const key = stateKey(rule)
      const state = known.get(key) ?? createState(rule, Math.floor(fromMs(rule)))
      known.delete(key)
      this.#states.set(key, state)
      this.#byRule.set(rule, state)
    }
    for (const state of known.values()) {
      for (const { cells } of state.groups.values()) this.#bytes -= cells.size * state.cellBytes
    }
  }

  /** Counts rows that match a rule. Rows whose time is too old or too far ahead of `nowMs` are left out. */
  add(rule: AlertRule, side: 'own' | 'base', source: ColumnSource, rows: Uint32Array, nowMs: number): void {
    const state = this.#byRule.get(rule) ?? this.#states.get(stateKey(rule))
    if (state === undefined) return
    this.#values = rowValuesOf(source)
    const { aggregate } = state.rule.condition
    if (aggregate.kind === 'distinct') {
      if (state.nowMs !== nowMs) setRange(state, nowMs)
      this.#addDistinct(state, side, rows)
      return
    }
    if (state.nowMs !== nowMs) setRange(state, nowMs)
    if (aggregate.kind !== 'count' && aggregate.kind !== 'rate') {
      this.#addNumbers(state, side, rows, this.#values.numbers(aggregate.field))
    } else if (state.all !== undefined) this.#addRuns(state, state.all, side, source.timeMs, rows)
    else this.#addCounts(state, side, source.timeMs, rows)
  }

  /** Counts rows of a rule without groups: those of one bucket at once. */
  #addRuns(state: RuleState, group: GroupBuckets, side: 'own' | 'base', timeMs: Float64Array, rows: Uint32Array): void {
    const { window } = state
    for (let i = 0; i < rows.length; ) {
      const bucket = bucketAt(window, timeMs[rows[i]!]!)
      const fromMs = bucketStartMs(window, bucket)
      const toMs = bucketStartMs(window, bucket + 1)
      const start = i++
      while (i < rows.length && timeMs[rows[i]!]! >= fromMs && timeMs[rows[i]!]! < toMs) i++
      if (bucket < state.first || bucket > state.last) continue
      const cell = this.#touch(state, group, bucket)
      const tally = side === 'own' ? cell.own : cell.base
      tally?.merge(i - start)
      for (let k = start; k < i && side === 'own' && bucket >= group.samplesFrom; k++)
        this.#takeSample(state, group, bucket, rows[k]!)
    }
  }

  #addCounts(state: RuleState, side: 'own' | 'base', timeMs: Float64Array, rows: Uint32Array): void {
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!
      const bucket = bucketAt(state.window, timeMs[row]!)
      if (bucket < state.first || bucket > state.last) continue
      const cell = this.#cellOf(state, row, bucket, side)
      const tally = side === 'own' ? cell.own : cell.base
      tally?.merge(1)
    }
  }

  #addNumbers(state: RuleState, side: 'own' | 'base', rows: Uint32Array, numberAt: (row: number) => number): void {
    const { timeMs } = this.#values!.source
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!
      const bucket = bucketAt(state.window, timeMs[row]!)
      if (bucket < state.first || bucket > state.last) continue
      const value = numberAt(row)
      // Neither NaN (no number here) nor an infinity (1e400).
      if (value - value !== 0) continue
      const cell = this.#cellOf(state, row, bucket, side)
      const tally = side === 'own' ? cell.own : cell.base
      tally?.take(value)
    }
  }

  #addDistinct(state: RuleState, side: 'own' | 'base', rows: Uint32Array): void {
    const { window, rule } = state
    const { source } = this.#values!
    const ids = new Map<BucketCell, number>()
    const taken = new Uint32Array(rows.length)
    const cells = new Uint32Array(rows.length)
    let count = 0
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!
      const bucket = bucketAt(window, source.timeMs[row]!)
      if (bucket < state.first || bucket > state.last) continue
      const cell = this.#cellOf(state, row, bucket, side)
      let id = ids.get(cell)
      if (id === undefined) {
        id = ids.size
        ids.set(cell, id)
      }
      taken[count] = row
      cells[count++] = id
    }
    if (count === 0) return
    const { aggregate } = rule.condition
    const states = tallyDistinct(aggregate, source, taken.subarray(0, count), cells.subarray(0, count), ids.size)
    for (const [cell, id] of ids) (side === 'own' ? cell.own : cell.base)?.merge(states[id]!)
  }

  /** The cell that a row is counted in, which is to be sent then. */
  #cellOf(state: RuleState, row: number, bucket: number, side: 'own' | 'base'): BucketCell {
    const group = state.all ?? this.#groupOfRow(state, row)
    if (bucket >= group.samplesFrom && side === 'own') this.#takeSample(state, group, bucket, row)
    return this.#touch(state, group, bucket)
  }

  #touch(state: RuleState, group: GroupBuckets, bucket: number): BucketCell {
    let cell = group.lastCell
    if (cell === undefined || cell.bucket !== bucket) {
      cell = group.cells.get(bucket) ?? this.#newCell(state, group, bucket)
      group.lastCell = cell
    }
    if (!cell.isChanged) {
      cell.isChanged = true
      state.changedCells.push(cell)
    }
    return cell
  }

  #newCell(state: RuleState, group: GroupBuckets, bucket: number): BucketCell {
    const { aggregate, ratio } = state.rule.condition
    const own = createTally(aggregate)
    const cell = { group, bucket, own, base: ratio === null ? null : createTally(aggregate), isChanged: false }
    group.cells.set(bucket, cell)
    this.#bytes += state.cellBytes
    return cell
  }

  #groupOfRow(state: RuleState, row: number): GroupBuckets {
    const { groupBy } = state.rule.condition
    const values = this.#values!
    if (groupBy.length === 1) {
      const cell = values.cells(groupBy[0]!)(row)
      const known = state.groupOfCell.get(cell)
      if (known !== undefined) return known
      const group = this.#groupOf(state, groupKey([groupText(cell)]))
      // Those that overflow are without number.
      if (group.key !== GROUP_OVERFLOW) state.groupOfCell.set(cell, group)
      return group
    }
    return this.#groupOf(state, groupKey(groupBy.map((field) => groupText(values.cells(field)(row)))))
  }

  #groupOf(state: RuleState, key: string): GroupBuckets {
    const known = state.groups.get(key)
    if (known !== undefined) return known
    const isFull = state.groups.size >= ALERT_GROUPS_PER_RULE_MAX || this.#bytes >= this.#bytesMax
    if (isFull && key !== GROUP_OVERFLOW) return this.#groupOf(state, GROUP_OVERFLOW)
    return createGroup(state, key)
  }

  /** Samples are taken anew after a part of a window: so they cost little, and are of the window that fires. */
  #takeSample({ window, changedSamples }: RuleState, group: GroupBuckets, bucket: number, row: number): void {
    if (group.samples.length >= SAMPLES_MAX) group.samples = []
    group.samples.push(this.#values!.sample(row))
    if (group.samples.length === SAMPLES_MAX) {
      const age = Math.min(window.bucketCount, Math.max(SAMPLES_AGE_MIN, Math.ceil(window.bucketCount / 10)))
      group.samplesFrom = bucket + age
    }
    if (group.samplesChanged) return
    group.samplesChanged = true
    changedSamples.push(group)
  }

  /** Values that have changed since the last call, by rule. */
  changed(): RuleValues[] {
    const values: RuleValues[] = []
    for (const state of this.#states.values()) {
      if (state.changedCells.length > 0) values.push(takeChanged(state))
    }
    return values
  }

  /** All values of these rules, also of those that have none; `changed` does not say them again. */
  all(rules: readonly AlertRule[]): RuleValues[] {
    return rules.flatMap((rule) => {
      const state = this.#states.get(stateKey(rule))
      if (state === undefined) return []
      takeChanged(state)
      const groups = [...state.groups.values()]
      const buckets = groups.flatMap(({ cells }) => [...cells.values()].map(bucketValueOf))
      const samples = groups.filter((group) => group.samples.length > 0).map(samplesOf)
      return [valuesOf(state, buckets, samples)]
    })
  }

  /** Drops what no window needs any more. `nowMs`: the watermark of the shard. */
  expire(nowMs: number): void {
    for (const state of this.#states.values()) {
      const fromMs = nowMs - state.retainMs
      if (fromMs <= state.fromMs) continue
      const first = bucketAt(state.window, fromMs)
      const isSame = first === bucketAt(state.window, state.fromMs)
      state.fromMs = fromMs
      state.nowMs = Number.NaN
      if (isSame) continue
      for (const [key, group] of state.groups) {
        for (const bucket of group.cells.keys()) {
          if (bucket >= first) continue
          group.cells.delete(bucket)
          this.#bytes -= state.cellBytes
        }
        if (group.lastCell !== undefined && group.lastCell.bucket < first) group.lastCell = undefined
        if (group.cells.size > 0 || group === state.all) continue
        state.groups.delete(key)
        for (const [cell, known] of state.groupOfCell) if (known === group) state.groupOfCell.delete(cell)
      }
    }
  }
}

/** Buckets after which samples are taken anew, at least. */
const SAMPLES_AGE_MIN = 10

function stateKey({ tenant, id, revision }: AlertRule): string {
  return `${tenant}/${id}@${revision}`
}

function createState(rule: AlertRule, fromMs: number): RuleState {
  const { aggregate, ratio, groupBy } = rule.condition
  const state: RuleState = {
    rule,
    window: windowOf(rule),
    retainMs: retainMs(rule),
    aheadMs: aheadMs(rule),
    cellBytes: tallyBytes(aggregate) * (ratio === null ? 1 : 2),
    groups: new Map(),
    groupOfCell: new Map(),
    all: undefined,
    changedCells: [],
    changedSamples: [],
    fromMs,
    nowMs: Number.NaN,
    first: 0,
    last: 0,
  }
  if (groupBy.length === 0) state.all = createGroup(state, GROUP_ALL)
  return state
}

function setRange(state: RuleState, nowMs: number): void {
  state.nowMs = nowMs
  state.first = bucketAt(state.window, Math.max(state.fromMs, nowMs - state.retainMs))
  state.last = bucketAt(state.window, nowMs + state.aheadMs)
}

function createGroup(state: RuleState, key: string): GroupBuckets {
  const group: GroupBuckets = {
    key,
    cells: new Map(),
    lastCell: undefined,
    samples: [],
    samplesFrom: Number.NEGATIVE_INFINITY,
    samplesChanged: false,
  }
  state.groups.set(key, group)
  return group
}

function groupText(cell: Cell): string | null {
  return cell === null ? null : String(cell).slice(0, ALERT_GROUP_VALUE_CHARS_MAX)
}

function takeChanged(state: RuleState): RuleValues {
  const { changedCells, changedSamples } = state
  state.changedCells = []
  state.changedSamples = []
  for (const cell of changedCells) cell.isChanged = false
  for (const group of changedSamples) group.samplesChanged = false
  return valuesOf(state, changedCells.map(bucketValueOf), changedSamples.map(samplesOf))
}

function bucketValueOf({ group, bucket, own, base }: BucketCell): BucketValue {
  return { group: group.key, bucket, tally: own.state(), base: base?.state() ?? null }
}

function samplesOf({ key, samples }: GroupBuckets): GroupSamples {
  return { group: key, samples: samples.slice() }
}

function valuesOf(
  { rule, fromMs }: RuleState,
  buckets: readonly BucketValue[],
  samples: readonly GroupSamples[],
): RuleValues {
  return { tenant: rule.tenant, ruleId: rule.id, revision: rule.revision, fromMs, buckets, samples }
}
