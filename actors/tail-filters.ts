import type { Bitmap } from '../base/bitmap.ts'
import type { ColumnSource } from '../base/columns.ts'
import { FIELD_HOST, FIELD_LEVEL, FIELD_SERVICE } from '../base/columns.ts'
import { exactJson } from '../base/exact-json.ts'
import type { TenantId } from '../base/ids.ts'
import type { Filter } from '../query/ast.ts'
import type { CompiledFilter } from '../query/filter.ts'
import { compileFilter } from '../query/filter.ts'

/** Fields that most filters ask about and whose columns are small: what they allow is found once for all filters. */
const SHARED_FIELDS: readonly string[] = [FIELD_SERVICE, FIELD_LEVEL, FIELD_HOST]

/** A filter of one tenant and all who follow it. */
interface FollowedFilter<F> {
  readonly key: string
  readonly followers: Set<F>
  /** Conditions that others may have too, the most selective first. */
  readonly shared: readonly SharedCondition<F>[]
  /** What is left of the filter. */
  readonly rest: CompiledFilter
}

/** `field:value` of a field that filters have in common. */
interface SharedCondition<F> {
  readonly key: string
  readonly compiled: CompiledFilter
  /** Filters that ask for it first. */
  readonly filters: Set<FollowedFilter<F>>
  users: number
}

interface TenantFilters<F> {
  readonly filters: Map<string, FollowedFilter<F>>
  readonly conditions: Map<string, SharedCondition<F>>
  /** Filters without a shared condition. */
  readonly others: Set<FollowedFilter<F>>
}

/**
 * Filters that are watched for, by tenant. Equal ones are one, whoever follows them; a condition on service, level or host that several
 * have is looked at once a table, and those behind one that matches nothing not at all.
 */
export class TailFilters<F> {
  readonly #tenants = new Map<TenantId, TenantFilters<F>>()
  #size = 0

  /** Different filters. */
  get size(): number {
    return this.#size
  }

  has(tenant: TenantId): boolean {
    return this.#tenants.has(tenant)
  }

  /** Returns the key under which it is to be removed. Throws invalid_query. */
  add(tenant: TenantId, filter: Filter, follower: F): string {
    const key = exactJson(filter)
    let own = this.#tenants.get(tenant)
    const known = own?.filters.get(key)
    if (known !== undefined) {
      known.followers.add(follower)
      return key
    }
    const { shared, rest } = split(filter)
    const compiled = compileFilter(rest)
    own ??= { filters: new Map(), conditions: new Map(), others: new Set() }
    this.#tenants.set(tenant, own)
    const conditions = shared.map((condition) => conditionOf(own, condition))
    const followed: FollowedFilter<F> = { key, followers: new Set([follower]), shared: conditions, rest: compiled }
    for (const condition of conditions) condition.users++
    own.filters.set(key, followed)
    ;(conditions[0]?.filters ?? own.others).add(followed)
    this.#size++
    return key
  }

  remove(tenant: TenantId, key: string, follower: F): void {
    const own = this.#tenants.get(tenant)
    const followed = own?.filters.get(key)
    if (own === undefined || followed === undefined) return
    followed.followers.delete(follower)
    if (followed.followers.size > 0) return
    own.filters.delete(key)
    ;(followed.shared[0]?.filters ?? own.others).delete(followed)
    for (const condition of followed.shared) if (--condition.users === 0) own.conditions.delete(condition.key)
    this.#size--
    if (own.filters.size === 0) this.#tenants.delete(tenant)
  }

  /**
   * Filters of the tenant that may match rows of `source`, each with what finds out which; the caller may pause between them. `rows` throws what a filter
   * throws.
   */
  *candidates(tenant: TenantId, source: ColumnSource): Generator<Candidate<F>> {
    const own = this.#tenants.get(tenant)
    if (own === undefined) return
    const known = new Map<SharedCondition<F>, Bitmap>()
    const allowed = (condition: SharedCondition<F>): Bitmap => {
      let rows = known.get(condition)
      if (rows === undefined) {
        rows = condition.compiled.evaluate(source)
        known.set(condition, rows)
      }
      return rows
    }
    for (const condition of [...own.conditions.values()]) {
      if (condition.filters.size === 0 || allowed(condition).isEmpty()) continue
      for (const { shared, rest, followers } of [...condition.filters]) {
        let within = allowed(condition)
        for (const other of shared.slice(1)) within = within.clone().and(allowed(other))
        if (within.isEmpty()) continue
        yield { followers, rows: () => (rest.matchesAll ? within : rest.evaluate(source, within)) }
      }
    }
    for (const { rest, followers } of [...own.others]) yield { followers, rows: () => rest.evaluate(source) }
  }
}

export interface Candidate<F> {
  readonly followers: ReadonlySet<F>
  readonly rows: () => Bitmap
}

function conditionOf<F>({ conditions }: TenantFilters<F>, filter: Filter): SharedCondition<F> {
  const key = exactJson(filter)
  let condition = conditions.get(key)
  if (condition === undefined) {
    condition = { key, compiled: compileFilter(filter), filters: new Set(), users: 0 }
    conditions.set(key, condition)
  }
  return condition
}

/** The conditions of an AND that others may share, in the order of SHARED_FIELDS, and the rest of it. */
function split(filter: Filter): { readonly shared: readonly Filter[]; readonly rest: Filter } {
  const parts = filter.kind === 'and' ? filter.of : [filter]
  const rankOf = (part: Filter): number =>
    part.kind === 'field' && part.match.kind === 'equal' ? SHARED_FIELDS.indexOf(part.field) : -1
  const shared = parts.filter((part) => rankOf(part) >= 0).sort((a, b) => rankOf(a) - rankOf(b))
  const rest = parts.filter((part) => rankOf(part) < 0)
  if (rest.length === 0) return { shared, rest: { kind: 'all' } }
  return { shared, rest: rest.length === 1 ? rest[0]! : { kind: 'and', of: rest } }
}
