import { createInbox, type Msg, type Subscription } from 'nats'
import { assert } from '../base/assert.ts'
import type { Clock, Timer } from '../base/clock.ts'
import { Deadline } from '../base/deadline.ts'
import { WeirError } from '../base/errors.ts'
import type { LaneId, Position } from '../base/ids.ts'
import { JOURNAL_HEADER_BYTES_MAX } from '../base/limits.ts'
import type { NatsConnection } from './nats-connection.ts'
import type { NatsLane } from './nats-lane.ts'
import { type LaneStream, NATS_STALL_MS_MAX } from './nats-stream.ts'

/** A frame that is not answered for this long is sent again; each time the wait is twice as long. */
const ANSWER_MS_MAX = 4000
/** A frame that JetStream could not take is sent again after this long. */
const REFUSED_RETRY_MS = 100
/** How often frames in flight are looked after. */
const LOOK_EVERY_MS = 50
/** The stream may be gone when nobody takes its frames for this long. */
const UNHEARD_MS_MAX = 3000

/** JetStream's own numbers of errors. */
const STORE_FAILED = 10_077
const STORAGE_SHORT = [10_023, 10_047]
const MESSAGE_TOO_LARGE = 10_054

interface Append {
  readonly token: string
  readonly headers: string
  readonly frame: Uint8Array
  readonly giveUpAtMs: number
  readonly resolve: (position: Position) => void
  readonly reject: (error: WeirError) => void
  sends: number
  /** When it is sent the next time, unless it is answered before; 0: as soon as it can be. */
  sendAtMs: number
  /** Why the last send was not enough. */
  reason: string
}

interface Ack {
  readonly seq?: number
  readonly duplicate?: boolean
  readonly error?: { readonly err_code?: number; readonly description?: string }
}

export interface NatsAppenderOptions {
  readonly laneId: LaneId
  readonly lane: NatsLane
  readonly stream: LaneStream
  readonly connection: NatsConnection
  readonly clock: Clock
}

/**
 * Appends to one lane. A frame is sent with its id (D2) until JetStream has answered, at most for NATS_STALL_MS_MAX: again when the connection was
 * lost, a leader was elected, or the answer is late. Frames are sent in the order in which they were given.
 */
export class NatsAppender {
  readonly #options: NatsAppenderOptions
  readonly #inbox: string
  readonly #answers: Subscription
  readonly #ends: (() => void)[]
  /** By token, oldest first. */
  readonly #appends = new Map<string, Append>()
  #lastToken = 0
  #looking: Timer | undefined
  #unheardSinceMs: number | undefined

