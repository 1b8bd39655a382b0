import { alertTitle, isoTime } from './alert-text.ts'
import type { AlertNotification } from './notification.ts'

/** What a webhook's body says, and what its template can name (docs/alert-channels.md). Plain JSON. */
export function webhookDocument(notification: AlertNotification): Record<string, unknown> {
  const { firingId, kind, tenant, rule, group, value, condition, window, samples, links } = notification
  const { firedMs, resolvedMs, missingShards } = notification
  return {
    version: 1,
    id: `${firingId}.${kind}`,
    firingId,
    kind,
    title: alertTitle(notification),
    tenant,
    rule: {
      id: rule.id,
      name: rule.name,
      severity: rule.severity,
      labels: rule.labels,
      query: rule.query,
      runbook: rule.runbook ?? null,
    },
    group,
    value,
    condition,
    window: { from: isoTime(window.fromMs), to: isoTime(window.toMs) },
    firedAt: isoTime(firedMs),
    resolvedAt: resolvedMs === undefined ? null : isoTime(resolvedMs),
    samples: samples.map(({ timestamp, level, service, host, message }) => ({
      timestamp,
      level,
      service,
      host,
      message,
    })),
    links: { search: links.search, rule: links.rule, runbook: links.runbook ?? null },
    missingShards: missingShards ?? [],
  }
}
