import type { ColumnSource } from '../base/columns.ts'
import { WeirError } from '../base/errors.ts'
import type { ShardId } from '../base/ids.ts'
import { RuleBuckets } from './bucket-store.ts'
import type { RuleValues } from './partial.ts'
import type { AlertRule } from './rule.ts'
import { RuleEvaluator, type Transition } from './rule-evaluator.ts'
import { RuleSet } from './rule-set.ts'
import { bucketAt, bucketStartMs, retainMs, windowOf } from './rule-window.ts'
import { createTally, type Tally, type TallyState } from './tally.ts'
import { STUCK_AFTER_MS, Watermarks } from './watermarks.ts'

/** A firing that a rule would have had. */
export interface BacktestFiring {
  readonly group: Readonly<Record<string, string>>
  /** End of the window that decided. */
  readonly atMs: number
  /** When it would have been noticed. */
  readonly noticedMs: number
  readonly value: number | null
  /** End of the window that no longer met the condition; null where it had not come by the end. */
  readonly resolvedMs: number | null
}

export interface BacktestOptions {
  readonly rule: AlertRule
  /** Windows that end after are decided … */
  readonly fromMs: number
  /** … up to here. */
  readonly toMs: number
  /** Values of buckets by round that are held at most. */
  readonly valuesMax?: number
}

/** Shards speak to keepers so often. */
export const ROUND_MS = 200
/** Values of buckets by round, of which a rule over so much history has too many. */
const VALUES_MAX = 500_000

const SHARD = 0 as ShardId
/** The least that a stepping clock may leave out of what is noticed. */
const STEP_MS = STUCK_AFTER_MS / 3

/** Round of receipt, group, bucket, tally, and that of what a ratio is to. */
type BacktestValue = readonly [round: number, group: string, bucket: number, tally: TallyState, base: TallyState]

/** What rows of a store amount to in a backtest; plain data for msgpack. */
export interface BacktestPartial {
  readonly values: readonly BacktestValue[]
}

interface Round {
  /** By group and bucket. */
  readonly values: Map<string, Map<number, { own: TallyState; base: TallyState }>>
}

/**
 * Runs a rule over stored rows as it would have run over them when they came: in order of their receipt, round by round as shards speak to keepers.
 * Rows may be added in any order. What is wanted of the store: all rows that may match the rule with a time from `rowsFromMs` to `toMs`.
 */
export class Backtest {
  /** Rows of this time and later play a part. */
  readonly rowsFromMs: number
  readonly #options: BacktestOptions
  readonly #rules: RuleSet
  readonly #rounds = new Map<number, Round>()
  #valueCount = 0

  constructor(options: BacktestOptions) {
    this.#options = options
    this.rowsFromMs = options.fromMs - retainMs(options.rule)
    // A rule that is switched off is tried as well.
    this.#rules = new RuleSet([{ ...options.rule, enabled: true }])
  }

