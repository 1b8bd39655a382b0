import type { RuleBuckets } from '../alerts/bucket-store.ts'
import type { AlertRule } from '../alerts/rule.ts'
import { filtersOf } from '../alerts/rule.ts'
import { RuleSet } from '../alerts/rule-set.ts'
import { aheadMs, retainMs } from '../alerts/rule-window.ts'
import type { Clock } from '../base/clock.ts'
import { COLUMN_OVERFLOW, FIELD_HOST, FIELD_LEVEL, FIELD_MESSAGE, FIELD_SERVICE } from '../base/columns.ts'
import type { TenantId } from '../base/ids.ts'
import { ALERT_RULES_AT_ONCE, SLICE_MAX_MS } from '../base/limits.ts'
import type { Filter } from '../query/ast.ts'
import { columnsNeededBy } from '../query/needed-columns.ts'
import { pruneOf } from '../query/prune.ts'
import type { ActivePlans } from '../storage/active-plans.ts'
import type { SearchPlan } from '../storage/search-plan.ts'
import { planSearch } from '../storage/search-plan.ts'
import type { ColumnDirectory, SearchUnit } from '../storage/search-unit.ts'
import type { SegmentCache } from '../storage/segment-reader.ts'
import type { ShardStore } from '../storage/shard-store.ts'

export interface RebuildParts {
  readonly plans: ActivePlans
  readonly cache: SegmentCache
  readonly clock: Clock
}

/** Stored rows that rules of one tenant, whose windows reach about as far back, are to count. */
interface Band {
  readonly tenant: TenantId
  readonly rules: readonly AlertRule[]
  readonly plan: Promise<SearchPlan>
}

/** Rules are planned together whose windows end in the same of these, ms: so a rule of a minute does not wait for those of a day. */
const BANDS_MS = [15 * 60_000, 2 * 3600_000, Number.POSITIVE_INFINITY]
/** With more rules than this, blocks are not pruned by what the rules look for. */
const PRUNED_RULES_MAX = 64

/**
 * The rows that a shard holds at this moment, and that are in the windows of rules at `nowMs`: planned within this call, counted by `count`. Whoever counts
 * all that is appended from this call on, counts each row once.
 */
export class Rebuild {
  readonly #bands: Band[] = []
  readonly #parts: RebuildParts
  readonly #nowMs: number
  readonly #ended: () => void

  constructor(store: ShardStore, rules: readonly AlertRule[], nowMs: number, parts: RebuildParts) {
    const { plans, cache, clock } = parts
    this.#parts = parts
    this.#nowMs = nowMs
    this.#ended = plans.begin(clock.monotonicMs())
    for (const [tenant, own] of Map.groupBy(rules, (rule) => rule.tenant)) {
      const byBand = Map.groupBy(own, (rule) => BANDS_MS.findIndex((bandMs) => retainMs(rule) <= bandMs))
      for (const [, band] of [...byBand].sort(([a], [b]) => a - b)) {
        const range = {
          fromMs: nowMs - Math.max(...band.map(retainMs)),
          toMs: nowMs + Math.max(...band.map(aheadMs)) + 1,
        }
        const plan = planSearch(store, { tenant, range, expr: pruneOf(anyOf(band)), cache })
        plan.catch(() => undefined)
        this.#bands.push({ tenant, rules: band, plan })
      }
    }
  }

  /** Adds the rows to the buckets of the rules. Gives way between units (T2). Throws when a unit cannot be read: then all is to be begun anew. */
  async count(buckets: RuleBuckets, isWanted: () => boolean): Promise<void> {
    try {
      const plans = await Promise.all(this.#bands.map(async (band) => ({ ...band, plan: await band.plan })))
      // What is in memory is read first: until then, heads that are gone are kept there.
      for (const { rules, plan, tenant } of plans)
        await this.#countUnits(inMemory(plan), rules, tenant, buckets, isWanted)
      this.#ended()
      // Blocks and segments that are superseded stay for longer than this takes.
      for (const { rules, plan, tenant } of plans)
        await this.#countUnits(onDisk(plan), rules, tenant, buckets, isWanted)
    } finally {
      this.#ended()
    }
  }

  async #countUnits(
    units: readonly SearchUnit[],
    rules: readonly AlertRule[],
    tenant: TenantId,
    buckets: RuleBuckets,
    isWanted: () => boolean,
  ): Promise<void> {
    if (units.length === 0) return
    const { clock } = this.#parts
    const sets: RuleSet[] = []
    for (let from = 0; from < rules.length; from += ALERT_RULES_AT_ONCE) {
      sets.push(new RuleSet(rules.slice(from, from + ALERT_RULES_AT_ONCE)))
    }
    const columns = columnsForRules(rules)
    let sinceMs = clock.monotonicMs()
    for (const unit of units) {
      if (!isWanted()) return
      const { rows } = await unit.open(columns)
      const source = rows.columns
      for (const set of sets) {
        set.count(source, null, tenant, ({ rule, side }, found) => buckets.add(rule, side, source, found, this.#nowMs))
        if (clock.monotonicMs() - sinceMs < SLICE_MAX_MS / 2) continue
        await clock.yieldTurn()
        sinceMs = clock.monotonicMs()
      }
    }
  }
}

/** What rows of rules must be opened with: to find them, to tally them, and to show some of them. */
export function columnsForRules(rules: readonly AlertRule[]): (directory: ColumnDirectory) => readonly string[] {
  const wanted = new Set([FIELD_LEVEL, FIELD_SERVICE, FIELD_HOST, FIELD_MESSAGE, COLUMN_OVERFLOW] as string[])
  for (const { condition } of rules) {
    for (const field of condition.groupBy) wanted.add(field)
    if ('field' in condition.aggregate) wanted.add(condition.aggregate.field)
  }
  const filtered = columnsNeededBy({ kind: 'or', of: rules.flatMap((rule) => filtersOf(rule)) })
  return (directory) => {
    const names = new Set(filtered(directory))
    for (const name of directory.columnNames) if (wanted.has(name)) names.add(name)
    return [...names]
  }
}

function anyOf(rules: readonly AlertRule[]): Filter {
  const filters = rules.flatMap((rule) => filtersOf(rule))
  if (filters.length === 1) return filters[0]!
  return filters.length > PRUNED_RULES_MAX ? { kind: 'all' } : { kind: 'or', of: filters }
}

function inMemory({ units }: SearchPlan): SearchUnit[] {
  return units.filter(({ tier }) => tier === 'head')
}

function onDisk({ units }: SearchPlan): SearchUnit[] {
  return units.filter(({ tier }) => tier !== 'head')
}
