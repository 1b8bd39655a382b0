import { Bitmap } from '../base/bitmap.ts'
import { COLUMN_OVERFLOW, type ColumnSource } from '../base/columns.ts'
import type { TenantId } from '../base/ids.ts'
import type { AlertRule } from './rule.ts'
import { type RuleTerm, TenantRules } from './rule-plan.ts'
import { SectionMatch } from './section-match.ts'

/** Takes rows that match a term: ascending, not empty, only valid during the call. Rows of one source may come in several calls, none twice. */
export type MatchSink = (term: RuleTerm, rows: Uint32Array) => void

/**
 * Rules compiled together, so that thousands of them cost little. Of a source's rows those of services and levels that rules name are told by the
 * dictionaries; values of fields that rules ask for are looked up by the dictionaries too; words are looked for, those of all rules in
 * one pass over the bytes. Only where a rule's word or value is there, what is left of its filter is evaluated. Rules with the same
 * filter are evaluated once. Disabled rules are left out. Not to be used by two at once.
 */
export class RuleSet {
  readonly rules: readonly AlertRule[]
  readonly #tenants = new Map<TenantId, TenantRules>()

  constructor(rules: readonly AlertRule[]) {
    this.rules = rules
    const byTenant = new Map<TenantId, { rule: AlertRule; ruleIndex: number }[]>()
    rules.forEach((rule, ruleIndex) => {
      if (!rule.enabled) return
      const list = byTenant.get(rule.tenant) ?? []
      byTenant.set(rule.tenant, list)
      list.push({ rule, ruleIndex })
    })
    for (const [tenant, list] of byTenant) this.#tenants.set(tenant, new TenantRules(list))
  }

  hasRulesOf(tenant: TenantId): boolean {
    return this.#tenants.has(tenant)
  }

  /** Hands each term of the tenant the rows of `source` (of `rows`, ascending, where not null) that match it. */
  count(source: ColumnSource, rows: Uint32Array | null, tenant: TenantId, sink: MatchSink): void {
    const rules = this.#tenants.get(tenant)
    if (rules === undefined || source.rowCount === 0 || rows?.length === 0) return
    // The guards of filters do not hold where fields lie elsewhere than in their columns.
    const isPlain = source.column(COLUMN_OVERFLOW) === undefined
    if (!isPlain || !new SectionMatch(rules, source, rows, sink).run()) countEach(rules, source, rows, sink)
  }
}

/** The plain way. */
function countEach(rules: TenantRules, source: ColumnSource, rows: Uint32Array | null, sink: MatchSink): void {
  let within: Bitmap | undefined
  if (rows !== null) {
    within = new Bitmap(source.rowCount)
    for (const row of rows) within.add(row)
  }
  for (const { filter, terms } of rules.matchers) {
    const found = filter.evaluate(source, within)
    if (found.isEmpty()) continue
    const members = found.toArray()
    for (const term of terms) sink(term, members)
  }
}
