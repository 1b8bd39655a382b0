import type { AttemptResult } from '../alerts/notify/attempt-result.ts'
import { boundedNotification } from '../alerts/notify/bounded-notification.ts'
import type { AlertChannel } from '../alerts/notify/channel.ts'
import { afterAttempt, type Delivery, givenUp, isTooOld, newDelivery } from '../alerts/notify/delivery.ts'
import type { AlertNotification, Notifier } from '../alerts/notify/notification.ts'
import { Backoff } from '../base/backoff.ts'
import type { Clock, Timer } from '../base/clock.ts'
import { asWeirError } from '../base/errors.ts'
import type { TenantId } from '../base/ids.ts'
import type { Logger } from '../base/logger.ts'
import {
  ALERT_ATTEMPT_MS,
  ALERT_CLAIM_ALIVE_MS,
  ALERT_CLAIM_MS,
  ALERT_SENDING_MAX,
  ALERT_WAITING_BYTES_PER_CHANNEL_MAX,
  ALERT_WAITING_PER_CHANNEL_MAX,
} from '../base/notify-limits.ts'
import { ChannelQueue, type Waiting } from './notifier-channel.ts'
import { DeliveryHistory } from './notifier-history.ts'
import { type DeliveryLedger, firedKeyOf, type KnownDelivery } from './notifier-ledger.ts'

export interface NotifierChannels {
  /** As the registry has it; undefined: there is none. */
  get(tenant: TenantId, id: string): Promise<AlertChannel | undefined>
  /** As this node has heard last. */
  known(tenant: TenantId, id: string): AlertChannel | undefined
}

export interface NotifierHooks {
  /** After each attempt, once it is written down; `delivery` says whether there will be another. Must not throw. */
  readonly onAttempt?: (delivery: Delivery, result: AttemptResult, channel: AlertChannel) => void
  /** Deliveries that wait, on all nodes. */
  readonly onWaiting?: (count: number) => void
}

export interface NotifierOptions extends NotifierHooks {
  readonly ledger: DeliveryLedger
  readonly channels: NotifierChannels
  /** One attempt, of at most ALERT_ATTEMPT_MS; never rejects. */
  readonly send: (channel: AlertChannel, notification: AlertNotification, signal: AbortSignal) => Promise<AttemptResult>
  /** Whether this node delivers for a rule: it owns the rule's home shard. */
  readonly isMine: (tenant: TenantId, rule: string) => boolean
  /** Whether another node is heard of. */
  readonly isAlive: (node: string) => boolean
  readonly node: string
  /** Random, of this start of the node. */
  readonly boot: string
  readonly clock: Clock
  readonly logger: Logger
}

const LOOK_EVERY_MS = 250
const REST_MS = 1000
const SWEEP_EVERY_MS = 60_000
const RECORD_RETRY = { firstMs: 50, maxMs: 2000, factor: 2 }

/**
 * Tells people of firings (A4): at least once, under a stable id. A delivery is an entry of the registry before `submit` resolves. The node that delivers for its rule claims it by
 * compare-and-set, sends, and writes down what became of it; so two nodes never send it at once, and only a sender that dies between the two leaves it
 * to be sent again, by whom then owns the rule, once the claim has run out. Deliveries of one channel know nothing of those of the others.
 */
export class AlertNotifier implements Notifier {
  readonly #options: NotifierOptions
  readonly #history: DeliveryHistory
  readonly #queues = new Map<string, ChannelQueue>()
  /** Keys of what this node is sending or writing down. */
  readonly #underWay = new Map<string, Promise<void>>()
  readonly #closing = new AbortController()
  readonly #timers: Timer[] = []
  #endWatch: (() => void) | undefined
  #isClosed = false
  #turn = 0

  private constructor(options: NotifierOptions) {
    this.#options = options
    this.#history = new DeliveryHistory(options)
  }