  constructor(options: NatsAppenderOptions) {
    this.#options = options
    const { connection, lane, stream } = options
    const { client } = connection
    this.#inbox = createInbox()
    this.#answers = client.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error === null) this.#answer(message)
      },
    })
    this.#ends = [
      stream.elections.onElected(() => this.#sendAgain('the leader of the stream died')),
      lane.onChange(() => this.#sendDue()),
      connection.onEvent(({ kind }) => {
        if (kind === 'disconnected') this.#sendAgain('the connection to NATS was lost')
      }),
    ]
  }

  /** Takes the frame. Throws journal_full, storage_unavailable, and invalid_config when the server does not take such large messages. */
  append(frameId: string, frame: Uint8Array): Promise<Position> {
    assert(!/[\r\n]/.test(frameId) && frameId.length < JOURNAL_HEADER_BYTES_MAX / 4, 'an id is one short line')
    const { clock, connection } = this.#options
    const headers = `NATS/1.0\r\nNats-Msg-Id: ${frameId}\r\n\r\n`
    const bytesMax = connection.messageBytesMax
    if (connection.isConnected && frame.length + headers.length > bytesMax) {
      const text = `a frame of ${frame.length} bytes is more than max_payload of NATS`
      return Promise.reject(new WeirError('invalid_config', text, { bytes: frame.length, bytesMax }))
    }
    return new Promise((resolve, reject) => {
      const token = (++this.#lastToken).toString(36)
      const giveUpAtMs = clock.monotonicMs() + NATS_STALL_MS_MAX
      const unsent = { sends: 0, sendAtMs: 0, reason: 'NATS cannot be reached' }
      this.#appends.set(token, { token, headers, frame, giveUpAtMs, resolve, reject, ...unsent })
      this.#looking ??= clock.every(LOOK_EVERY_MS, () => this.#look())
      this.#sendDue()
    })
  }

  /** Call it when no append is under way. */
  close(): void {
    assert(this.#appends.size === 0, 'appends are answered before the appender is closed')
    this.#looking?.cancel()
    for (const end of this.#ends) end()
    this.#answers.unsubscribe()
  }

  #sendDue(): void {
    const { clock, lane, connection, stream } = this.#options
    if (!lane.isReady) return
    const nowMs = clock.monotonicMs()
    for (const append of this.#appends.values()) {
      if (append.sendAtMs > nowMs) continue
      const reply = `${this.#inbox}.${append.token}`
      if (!connection.publishInPlace(stream.subject, reply, append.headers, append.frame)) return
      append.sendAtMs = nowMs + ANSWER_MS_MAX * 2 ** append.sends
      append.sends++
      append.reason = 'JetStream does not answer'
    }
  }

  #sendAgain(reason: string): void {
    for (const append of this.#appends.values()) {
      append.sendAtMs = 0
      append.reason = reason
    }
    this.#sendDue()
  }

  #look(): void {
    if (this.#appends.size === 0) {
      this.#looking?.cancel()
      this.#looking = undefined
      return
    }
    const nowMs = this.#options.clock.monotonicMs()
    for (const append of [...this.#appends.values()]) {
      if (nowMs >= append.giveUpAtMs) this.#fail(append, 'storage_unavailable', `gave up: ${append.reason}`)
    }
    this.#sendDue()
  }

  #answer(message: Msg): void {
    const append = this.#appends.get(message.subject.slice(this.#inbox.length + 1))
    if (append === undefined) return // an earlier send was answered already
    if (message.data.length === 0) {
      this.#unheard(append)
      return
    }
    this.#unheardSinceMs = undefined
    const { seq, duplicate, error } = message.json<Ack>()
    if (error === undefined && seq !== undefined) this.#acknowledged(append, seq, duplicate === true)
    else this.#refused(append, error?.err_code ?? 0, error?.description ?? 'JetStream refused a frame')
  }

  #acknowledged(append: Append, sequence: number, isDuplicate: boolean): void {
    const { lane, clock } = this.#options
    this.#appends.delete(append.token)
    const tell = () => append.resolve({ generation: lane.generationOf(sequence), sequence })
    if (isDuplicate || lane.acked(sequence)) {
      tell()
      return
    }
    // The stream is not what it was: which generation the frame is of is known once the lane has been compared.
    const { signal, release } = new Deadline(clock, append.giveUpAtMs - clock.monotonicMs()).signal()
    lane
      .ready(signal)
      .then(tell, () => this.#fail(append, 'storage_unavailable', 'the stream is not what it was'))
      .finally(release)
  }

  #refused(append: Append, code: number, description: string): void {
    const isFull =
      (code === STORE_FAILED && /maximum (?:bytes|messages)/.test(description)) || STORAGE_SHORT.includes(code)
    // A send before this one may have stored it.
    if (isFull && append.sends === 1) this.#fail(append, 'journal_full', `the lane is full: ${description}`)
    else if (isFull) this.#fail(append, 'storage_unavailable', `the lane is full: ${description}`)
    else if (code === MESSAGE_TOO_LARGE)
      this.#fail(append, 'invalid_config', `JetStream refuses the frame: ${description}`)
    else this.#retryLater(append, description)
  }

  /** Nobody has subscribed to the lane's subject: the stream has no leader, or there is none. */
  #unheard(append: Append): void {
    const nowMs = this.#options.clock.monotonicMs()
    this.#unheardSinceMs ??= nowMs
    if (nowMs - this.#unheardSinceMs > UNHEARD_MS_MAX) {
      this.#unheardSinceMs = undefined
      this.#options.lane.suspect()
    }
    this.#retryLater(append, 'the stream has no leader')
  }

  #retryLater(append: Append, reason: string): void {
    append.sendAtMs = this.#options.clock.monotonicMs() + REFUSED_RETRY_MS
    append.reason = reason
  }

  #fail(append: Append, code: 'journal_full' | 'storage_unavailable' | 'invalid_config', text: string): void {
    this.#appends.delete(append.token)
    append.reject(new WeirError(code, text, { lane: this.#options.laneId }))
  }
}
