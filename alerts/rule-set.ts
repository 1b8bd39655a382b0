import { Bitmap } from '../base/bitmap.ts'
import type { ColumnSource } from '../base/columns.ts'
import type { TenantId } from '../base/ids.ts'
import { type CompiledFilter, compileFilter } from '../query/filter.ts'
import { type AlertRule, filtersOf } from './rule.ts'

/** One filter of a rule. */
export interface RuleTerm {
  readonly rule: AlertRule
  /** Place of the rule in the list that was compiled. */
  readonly ruleIndex: number
  /** Whether it is what the rule counts, or what a ratio is to. */
  readonly side: 'own' | 'base'
}

/** Takes the rows that match a term: ascending, not empty, only valid during the call. */
export type MatchSink = (term: RuleTerm, rows: Uint32Array) => void

/** Rules of one filter, which is evaluated once. */
interface Matcher {
  readonly filter: CompiledFilter
  readonly terms: RuleTerm[]
}

/** Rules compiled together, so that thousands of them cost little. Disabled rules are left out. Immutable. */
export class RuleSet {
  readonly rules: readonly AlertRule[]
  readonly #tenants = new Map<TenantId, Map<string, Matcher>>()

  constructor(rules: readonly AlertRule[]) {
    this.rules = rules
    rules.forEach((rule, ruleIndex) => {
      if (!rule.enabled) return
      const matchers = this.#tenants.get(rule.tenant) ?? new Map<string, Matcher>()
      this.#tenants.set(rule.tenant, matchers)
      filtersOf(rule).forEach((filter, i) => {
        const compiled = compileFilter(filter)
        const matcher = matchers.get(compiled.key) ?? { filter: compiled, terms: [] }
        matchers.set(compiled.key, matcher)
        matcher.terms.push({ rule, ruleIndex, side: i === 0 ? 'own' : 'base' })
      })
    })
  }

  hasRulesOf(tenant: TenantId): boolean {
    return this.#tenants.has(tenant)
  }

  /** Hands each term of the tenant the rows of `source` (of `rows`, ascending, where not null) that match it. */
  count(source: ColumnSource, rows: Uint32Array | null, tenant: TenantId, sink: MatchSink): void {
    const matchers = this.#tenants.get(tenant)
    if (matchers === undefined || source.rowCount === 0) return
    let within: Bitmap | undefined
    if (rows !== null) {
      within = new Bitmap(source.rowCount)
      for (const row of rows) within.add(row)
    }
    for (const { filter, terms } of matchers.values()) {
      const found = filter.evaluate(source, within)
      if (found.isEmpty()) continue
      const members = found.toArray()
      for (const term of terms) sink(term, members)
    }
  }
}