  /** Counts those of `rows` (null: all) that match. `receivedMs` of a row: when it came. Throws result_too_large. */
  add(source: ColumnSource, rows: Uint32Array | null, receivedMs: (row: number) => number): void {
    this.#rules.count(source, rows, this.#options.rule.tenant, ({ rule, side }, matching) => {
      const byRound = new Map<number, number[]>()
      for (const row of matching) {
        const round = Math.floor(receivedMs(row) / ROUND_MS)
        const list = byRound.get(round)
        if (list === undefined) byRound.set(round, [row])
        else list.push(row)
      }
      for (const [round, list] of byRound) {
        const buckets = new RuleBuckets()
        buckets.setRules([rule], () => this.rowsFromMs)
        buckets.add(rule, side, source, Uint32Array.from(list), round * ROUND_MS)
        for (const values of buckets.changed()) this.#keep(round, values)
      }
    })
  }

  #keep(number: number, values: RuleValues): void {
    for (const { group, bucket, tally, base } of values.buckets) this.#addValue([number, group, bucket, tally, base])
  }

  #addValue([number, group, bucket, tally, base]: BacktestValue): void {
    const { aggregate } = this.#options.rule.condition
    const round: Round = this.#rounds.get(number) ?? { values: new Map() }
    this.#rounds.set(number, round)
    const series = round.values.get(group) ?? new Map<number, { own: TallyState; base: TallyState }>()
    round.values.set(group, series)
    const known = series.get(bucket)
    if (known === undefined) this.#valueCount++
    series.set(bucket, {
      own: known === undefined ? tally : sumOf(createTally(aggregate), known.own, tally),
      base: known === undefined ? base : sumOf(createTally(aggregate), known.base, base),
    })
    if (this.#valueCount <= (this.#options.valuesMax ?? VALUES_MAX)) return
    throw new WeirError('result_too_large', 'the rule counts too much in that time: narrow the query or the range')
  }

  /** What has been added so far, for another to absorb: those who hold rows count, one decides. */
  partial(): BacktestPartial {
    const values: BacktestValue[] = []
    for (const [number, round] of this.#rounds) {
      for (const [group, series] of round.values) {
        for (const [bucket, { own, base }] of series) values.push([number, group, bucket, own, base])
      }
    }
    return { values }
  }

  /** Takes what others have added for the same rule and times. Throws result_too_large. */
  absorb({ values }: BacktestPartial): void {
    for (const value of values) this.#addValue(value)
  }

  /**
   * Decides. The result of the generator are the firings, by when they were noticed; whether to pause between its steps is the caller's to say, and
   * `isTimeUp` ends a step early.
   */
  *run(isTimeUp?: () => boolean): Generator<void, BacktestFiring[]> {
    const { fromMs, toMs } = this.#options
    const rule = { ...this.#options.rule, enabled: true }
    const window = windowOf(rule)
    const watermarks = new Watermarks(1, fromMs)
    const evaluator = new RuleEvaluator({ rule, watermarks, nowMs: fromMs })
    const firings = new Map<string, BacktestFiring>()
    const totals = new Map<string, Map<number, { own: Tally; base: Tally }>>()
    let sequence = 0
    const tell = (buckets: RuleValues['buckets']) => {
      const stamp = { shard: SHARD, epoch: 1, through: { generation: 1, sequence: ++sequence } }
      const { tenant, id, revision } = rule
      evaluator.accept(stamp, { tenant, ruleId: id, revision, fromMs: this.rowsFromMs, buckets, samples: [] })
    }
    const advance = function* (nowMs: number): Generator<void, void> {
      watermarks.note(SHARD, 1, nowMs)
      watermarks.observe(nowMs)
      do {
        for (const transition of evaluator.advance(nowMs, isTimeUp)) note(firings, transition, nowMs, toMs)
        yield
      } while (evaluator.isBehind)
    }
    tell([])
    const endMs = toMs + rule.condition.allowedLatenessMs
    let clockMs = fromMs
    for (const [number, round] of [...this.#rounds].sort(([a], [b]) => a - b)) {
      const noticedMs = (number + 1) * ROUND_MS
      if (noticedMs > endMs + ROUND_MS) break
      // The clock goes on while nothing comes: windows close, and buckets that were ahead of it become running ones.
      while (clockMs < noticedMs - ROUND_MS) {
        const next = bucketStartMs(window, bucketAt(window, clockMs) + 1)
        clockMs = Math.min(noticedMs - ROUND_MS, evaluator.awaitsTime ? next : Number.POSITIVE_INFINITY)
        yield* advance(clockMs)
      }
      const buckets: RuleValues['buckets'][number][] = []
      for (const [group, series] of round.values) {
        const total = totals.get(group) ?? new Map<number, { own: Tally; base: Tally }>()
        totals.set(group, total)
        for (const [bucket, value] of series) {
          const tallies = total.get(bucket) ?? {
            own: createTally(rule.condition.aggregate),
            base: createTally(rule.condition.aggregate),
          }
          total.set(bucket, tallies)
          tallies.own.merge(value.own)
          tallies.base.merge(value.base)
          buckets.push({ group, bucket, tally: tallies.own.state(), base: tallies.base.state() })
        }
      }
      tell(buckets)
      clockMs = Math.max(clockMs, noticedMs)
      yield* advance(clockMs)
    }
    while (clockMs < endMs) {
      clockMs = Math.min(endMs, clockMs + STEP_MS)
      yield* advance(clockMs)
    }
    return [...firings.values()]
  }
}

function sumOf(tally: Tally, a: TallyState, b: TallyState): TallyState {
  tally.merge(a)
  tally.merge(b)
  return tally.state()
}

function note(firings: Map<string, BacktestFiring>, transition: Transition, noticedMs: number, toMs: number): void {
  const { kind, firingId, group, value, toMs: atMs } = transition
  if (firingId === null || atMs > toMs) return
  if (kind === 'fired') {
    firings.set(firingId, { group, atMs, noticedMs, value, resolvedMs: null })
    return
  }
  const firing = firings.get(firingId)
  if (firing !== undefined) firings.set(firingId, { ...firing, resolvedMs: atMs })
}
