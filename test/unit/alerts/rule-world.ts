import assert from 'node:assert/strict'
import fc from 'fast-check'
import { RuleBuckets } from '../../../alerts/bucket-store.ts'
import type { PartialStamp, RuleValues } from '../../../alerts/partial.ts'
import { type AlertRule, normaliseRule } from '../../../alerts/rule.ts'
import { RuleEvaluator, type RuleState, type Transition } from '../../../alerts/rule-evaluator.ts'
import { RuleSet } from '../../../alerts/rule-set.ts'
import { retainMs } from '../../../alerts/rule-window.ts'
import { Watermarks } from '../../../alerts/watermarks.ts'
import type { ColumnSource } from '../../../base/columns.ts'
import { type ShardId, TENANT_DEFAULT } from '../../../base/ids.ts'
import { columnSourceOf, flatRecord } from '../../harness/column-source.ts'
import type { Happening, Outcome } from './reference.ts'

export const T = 1_760_000_000_000

const LIMITS: Readonly<Record<string, readonly string[]>> = {
  count: ['>2', '>=4', '<2', '<=1', '==3', '>0'],
  rate: ['>0.2', '<0.1'],
  distinct: ['>2', '>=2', '<2', '==1'],
  sum: ['>500', '<50', '>=0'],
  avg: ['>50', '<50', '==10'],
  min: ['<5', '>5', '<=1'],
  max: ['>500', '<500', '>=1000'],
  p50: ['>50', '<50'],
  p95: ['>500', '<=5'],
}

/** Definitions of conditions of every kind, with windows of a few buckets. */
export const conditions: fc.Arbitrary<Record<string, unknown>> = fc
  .record({
    kind: fc.constantFrom(...Object.keys(LIMITS), 'absence'),
    limit: fc.nat(5),
    form: fc.constantFrom('plain', 'plain', 'plain', 'change', 'both', 'ratio'),
    change: fc.constantFrom('>50%', '<-50%', '>1', '<=-1', '==0'),
    window: fc.constantFrom('10s', '15s', '30s', '7m30s'),
    type: fc.constantFrom('sliding', 'tumbling'),
    groupBy: fc.boolean(),
    allowedLateness: fc.constantFrom('0s', '2s', '5s'),
  })
  .map(({ kind, limit, form, change, window, type, groupBy, allowedLateness }) => {
    const base = { window, type, allowedLateness, ...(groupBy ? { groupBy: ['host'] } : {}) }
    if (kind === 'absence') return { ...base, absence: true }
    const field = kind === 'count' || kind === 'rate' ? {} : { field: kind === 'distinct' ? 'user' : 'n' }
    const threshold = LIMITS[kind]![limit % LIMITS[kind]!.length]!
    // Sketches tell quantiles by the percent.
    const step = kind.startsWith('p') && !change.endsWith('%') ? '>50%' : change
    if (form === 'change') return { ...base, ...field, [kind]: true, change: step }
    if (form === 'both') return { ...base, ...field, [kind]: threshold, change: step }
    if (form === 'ratio') return { ...base, ...field, [kind]: '>0.5', ratio: { query: 'base' } }
    return { ...base, ...field, [kind]: threshold }
  })

export const definitions: fc.Arbitrary<Record<string, unknown>> = fc
  .record({
    condition: conditions,
    for: fc.constantFrom('0s', '0s', '3s', '20s'),
    cooldown: fc.constantFrom('0s', '0s', '8s', '1m'),
  })
  .map((rest) => ({ name: 'rule', query: 'own', severity: 'P1', ...rest }))

export function ruleOf(definition: unknown, revision = 1): AlertRule {
  return normaliseRule(TENANT_DEFAULT, 'rule', revision, definition, T)
}

/** `latestMs`: how late records may be, beside the seconds that everything takes. */
export function happenings(shards: number, latestMs: number): fc.Arbitrary<Happening[]> {
  const burst = fc.record({
    atMs: fc.integer({ min: 0, max: 90_000 }),
    records: fc.array(
      fc.record({
        delayMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: latestMs })),
        aheadMs: fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(4000) }),
        gapMs: fc.nat(900),
        shard: fc.nat(shards - 1),
        group: fc.constantFrom('a', 'a', 'b', null),
        n: fc.constantFrom(1, 10, 100, 1000),
        user: fc.constantFrom('u', 'v', 'w', 'x'),
        own: fc.constantFrom(true, true, false),
        base: fc.boolean(),
      }),
      { minLength: 1, maxLength: 8 },
    ),
  })
  return fc.array(burst, { minLength: 1, maxLength: 8 }).map((bursts) => {
    const all = bursts.flatMap(({ atMs, records }) => {
      let receivedMs = T + atMs
      return records.map(({ delayMs, aheadMs, gapMs, ...record }) => {
        receivedMs += gapMs
        return { ...record, receivedMs, timeMs: receivedMs - delayMs + aheadMs }
      })
    })
    return all.sort((a, b) => a.receivedMs - b.receivedMs)
  })
}

