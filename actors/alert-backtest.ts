import { Backtest, type BacktestFiring, type BacktestOptions, type BacktestPartial } from '../alerts/backtest.ts'
import { filtersOf } from '../alerts/rule.ts'
import type { Clock } from '../base/clock.ts'
import { ALERT_BACKTEST_FIRINGS_MAX, SLICE_MAX_MS } from '../base/limits.ts'
import type { Filter } from '../query/ast.ts'
import type { Work } from './leaf-folds.ts'
import type { BacktestRequest } from './messages/alert.ts'
import type { QueryScope } from './messages/leaf.ts'
import { cancellation } from './runtime/ask.ts'
import { columnsForRules } from './window-alert-rebuild.ts'

/** Which rows a backtest is about. */
export function backtestOf({ rule, fromMs, toMs }: BacktestRequest): {
  readonly scope: QueryScope
  readonly backtest: BacktestOptions
} {
  const backtest: BacktestOptions = { rule, fromMs, toMs }
  const filters = filtersOf(rule)
  const filter: Filter = filters.length === 1 ? filters[0]! : { kind: 'or', of: filters }
  return {
    scope: { tenant: rule.tenant, filter, range: { fromMs: new Backtest(backtest).rowsFromMs, toMs } },
    backtest,
  }
}

/** The leaf's part: tallies by bucket, not rows. */
export function backtestWork(options: BacktestOptions): Work<{ readonly counted: BacktestPartial }> {
  const columns = columnsForRules([options.rule])
  return {
    key: undefined,
    fold() {
      const backtest = new Backtest(options)
      return {
        columns: (columnNames) => columns({ columnNames }),
        add: ({ rows, matches }) => backtest.add(rows.columns, matches.toArray(), (row) => rows.receivedMsOf(row)),
        result: () => ({ counted: backtest.partial() }),
      }
    },
  }
}

/** The coordinator's part. Gives way (T2). */
export async function firingsOf(
  options: BacktestOptions,
  counted: readonly BacktestPartial[],
  clock: Clock,
  signal: AbortSignal,
): Promise<{ readonly firings: readonly BacktestFiring[]; readonly firingsLeftOut: boolean }> {
  const backtest = new Backtest(options)
  for (const partial of counted) {
    backtest.absorb(partial)
    await clock.yieldTurn()
  }
  let sinceMs = clock.monotonicMs()
  const isTimeUp = () => clock.monotonicMs() - sinceMs > SLICE_MAX_MS / 2
  const run = backtest.run(isTimeUp)
  for (;;) {
    const step = run.next()
    if (step.done === true) {
      const firings = step.value
      return {
        firings: firings.slice(0, ALERT_BACKTEST_FIRINGS_MAX),
        firingsLeftOut: firings.length > ALERT_BACKTEST_FIRINGS_MAX,
      }
    }
    if (!isTimeUp()) continue
    await clock.yieldTurn()
    if (signal.aborted) throw cancellation(signal)
    sinceMs = clock.monotonicMs()
  }
}
