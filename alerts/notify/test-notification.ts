import type { TenantId } from '../../base/ids.ts'
import type { AlertNotification } from './notification.ts'

/** What the test button sends: shows every part that a firing has. */
export function testNotification(
  tenant: TenantId,
  channel: string,
  firingId: string,
  nowMs: number,
): AlertNotification {
  return {
    firingId,
    kind: 'test',
    tenant,
    rule: { id: 'test', name: `Test of channel ${channel}`, severity: 'P2', labels: {}, query: 'level:error' },
    group: { service: 'checkout' },
    value: 3,
    condition: 'count > 2 in 1m (this is a test, nothing has happened)',
    window: { fromMs: nowMs - 60_000, toMs: nowMs },
    samples: [
      {
        timestamp: new Date(nowMs).toISOString(),
        level: 'ERROR',
        service: 'checkout',
        host: 'web-1',
        message: 'This line is an example.',
      },
    ],
    links: { search: 'https://example.com/search', rule: 'https://example.com/alerts' },
    channels: [channel],
    firedMs: nowMs,
  }
}