export function sourceOf(records: readonly Happening[]): ColumnSource {
  return columnSourceOf(
    records.map(({ timeMs, group, n, user, own, base }) => {
      const message = `${own ? 'own ' : ''}${base ? 'base' : ''}`
      return flatRecord(timeMs, { message, n, user, ...(group === null ? {} : { host: group }) })
    }),
    (name) => (name === 'n' ? 'integer' : 'dictionary'),
  )
}

/** The counting side of one shard: it applies records in order, and may move to a new owner. */
export class ShardSide {
  readonly shard: ShardId
  readonly #rule: AlertRule
  readonly #rules: RuleSet
  readonly #applied: Happening[] = []
  #buckets: RuleBuckets
  #epoch = 1
  #isNew = true

  constructor(shard: number, rule: AlertRule) {
    this.shard = shard as ShardId
    this.#rule = rule
    this.#rules = new RuleSet([rule])
    this.#buckets = new RuleBuckets()
    this.#buckets.setRules([rule], () => T - retainMs(rule))
  }

  get epoch(): number {
    return this.#epoch
  }

  get stamp(): PartialStamp {
    return { shard: this.shard, epoch: this.#epoch, through: { generation: 1, sequence: this.#applied.length } }
  }

  apply(records: readonly Happening[]): void {
    for (const record of records) {
      this.#applied.push(record)
      this.#count([record], record.receivedMs)
    }
  }

  #count(records: readonly Happening[], nowMs: number): void {
    if (records.length === 0) return
    const source = sourceOf(records)
    this.#rules.count(source, null, TENANT_DEFAULT, ({ rule, side }, rows) => {
      this.#buckets.add(rule, side, source, rows, nowMs)
    })
  }

  /** Another owner counts all anew that is stored. */
  moveOn(nowMs: number): void {
    this.#epoch++
    this.#isNew = true
    this.#buckets = new RuleBuckets()
    this.#buckets.setRules([this.#rule], () => nowMs - retainMs(this.#rule))
    this.#count(this.#applied, nowMs)
  }

  /** What it says next to the keeper. */
  say(isWhole = false): RuleValues[] {
    const values = isWhole || this.#isNew ? this.#buckets.all([this.#rule]) : this.#buckets.changed()
    this.#isNew = false
    return values
  }

  expire(watermarkMs: number): void {
    this.#buckets.expire(watermarkMs)
  }
}

/** The keeper's side: saves its state before anybody hears of transitions, as a keeper must. */
export class KeeperSide {
  readonly #rule: AlertRule
  readonly #watermarks: Watermarks
  #evaluator: RuleEvaluator
  saved: RuleState | undefined
  #savedVersion = 0

  constructor(rule: AlertRule, shardCount: number, nowMs: number, saved?: RuleState) {
    this.#rule = rule
    this.#watermarks = new Watermarks(shardCount, nowMs)
    this.saved = saved
    this.#evaluator = new RuleEvaluator({ rule, watermarks: this.#watermarks, nowMs, state: saved })
  }

  get evaluator(): RuleEvaluator {
    return this.#evaluator
  }

  hear(stamp: PartialStamp, values: readonly RuleValues[], watermarkMs: number): void {
    for (const value of values) this.#evaluator.accept(stamp, structuredClone(value))
    this.#watermarks.note(stamp.shard, stamp.epoch, watermarkMs)
  }

  advance(nowMs: number): Transition[] {
    this.#watermarks.observe(nowMs)
    const transitions = this.#evaluator.advance(nowMs)
    if (this.#evaluator.stateVersion !== this.#savedVersion) {
      this.#savedVersion = this.#evaluator.stateVersion
      this.saved = JSON.parse(JSON.stringify(this.#evaluator.snapshot())) as RuleState
    }
    return transitions
  }

  get rule(): AlertRule {
    return this.#rule
  }
}

export function outcomesOf(transitions: readonly Transition[]): Outcome[] {
  return transitions.map(({ kind, group, toMs, value }) => ({ kind, group: group.host ?? null, toMs, value }))
}

/** Throws where outcomes differ, in values by more than the error of sketches. */
export function assertSame(
  given: readonly Outcome[],
  wanted: readonly Outcome[],
  relativeError: number,
  shown: string,
) {
  const inOrder = (outcomes: readonly Outcome[]) =>
    outcomes.toSorted((a, b) => a.toMs - b.toMs || compareText(`${a.group} ${a.kind}`, `${b.group} ${b.kind}`))
  const textOf = ({ kind, group, toMs }: Outcome) => `${toMs - T} ${kind} ${group}`
  const [a, b] = [inOrder(given), inOrder(wanted)]
  assert.deepEqual(a.map(textOf), b.map(textOf), shown)
  for (const [i, { value }] of a.entries()) {
    const real = b[i]!.value
    const isNear = value === real || Math.abs(value! - real!) <= relativeError * Math.abs(real!)
    assert(isNear, `${shown}: ${value} is not ${real}`)
  }
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