  /** Resolves once it knows what waits. Throws what the registry throws. */
  static async open(options: NotifierOptions): Promise<AlertNotifier> {
    const notifier = new AlertNotifier(options)
    notifier.#endWatch = await options.ledger.watch((key, known) => notifier.#heard(key, known))
    notifier.#timers.push(
      options.clock.every(LOOK_EVERY_MS, () => notifier.#look()),
      options.clock.every(SWEEP_EVERY_MS, () => void notifier.#history.sweep()),
    )
    notifier.#look()
    return notifier
  }

  async submit(notification: AlertNotification): Promise<void> {
    const bounded = boundedNotification(notification)
    for (const id of bounded.channels) {
      const channel = await this.#options.channels.get(bounded.tenant, id)
      if (bounded.kind === 'resolved' && channel?.sendResolved === false) continue
      await this.#create(newDelivery(bounded, id, this.#options.clock.nowMs()), channel)
    }
    this.#look()
  }

  /** Of one firing, also those that are settled; newest first. */
  deliveriesOf(tenant: TenantId, firingId: string): Promise<readonly Delivery[]> {
    return this.#options.ledger.list(tenant, firingId)
  }

  /** Begins nothing more, and waits so long for what is under way; what has not ended by then is left to be sent again. */
  async close(withinMs: number): Promise<void> {
    this.#isClosed = true
    for (const timer of this.#timers) timer.cancel()
    this.#endWatch?.()
    const ended = Promise.allSettled(this.#underWay.values())
    await Promise.race([ended, this.#options.clock.sleep(withinMs)])
    this.#closing.abort()
    await Promise.race([ended, this.#options.clock.sleep(withinMs)])
  }

  /** Makes a delivery, or one that is given up at once, so that it can be seen. One that is there stays as it is. */
  async #create(delivery: Delivery, channel: AlertChannel | undefined): Promise<void> {
    const { ledger, node, clock } = this.#options
    const nowMs = clock.nowMs()
    const queue = this.#queueOf(delivery.tenant, delivery.channel)
    let made = delivery
    if (channel === undefined) {
      made = givenUp(delivery, 'channelMissing', 'there is no such channel', node, nowMs)
    } else if (!channel.enabled) {
      made = givenUp(delivery, 'channelDisabled', 'the channel is switched off', node, nowMs)
    } else if (queue.waiting.size >= ALERT_WAITING_PER_CHANNEL_MAX) {
      const detail = `${queue.waiting.size} messages wait for the channel already`
      made = givenUp(delivery, 'tooManyWaiting', detail, node, nowMs)
      // Two that are full could send each other on for ever.
      if (delivery.fallbackOf === null) made = await this.#fallBack(made, delivery, channel.fallback)
    } else if (queue.bytes >= ALERT_WAITING_BYTES_PER_CHANNEL_MAX && delivery.notification !== null) {
      made = { ...delivery, notification: { ...delivery.notification, samples: [] } }
    }
    const known = await ledger.create(made)
    if (known !== undefined) this.#heard(known.key, known)
  }

  #heard(key: string, known: KnownDelivery | undefined): void {
    if (known === undefined) {
      const queue = this.#history.forget(key)
      if (queue !== undefined) this.#queues.get(queue)?.remove(key)
      return
    }
    const { tenant, channel, status } = known.delivery
    if (!this.#history.heard(known, queueName(tenant, channel))) return
    const queue = this.#queueOf(tenant, channel)
    if (status === 'waiting') queue.put(known)
    else queue.remove(key)
  }

  #queueOf(tenant: TenantId, channel: string): ChannelQueue {
    const name = queueName(tenant, channel)
    let queue = this.#queues.get(name)
    if (queue === undefined) {
      queue = new ChannelQueue(this.#options.clock)
      this.#queues.set(name, queue)
    }
    return queue
  }

  /** Begins what may begin, a channel after the other, so that none waits for another's backlog. */
  #look(): void {
    if (this.#isClosed) return
    const { channels, onWaiting } = this.#options
    let count = 0
    const busy: [string, ChannelQueue][] = []
    for (const [name, queue] of this.#queues) {
      if (queue.waiting.size > 0) busy.push([name, queue])
      else if (queue.isForgettable) this.#queues.delete(name)
      count += queue.waiting.size
    }
    onWaiting?.(count)
    this.#turn++
    for (let i = 0; i < busy.length; i++) {
      const [name, queue] = busy[(i + this.#turn) % busy.length]!
      const [tenant, id] = name.split('/') as [TenantId, string]
      const channel = channels.known(tenant, id)
      queue.ratePerMinute = channel?.ratePerMinute ?? ALERT_WAITING_PER_CHANNEL_MAX
      this.#lookAt(queue, channel)
    }
  }

  #lookAt(queue: ChannelQueue, channel: AlertChannel | undefined): void {
    const { clock } = this.#options
    const nowMs = clock.nowMs()
    const due: Waiting[] = []
    for (const waiting of queue.waiting.values()) {
      if (this.#underWay.has(waiting.key) || waiting.restsUntil > clock.monotonicMs() || !this.#mayTake(waiting))
        continue
      const ageMs = nowMs - waiting.createdMs
      const isLate = channel?.fallback !== undefined && !waiting.hasFallenBack && ageMs >= channel.fallbackAfterMs
      if (isLate || isTooOld(waiting, nowMs)) this.#begin(waiting, queue, () => this.#giveWay(waiting.key))
      else if (waiting.dueAt <= clock.monotonicMs() && !this.#followsAnother(queue, waiting)) due.push(waiting)
    }
    due.sort((a, b) => a.createdMs - b.createdMs)
    for (const waiting of due) {
      if (this.#underWay.size >= ALERT_SENDING_MAX || !queue.hasRoom()) return
      queue.take()
      queue.sending++
      this.#begin(waiting, queue, () => this.#deliver(waiting.key, queue).finally(() => queue.sending--))
    }
  }

  /** Whether it is for this node, and nobody else may be sending it. */
  #mayTake({ tenant, rule, claim, heardAt }: Waiting): boolean {
    const { isMine, isAlive, node, clock } = this.#options
    if (!isMine(tenant, rule)) return false
    // A claim of this node that is not under way was made by an earlier start of it, or its answer was lost.
    if (claim === null || claim.node === node) return true
    const silentMs = clock.monotonicMs() - heardAt
    return silentMs >= (isAlive(claim.node) ? ALERT_CLAIM_ALIVE_MS : ALERT_CLAIM_MS)
  }

  /** That it is over is told after that it began. */
  #followsAnother(queue: ChannelQueue, waiting: Waiting): boolean {
    return waiting.kind === 'resolved' && queue.waiting.has(firedKeyOf(waiting))
  }

  #begin({ key, revision }: Waiting, queue: ChannelQueue, work: () => Promise<void>): void {
    const { clock, logger } = this.#options
    const done = work()
      .catch((error) => logger.warn('a delivery could not go on', { key, error: asWeirError(error) }))
      .finally(() => {
        this.#underWay.delete(key)
        const left = queue.waiting.get(key)
        // Nothing has come of it, such as while the registry is away.
        if (left?.revision === revision) left.restsUntil = clock.monotonicMs() + REST_MS
        this.#look()
      })
    this.#underWay.set(key, done)
  }

  /** One attempt: claim, send, write down. Throws what the registry throws. */
  async #deliver(key: string, queue: ChannelQueue): Promise<void> {
    const { ledger, channels, send, node, boot, clock } = this.#options
    const began = clock.monotonicMs()
    const known = await this.#current(key)
    if (known === undefined) return
    let { delivery } = known
    const fired = delivery.kind === 'resolved' ? (await ledger.get(firedKeyOf(delivery)))?.delivery : undefined
    if (fired?.status === 'waiting') return
    const channel = await channels.get(delivery.tenant, delivery.channel)
    if (channel === undefined || !channel.enabled) {
      const [reason, detail] =
        channel === undefined
          ? (['channelMissing', 'the channel was deleted'] as const)
          : (['channelDisabled', 'the channel is switched off'] as const)
      await this.#write(known, givenUp(delivery, reason, detail, node, clock.nowMs()))
      return
    }
    // Whoever was told that it began is told that it is over.
    if (fired !== undefined) delivery = await this.#fallBack(delivery, delivery, fired.fellBackTo)
    const claim = { node, boot, attempt: delivery.attempts + 1 }
    const claimed = await this.#write(known, { ...delivery, claim })
    // Slow to claim, it could still be sending when another takes it for lost.
    const leftMs = ALERT_CLAIM_MS - (clock.monotonicMs() - began)
    if (claimed === undefined || leftMs < ALERT_ATTEMPT_MS || this.#isClosed) return
    const result = await send(channel, delivery.notification!, this.#closing.signal)
    if (this.#closing.signal.aborted && !result.delivered) return
    queue.heed(result)
    await this.#record(claimed, channel, result)
  }

  /** Writes down what became of an attempt, as often as it takes: unless it stands there, it would be made again. */
  async #record(claimed: KnownDelivery, channel: AlertChannel, result: AttemptResult): Promise<void> {
    const { ledger, node, clock, logger, onAttempt } = this.#options
    const backoff = new Backoff(clock, RECORD_RETRY)
    const random = clock.random()
    let known = claimed
    for (;;) {
      try {
        let after = afterAttempt(known.delivery, result, node, clock.nowMs(), random)
        if (after.status === 'givenUp') after = await this.#fallBack(after, known.delivery, channel.fallback)
        const written = await this.#write(known, after)
        if (written !== undefined) {
          onAttempt?.(after, result, channel)
          return
        }
        const now = await ledger.get(known.key)
        // Another has it: it took this node for dead.
        if (now === undefined || !isSameClaim(now.delivery, claimed.delivery)) return
        known = now
      } catch (error) {
        if (this.#closing.signal.aborted) throw error
        logger.warn('what became of a delivery cannot be written down yet', { key: known.key, error })
        await clock.sleep(backoff.nextMs(), this.#closing.signal)
      }
    }
  }

  /** What waits too long: its fallback is told beside it; after a day it is given up. */
  async #giveWay(key: string): Promise<void> {
    const { channels, node, clock } = this.#options
    const known = await this.#current(key)
    if (known === undefined) return
    const { delivery } = known
    const channel = await channels.get(delivery.tenant, delivery.channel)
    const nowMs = clock.nowMs()
    let next = delivery
    if (channel === undefined) next = givenUp(delivery, 'channelMissing', 'the channel was deleted', node, nowMs)
    else if (isTooOld(delivery, nowMs)) {
      next = givenUp(delivery, 'timeout', 'it could not be delivered within a day', node, nowMs)
    }
    await this.#write(known, await this.#fallBack(next, delivery, channel?.fallback ?? null))
  }

  /** `after` with the fallback that it has got, if there is one. It exists before anything says so. */
  async #fallBack(after: Delivery, before: Delivery, fallback: string | null | undefined): Promise<Delivery> {
    const { channels, clock } = this.#options
    if (fallback === undefined || fallback === null) return after
    if (after.fellBackTo !== null || before.notification === null) return after
    const next = await channels.get(before.tenant, fallback)
    const delivery = newDelivery(before.notification, fallback, clock.nowMs(), before.channel)
    await this.#create(delivery, next)
    return { ...after, fellBackTo: fallback }
  }

  /** The delivery as it stands, where it still waits for this node. */
  async #current(key: string): Promise<KnownDelivery | undefined> {
    const known = await this.#options.ledger.get(key)
    this.#heard(key, known)
    if (known === undefined || known.delivery.status !== 'waiting') return undefined
    const { claim } = known.delivery
    const waiting = this.#queueOf(known.delivery.tenant, known.delivery.channel).waiting.get(key)
    return claim === null || (waiting !== undefined && this.#mayTake(waiting)) ? known : undefined
  }

  async #write(known: KnownDelivery, delivery: Delivery): Promise<KnownDelivery | undefined> {
    const written = await this.#options.ledger.change(known, delivery)
    if (written !== undefined) this.#heard(written.key, written)
    return written
  }
}

function queueName(tenant: TenantId, channel: string): string {
  return `${tenant}/${channel}`
}

function isSameClaim({ claim: a }: Delivery, { claim: b }: Delivery): boolean {
  return a !== null && b !== null && a.node === b.node && a.boot === b.boot && a.attempt === b.attempt
}
