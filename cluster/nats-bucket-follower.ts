import { AckPolicy, DeliverPolicy, type JetStreamManager, ReplayPolicy, type StreamInfo } from '@nats-io/jetstream'
import { createInbox, type Msg, nanos } from 'nats'
import { Backoff } from '../base/backoff.ts'
import type { Clock } from '../base/clock.ts'
import { WeirError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import { isDeletion, type NatsBucket } from './nats-bucket.ts'
import type { NatsConnection } from './nats-connection.ts'
import { unlessAborted, untilConnected } from './nats-wait.ts'
import type { RegistryChange, RegistryEntry } from './registry.ts'

const HEARTBEAT_MS = 1000
/** A consumer that is silent for longer is replaced; its server may be gone. */
const SILENCE_MS_MAX = 2500
const RETRY = { firstMs: 50, maxMs: 1000, factor: 2 }
/** Status of a message that carries no entry: a heartbeat, or a question whether we keep up. */
const STATUS_CONTROL = 100

export interface BucketFollowerOptions {
  readonly connection: NatsConnection
  readonly manager: JetStreamManager
  readonly bucket: NatsBucket
  readonly clock: Clock
  readonly logger: Logger
  /** Told of each change after it is in `entries`, in order of revision. Must not throw. */
  readonly onChange: (change: RegistryChange) => void
}

/** Which stream it is, and how far it goes. */
export type BucketState = Pick<StreamInfo, 'created' | 'state'>

interface Waiter {
  readonly state: BucketState
  readonly resolve: () => void
}

/**
 * A copy of the whole bucket in memory, kept by a consumer without acknowledgements. Each life of a consumer begins behind the newest message taken; as
 * the bucket keeps the last message of each key only, what a lost life has missed is there. Lives end when the connection is lost, a message is
 * missing, or the consumer is silent.
 *
 * The consumer may sit on a server that is behind: who needs all that was acknowledged asks the leader how far the stream goes, and
 * waits with `reached`.
 */
export class BucketFollower {
  readonly entries = new Map<string, RegistryEntry>()
  readonly #options: BucketFollowerOptions
  readonly #closing = new AbortController()
  readonly #waiters = new Set<Waiter>()
  /** Sequence of the newest message taken. */
  #taken = 0
  #created: string | undefined
  /** After the stream was replaced: keys known from before that it has not shown yet, and where it then ended. */
  #unseen: { readonly keys: Set<string>; readonly through: number } | undefined
  #endLife: (reason: string) => void = () => {}

  constructor(options: BucketFollowerOptions) {
    this.#options = options
    void this.#run()
  }

  /** Resolves once every message up to the state that the leader told has been taken; rejects with the reason of `signal`. */
  async reached(state: BucketState, signal: AbortSignal): Promise<void> {
    if (this.#hasReached(state)) return
    if (this.#created !== undefined && this.#created !== state.created) this.#endLife('the stream was replaced')
    let waiter: Waiter | undefined
    const reached = new Promise<void>((resolve) => {
      waiter = { state, resolve }
      this.#waiters.add(waiter)
    })
    await unlessAborted(reached, signal).finally(() => waiter && this.#waiters.delete(waiter))
  }

  close(): void {
    this.#closing.abort(new WeirError('storage_unavailable', 'the registry is closed'))
  }

  async #run(): Promise<void> {
    const { clock, connection, logger, bucket } = this.#options
    const backoff = new Backoff(clock, RETRY)
    const { signal } = this.#closing
    while (!signal.aborted) {
      try {
        await untilConnected(connection, signal)
        const reason = await this.#live(() => backoff.reset())
        logger.debug('a watch of the registry begins again', { bucket: bucket.name, reason })
      } catch (error) {
        if (signal.aborted) return
        logger.debug('the registry cannot be watched', { bucket: bucket.name, error })
      }
      await clock.sleep(backoff.nextMs(), signal).catch(() => {})
    }
  }

  /** One consumer, to its end; returns why it ended. `onAlive` is called at its first sign of life. */
  async #live(onAlive: () => void): Promise<string> {
    const { connection, manager, bucket, clock } = this.#options
    const { client } = connection
    this.#recognize(await manager.streams.info(bucket.stream))
    const { promise: ended, resolve: end } = Promise.withResolvers<string>()
    this.#endLife = end
    const inbox = createInbox()
    const life = { delivered: 0, heardMs: clock.monotonicMs() }
    const subscription = client.subscribe(inbox, {
      callback: (error, message) => {
        life.heardMs = clock.monotonicMs()
        const problem = error === null ? this.#receive(message, life) : error.message
        if (problem === undefined) onAlive()
        else end(problem)
      },
    })
    const silence = clock.every(HEARTBEAT_MS / 2, () => {
      if (clock.monotonicMs() - life.heardMs > SILENCE_MS_MAX) end('the consumer is silent')
    })
    const endEvents = connection.onEvent(({ kind }) => {
      if (kind === 'disconnected' || kind === 'closed') end('the connection was lost')
    })
    try {
      await manager.consumers.add(bucket.stream, {
        deliver_subject: inbox,
        deliver_policy: DeliverPolicy.StartSequence,
        opt_start_seq: this.#taken + 1,
        ack_policy: AckPolicy.None,
        replay_policy: ReplayPolicy.Instant,
        flow_control: true,
        idle_heartbeat: nanos(HEARTBEAT_MS),
        mem_storage: true,
        num_replicas: 1,
      })
      return await unlessAborted(ended, this.#closing.signal)
    } finally {
      silence.cancel()
      endEvents()
      // A consumer that nobody hears goes by itself.
      subscription.unsubscribe()
    }
  }

  /** Takes a message; returns why it cannot be the next one, if so. */
  #receive(message: Msg, life: { delivered: number }): string | undefined {
    const code = message.headers?.code ?? 0
    if (code === STATUS_CONTROL) {
      message.respond()
      const stalled = message.headers?.get('Nats-Consumer-Stalled')
      if (stalled) this.#options.connection.client.publish(stalled)
      const delivered = Number(message.headers?.get('Nats-Last-Consumer') || life.delivered)
      return delivered === life.delivered ? undefined : 'a message is missing'
    }
    if (code !== 0) return `the consumer ended with status ${code}`
    const place = placeOf(message.reply ?? '')
    if (place === undefined) return 'a message has no place in the stream'
    if (place.delivery !== life.delivered + 1) return 'a message is missing'
    life.delivered++
    // A consumer on a server that is behind begins where that server ends.
    if (place.sequence > this.#taken) this.#take(place.sequence, message)
    return undefined
  }

  #take(sequence: number, message: Msg): void {
    this.#taken = sequence
    const key = this.#options.bucket.keyOf(message.subject)
    if (key !== undefined) {
      this.#unseen?.keys.delete(key)
      if (isDeletion(message.headers)) this.#remove(key, sequence)
      else {
        // A slice of a Buffer would be a view of it.
        const value = new Uint8Array(message.data)
        this.entries.set(key, { key, value, revision: sequence })
        this.#options.onChange({ key, value, revision: sequence })
      }
    }
    this.#settle()
  }

  #remove(key: string, revision: number): void {
    if (this.entries.delete(key)) this.#options.onChange({ key, value: undefined, revision })
  }

  /** Is it the stream that was followed so far? If not, what it does not have is gone. */
  #recognize({ created, state }: BucketState): void {
    const isOther = this.#created !== undefined && (this.#created !== created || state.last_seq < this.#taken)
    this.#created = created
    if (isOther) {
      const { logger, bucket } = this.#options
      logger.error('the stream of the registry was replaced by another', { stream: bucket.stream, created })
      this.#taken = 0
      this.#unseen = { keys: new Set(this.entries.keys()), through: state.last_seq }
    }
    this.#settle()
  }

  #settle(): void {
    if (this.#unseen !== undefined && this.#taken >= this.#unseen.through) {
      const { keys, through } = this.#unseen
      this.#unseen = undefined
      for (const key of keys) this.#remove(key, through)
    }
    for (const waiter of [...this.#waiters]) if (this.#hasReached(waiter.state)) waiter.resolve()
  }

  #hasReached({ created, state }: BucketState): boolean {
    return this.#created === created && this.#unseen === undefined && this.#taken >= state.last_seq
  }
}

/** From the reply subject: `$JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<times>.<sequence>.<delivery>.<time>.<pending>[.<random>]`. */
function placeOf(reply: string): { readonly sequence: number; readonly delivery: number } | undefined {
  const tokens = reply.split('.')
  const at = tokens.length === 9 ? 5 : 7
  if (tokens[0] !== '$JS' || tokens[1] !== 'ACK' || tokens.length < at + 4) return undefined
  return { sequence: Number(tokens[at]), delivery: Number(tokens[at + 1]) }
}
