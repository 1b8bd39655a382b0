import type { AlertRule } from '../alerts/rule.ts'
import { normaliseRule } from '../alerts/rule.ts'
import type { Clock } from '../base/clock.ts'
import { shardOf } from '../base/hash.ts'
import type { ShardId, TenantId } from '../base/ids.ts'
import type { Logger } from '../base/logger.ts'

/** The rule's home: whoever owns this shard keeps the rule, under the shard's epoch. */
export function homeOfRule(tenant: TenantId, rule: string, shardCount: number): ShardId {
  return shardOf(tenant, rule, 0, shardCount) as ShardId
}

/** Names a rule in one revision. */
export function ruleKey(tenant: TenantId, rule: string, revision: number): string {
  return `${tenant}/${rule}@${revision}`
}

interface StoredRule {
  readonly id: string
  readonly revision: number
  readonly value: Readonly<Record<string, unknown>>
}

/** Where rules are kept, as one thread has heard of them. */
export interface AlertRuleSource {
  tenants(): Iterable<TenantId>
  known(tenant: TenantId): Iterable<StoredRule>
  onChange(listener: (tenant: TenantId, id: string, rule: StoredRule | undefined) => void): () => void
}

/** The rules of all tenants, read. What cannot be read here (a newer node wrote it) is left out, loudly. */
export class AlertRules {
  readonly #read = new Map<string, AlertRule>()
  readonly #byTenant = new Map<TenantId, Map<string, AlertRule>>()
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #end: () => void

  /** `onChange` hears of each rule that is there, was changed, or is there no more. */
  constructor(
    source: AlertRuleSource,
    clock: Clock,
    logger: Logger,
    onChange: (tenant: TenantId, id: string, rule: AlertRule | undefined) => void,
  ) {
    this.#clock = clock
    this.#logger = logger
    for (const tenant of source.tenants())
      for (const stored of source.known(tenant)) this.#take(tenant, stored.id, stored)
    this.#end = source.onChange((tenant, id, stored) => {
      this.#take(tenant, id, stored)
      onChange(tenant, id, this.get(tenant, id))
    })
  }

  close(): void {
    this.#end()
  }

  get size(): number {
    return this.#read.size
  }

  get(tenant: TenantId, id: string): AlertRule | undefined {
    return this.#read.get(`${tenant}/${id}`)
  }

  /** Those that are switched off, too. */
  all(): Iterable<AlertRule> {
    return this.#read.values()
  }

  tenants(): Iterable<TenantId> {
    return this.#byTenant.keys()
  }

  of(tenant: TenantId): Iterable<AlertRule> {
    return this.#byTenant.get(tenant)?.values() ?? []
  }

  #take(tenant: TenantId, id: string, stored: StoredRule | undefined): void {
    const rules = this.#byTenant.get(tenant) ?? new Map<string, AlertRule>()
    this.#read.delete(`${tenant}/${id}`)
    rules.delete(id)
    if (stored !== undefined) {
      try {
        const rule = normaliseRule(tenant, id, stored.revision, stored.value, this.#clock.nowMs())
        this.#read.set(`${tenant}/${id}`, rule)
        rules.set(id, rule)
      } catch (error) {
        this.#logger.error('an alert rule cannot be read; it is not evaluated here', { tenant, rule: id, error })
      }
    }
    if (rules.size > 0) this.#byTenant.set(tenant, rules)
    else this.#byTenant.delete(tenant)
  }
}
