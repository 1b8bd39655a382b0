import type { AlertNotification } from '../../alerts/notify/notification.ts'
import { TENANT_DEFAULT } from '../../base/ids.ts'

/** A firing of a rule of the demo, at 2026-03-01T10:05:00Z. */
export function notificationOf(changes: Partial<AlertNotification> = {}): AlertNotification {
  return {
    firingId: 'f1e2d3c4b5a69788',
    kind: 'fired',
    tenant: TENANT_DEFAULT,
    rule: {
      id: 'checkout-errors',
      name: 'Checkout errors',
      severity: 'P0',
      labels: { team: 'payments' },
      runbook: 'https://wiki.example.com/runbooks/checkout',
      query: 'service:checkout level:error',
    },
    group: { region: 'eu-1' },
    value: 132,
    condition: 'count > 100 in 5m',
    window: { fromMs: Date.UTC(2026, 2, 1, 10, 0), toMs: Date.UTC(2026, 2, 1, 10, 5) },
    samples: [
      {
        timestamp: '2026-03-01T10:04:59.123Z',
        level: 'ERROR',
        service: 'checkout',
        host: 'web-1',
        message: 'card refused: timeout after 3000 ms',
      },
    ],
    links: {
      search: 'https://weir.example.com/search?query=service%3Acheckout',
      rule: 'https://weir.example.com/alerts/rules/checkout-errors',
      runbook: 'https://wiki.example.com/runbooks/checkout',
    },
    channels: ['ops'],
    firedMs: Date.UTC(2026, 2, 1, 10, 5, 0, 250),
    ...changes,
  }
}
