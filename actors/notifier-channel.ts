import type { AttemptResult } from '../alerts/notify/attempt-result.ts'
import type { Delivery, DeliveryClaim } from '../alerts/notify/delivery.ts'
import type { Clock } from '../base/clock.ts'
import { ALERT_RETRY_AFTER_MAX_MS, ALERT_SENDING_PER_CHANNEL_MAX } from '../base/notify-limits.ts'
import type { KnownDelivery } from './notifier-ledger.ts'

/** What a node remembers of a delivery that waits; the rest is in the registry. */
export interface Waiting {
  readonly key: string
  readonly tenant: Delivery['tenant']
  readonly rule: string
  readonly firingId: string
  readonly kind: Delivery['kind']
  readonly channel: string
  readonly createdMs: number
  readonly hasFallenBack: boolean
  readonly claim: DeliveryClaim | null
  /** When this node heard of the claim, on its monotonic clock. */
  readonly heardAt: number
  readonly revision: number
  readonly bytes: number
  /** No attempt before it, on the monotonic clock. */
  dueAt: number
  /** It was looked at in vain a moment ago. */
  restsUntil: number
}

/** So many failures in a row, whatever the message, and the channel counts as broken: it is tried by one message at a time. */
const BROKEN_AFTER = 3
const PROBE_FIRST_MS = 1000
const PROBE_MAX_MS = 60_000
const FORGET_BROKEN_MS = 3_600_000

/**
 * The deliveries of one channel that wait, as one node sees them, and how fast it may be told: messages a minute (a bucket of tokens as large as a minute's), a few at once, one at
 * a time and ever more seldom while it fails, none while it has asked for a pause. So a broken channel costs the others nothing.
 */
export class ChannelQueue {
  readonly waiting = new Map<string, Waiting>()
  bytes = 0
  sending = 0
  ratePerMinute = 1
  readonly #clock: Clock
  #tokens: number | undefined
  #filledAt: number
  #failures = 0
  #pausedUntil = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.#filledAt = clock.monotonicMs()
  }

  /** Nothing is left of it to remember: its tokens have filled up, and its failures are long ago. */
  get isForgettable(): boolean {
    if (this.waiting.size > 0 || this.sending > 0) return false
    const now = this.#clock.monotonicMs()
    if (now < this.#pausedUntil + (this.isBroken ? FORGET_BROKEN_MS : 0)) return false
    return this.#filled(now) >= this.ratePerMinute
  }

  get isBroken(): boolean {
    return this.#failures >= BROKEN_AFTER
  }

  /** Takes a delivery in, or what has become of it. */
  put({ key, delivery, revision, bytes }: KnownDelivery): void {
    const { tenant, rule, firingId, kind, channel, createdMs, fellBackTo, claim, nextMs } = delivery
    const now = this.#clock.monotonicMs()
    // A wall clock that was set back must not hold a message up for longer than any wait there is.
    const waitMs = Math.min(Math.max(nextMs - this.#clock.nowMs(), 0), ALERT_RETRY_AFTER_MAX_MS)
    this.remove(key)
    const hasFallenBack = fellBackTo !== null
    const about = { key, tenant, rule, firingId, kind, channel, createdMs, hasFallenBack, claim, revision, bytes }
    this.waiting.set(key, { ...about, heardAt: now, dueAt: now + waitMs, restsUntil: 0 })
    this.bytes += bytes
  }

  remove(key: string): void {
    const known = this.waiting.get(key)
    if (known === undefined) return
    this.bytes -= known.bytes
    this.waiting.delete(key)
  }

  /** Whether one more may be sent now. */
  hasRoom(): boolean {
    const now = this.#clock.monotonicMs()
    if (now < this.#pausedUntil) return false
    if (this.sending >= (this.isBroken ? 1 : ALERT_SENDING_PER_CHANNEL_MAX)) return false
    this.#tokens = this.#filled(now)
    this.#filledAt = now
    return this.#tokens >= 1
  }

  #filled(now: number): number {
    const filled = (this.#tokens ?? this.ratePerMinute) + ((now - this.#filledAt) * this.ratePerMinute) / 60_000
    return Math.min(this.ratePerMinute, filled)
  }

  /** Counts a message against the rate. */
  take(): void {
    this.#tokens = (this.#tokens ?? this.ratePerMinute) - 1
  }

  /** What became of an attempt decides how the channel is treated. */
  heed(result: AttemptResult): void {
    const now = this.#clock.monotonicMs()
    if (result.delivered) {
      // What waits long because the channel was broken need not wait any more.
      if (this.isBroken) for (const one of this.waiting.values()) one.dueAt = Math.min(one.dueAt, now)
      this.#failures = 0
      return
    }
    // That a message is wrong says nothing of the channel.
    if (result.isFinal && (result.reason === 'status' || result.reason === 'template')) return
    this.#failures++
    const probeMs = this.isBroken ? Math.min(PROBE_MAX_MS, PROBE_FIRST_MS * 2 ** (this.#failures - BROKEN_AFTER)) : 0
    const jittered = probeMs * (0.5 + 0.5 * this.#clock.random())
    this.#pausedUntil = Math.max(this.#pausedUntil, now + Math.max(jittered, result.retryAfterMs ?? 0))
  }
}
