import type { Clock } from '../base/clock.ts'
import type { TenantId } from '../base/ids.ts'
import { ALERT_DELIVERIES_KEPT, ALERT_DELIVERIES_KEPT_MS } from '../base/notify-limits.ts'
import type { DeliveryLedger, KnownDelivery } from './notifier-ledger.ts'

interface Known {
  readonly tenant: TenantId
  readonly rule: string
  readonly queue: string
  readonly revision: number
  /** null: it waits. */
  readonly settledMs: number | null
}

export interface DeliveryHistoryOptions {
  readonly ledger: DeliveryLedger
  readonly isMine: (tenant: TenantId, rule: string) => boolean
  readonly clock: Clock
}

/** Which deliveries there are, by their keys, and which of the settled ones are no longer kept: old ones, and the oldest of too many. */
export class DeliveryHistory {
  readonly #options: DeliveryHistoryOptions
  readonly #known = new Map<string, Known>()

  constructor(options: DeliveryHistoryOptions) {
    this.#options = options
  }

  /** False where a newer revision was heard of before: by who wrote it, ahead of the watch. */
  heard({ key, delivery, revision }: KnownDelivery, queue: string): boolean {
    if ((this.#known.get(key)?.revision ?? 0) >= revision) return false
    const { tenant, rule, settledMs } = delivery
    this.#known.set(key, { tenant, rule, queue, revision, settledMs })
    return true
  }

  /** The name of the queue that it was in. */
  forget(key: string): string | undefined {
    const queue = this.#known.get(key)?.queue
    this.#known.delete(key)
    return queue
  }

  /** Removes what is not kept, of the rules of this node. What fails is tried again the next time. */
  async sweep(): Promise<void> {
    const { ledger, isMine, clock } = this.#options
    const oldestMs = clock.nowMs() - ALERT_DELIVERIES_KEPT_MS
    const byTenant = new Map<TenantId, [string, Known][]>()
    for (const entry of this.#known) {
      if (entry[1].settledMs === null) continue
      const ofTenant = byTenant.get(entry[1].tenant)
      if (ofTenant === undefined) byTenant.set(entry[1].tenant, [entry])
      else ofTenant.push(entry)
    }
    for (const settled of byTenant.values()) {
      settled.sort(([, a], [, b]) => b.settledMs! - a.settledMs!)
      for (const [i, [key, { tenant, rule, settledMs, revision }]] of settled.entries()) {
        if (i < ALERT_DELIVERIES_KEPT && settledMs! >= oldestMs) continue
        if (isMine(tenant, rule)) await ledger.remove(key, revision).catch(() => undefined)
      }
    }
  }
}
