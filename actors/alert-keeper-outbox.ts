import type { AlertNotification } from '../alerts/notify/notification.ts'
import { asWeirError } from '../base/errors.ts'
import type { TenantId } from '../base/ids.ts'
import type { AlertEventLedger } from './alert-keeper-events.ts'
import type { AlertEvent } from './messages/alert.ts'

/** What has been decided and not been told yet. */
export interface OutboxEntry {
  readonly kind: 'fired' | 'resolved'
  readonly event: AlertEvent
}

/** Who is told. */
export interface Told {
  readonly ledger: AlertEventLedger
  /** Resolves once people will be notified, whatever happens; may be asked again. */
  readonly submit: (notification: AlertNotification) => Promise<void>
}

/** Writes the history and hands over to the notifier; may be done again. Throws storage_unavailable. */
export async function tell(tenant: TenantId, { kind, event }: OutboxEntry, { ledger, submit }: Told): Promise<void> {
  const kept = kind === 'fired' ? await ledger.add(tenant, event) : await resolve(tenant, event, ledger)
  if (kept.silencedBy.length > 0 || kept.channels.length === 0) return
  await submit(notificationOf(tenant, kind, kept, event))
}

async function resolve(tenant: TenantId, event: AlertEvent, ledger: AlertEventLedger): Promise<AlertEvent> {
  const { resolvedMs } = event
  try {
    return await ledger.change(tenant, event.id, (before) =>
      before.state === 'resolved' ? before : { ...before, state: 'resolved', resolvedMs },
    )
  } catch (error) {
    // It may be too old to be kept.
    if (asWeirError(error).code !== 'not_found') throw error
    return event
  }
}

function notificationOf(
  tenant: TenantId,
  kind: OutboxEntry['kind'],
  kept: AlertEvent,
  told: AlertEvent,
): AlertNotification {
  const { rule, group, condition, samples, links, channels, firedMs, missingShards } = kept
  const { id, name, severity, labels, query, runbook } = rule
  const { value, window } = kind === 'fired' ? kept : told
  return {
    firingId: kept.id,
    kind,
    tenant,
    rule: { id, name, severity, labels, query, ...(runbook === undefined ? {} : { runbook }) },
    group,
    value,
    condition,
    window,
    samples,
    links,
    channels,
    firedMs,
    ...(kind === 'resolved' ? { resolvedMs: told.resolvedMs ?? told.firedMs } : {}),
    ...(missingShards.length > 0 ? { missingShards } : {}),
  }
}
