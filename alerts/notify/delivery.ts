import { assert } from '../../base/assert.ts'
import type { TenantId } from '../../base/ids.ts'
import { ALERT_ATTEMPTS_MAX, ALERT_ATTEMPTS_SHOWN_MAX, ALERT_DELIVERY_AGE_MAX_MS } from '../../base/notify-limits.ts'
import type { AttemptResult, FailureReason } from './attempt-result.ts'
import type { AlertNotification, NotificationKind } from './notification.ts'

export type DeliveryStatus = 'waiting' | 'delivered' | 'givenUp'

/** One notification on its way to one channel, or what became of it. */
export interface Delivery {
  readonly tenant: TenantId
  readonly firingId: string
  readonly kind: NotificationKind
  readonly channel: string
  readonly rule: string
  readonly status: DeliveryStatus
  readonly createdMs: number
  /** No attempt before it. */
  readonly nextMs: number
  readonly settledMs: number | null
  /** Attempts that have ended. */
  readonly attempts: number
  /** The last of them, oldest first. */
  readonly log: readonly DeliveryAttempt[]
  /** Who is about to send it. */
  readonly claim: DeliveryClaim | null
  /** The channel that it is sent to in place of. */
  readonly fallbackOf: string | null
  /** The channel that was told beside it, or in its place. */
  readonly fellBackTo: string | null
  /** Until it is settled. */
  readonly notification: AlertNotification | null
}

export interface DeliveryAttempt {
  readonly atMs: number
  readonly node: string
  readonly outcome: 'delivered' | FailureReason
  readonly detail: string | null
  readonly status: number | null
  readonly tookMs: number
}

export interface DeliveryClaim {
  readonly node: string
  /** Random, of that start of the node. */
  readonly boot: string
  /** Which attempt it is. */
  readonly attempt: number
}

/** How long after a failure the next attempt is made: 1 s, 2 s, … 30 min, each drawn from the upper half. */
const RETRY_FIRST_MS = 1000
const RETRY_MAX_MS = 30 * 60_000

export function newDelivery(
  notification: AlertNotification,
  channel: string,
  nowMs: number,
  fallbackOf: string | null = null,
): Delivery {
  const { tenant, firingId, kind, rule } = notification
  return {
    tenant,
    firingId,
    kind,
    channel,
    rule: rule.id,
    status: 'waiting',
    createdMs: nowMs,
    nextMs: nowMs,
    settledMs: null,
    attempts: 0,
    log: [],
    claim: null,
    fallbackOf,
    fellBackTo: null,
    notification,
  }
}

/** The delivery after one attempt: settled, or to be tried again. `random` is from [0, 1). */
export function afterAttempt(
  delivery: Delivery,
  result: AttemptResult,
  node: string,
  nowMs: number,
  random: number,
): Delivery {
  assert(delivery.status === 'waiting', 'what is settled is not attempted')
  const attempts = delivery.attempts + 1
  const attempt: DeliveryAttempt = {
    atMs: nowMs,
    node,
    outcome: result.delivered ? 'delivered' : result.reason,
    detail: result.detail ?? null,
    status: result.status ?? null,
    tookMs: Math.round(result.tookMs),
  }
  const log = [...delivery.log, attempt].slice(-ALERT_ATTEMPTS_SHOWN_MAX)
  const after = { ...delivery, attempts, log, claim: null }
  if (result.delivered) return settled(after, 'delivered', nowMs)
  const ceilingMs = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** delivery.attempts)
  const waitMs = Math.max(ceilingMs * (0.5 + 0.5 * random), result.retryAfterMs ?? 0)
  const nextMs = nowMs + Math.ceil(waitMs)
  if (result.isFinal || attempts >= ALERT_ATTEMPTS_MAX || isTooOld(delivery, nextMs)) {
    return settled(after, 'givenUp', nowMs)
  }
  return { ...after, nextMs }
}

/** Given up without an attempt. */
export function givenUp(
  delivery: Delivery,
  reason: FailureReason,
  detail: string,
  node: string,
  nowMs: number,
): Delivery {
  const attempt: DeliveryAttempt = { atMs: nowMs, node, outcome: reason, detail, status: null, tookMs: 0 }
  const log = [...delivery.log, attempt].slice(-ALERT_ATTEMPTS_SHOWN_MAX)
  return settled({ ...delivery, log }, 'givenUp', nowMs)
}

export function isTooOld({ createdMs }: Pick<Delivery, 'createdMs'>, nowMs: number): boolean {
  return nowMs - createdMs > ALERT_DELIVERY_AGE_MAX_MS
}

function settled(delivery: Delivery, status: 'delivered' | 'givenUp', nowMs: number): Delivery {
  return { ...delivery, status, settledMs: nowMs, claim: null, notification: null }
}
