import type { Clock, Timer } from '../base/clock.ts'
import { WeirError } from '../base/errors.ts'
import { TRANSPORT_CONNECT_MS, TRANSPORT_PIECE_BYTES, TRANSPORT_SILENT_CHECKS_MAX } from '../base/limits.ts'
import type { NatsConnection } from './nats-connection.ts'
import type { MuxReceiver, NatsMux } from './nats-mux.ts'
import { type IncomingTransfers, OutgoingTransfer } from './nats-transfers.ts'
import { untilConnected } from './nats-wait.ts'
import type { RequestOptions } from './transport.ts'
import {
  ANSWERED,
  ASKED,
  CANCELLED,
  copyOf,
  decodeFailure,
  FAILED,
  GRANTED,
  isAnnounced,
  REMAINING_MS_MAX,
  type TransportMessage,
} from './transport-wire.ts'

/** Who works on it says so before that. */
const AGAIN_AFTER_CHECKS = 2
const AGAIN_MS = 100

export interface QuestionParts {
  readonly connection: NatsConnection
  readonly mux: NatsMux
  readonly incoming: IncomingTransfers
  readonly clock: Clock
}

export interface QuestionListener {
  /** One subscriber's answer. */
  onAnswer(payload: Uint8Array): void
  /** One subscriber's error, or the loss of its answer. */
  onFailure(error: unknown): void
  /** Called once: no more comes. Undefined when as many have answered or failed as were expected. */
  onEnd(reason: unknown): void
}

/** A question that is under way. It has an address while it is, and all that is said to it goes there. */
export class Question implements MuxReceiver {
  readonly #parts: QuestionParts
  readonly #subject: string
  readonly #payload: Uint8Array
  readonly #options: RequestOptions & { readonly expected: number }
  readonly #listener: QuestionListener
  readonly #address: string
  readonly #untilMs: number
  #timer: Timer | undefined
  readonly #outgoing: OutgoingTransfer | undefined
  /** Of what it waits for and of answers that are coming in pieces. */
  #over: AbortController | undefined
  #ended = false
  #isSent = false
  #isRepeated = false
  /** Subscribers that have answered or failed, and those of which it is still being received. */
  #heard = 0
  #receiving = 0
  #silentChecks = 0

  constructor(
    parts: QuestionParts,
    subject: string,
    payload: Uint8Array,
    options: RequestOptions & { readonly expected: number },
    listener: QuestionListener,
  ) {
    this.#parts = parts
    this.#subject = subject
    this.#payload = payload
    this.#options = options
    this.#listener = listener
    this.#address = parts.mux.add(this)
    this.#untilMs = parts.clock.monotonicMs() + Math.min(Math.max(0, options.deadlineMs), REMAINING_MS_MAX)
    if (payload.length > TRANSPORT_PIECE_BYTES && options.expected === 1) {
      this.#outgoing = new OutgoingTransfer(parts.mux, payload)
    }
  }

  /** Sends it. May end it before it returns. */
  start(): void {
    const { signal } = this.#options
    if (signal?.aborted) {
      this.end(signal.reason)
      return
    }
    signal?.addEventListener('abort', this.#onAbort, { once: true })
    const subject = this.#subject
    this.#timer = this.#parts.clock.after(this.#remainingMs(), () => {
      this.end(new WeirError('deadline_exceeded', `no answer to ${subject} in time`, { subject }))
    })
    if (this.#parts.connection.isConnected) this.#send()
    else void this.#sendOnceConnected()
  }

  /** Ends it with this reason, unless it has ended; who still works on it is told. */
  end(reason: unknown): void {
    if (this.#ended) return
    this.#ended = true
    const { mux } = this.#parts
    mux.remove(this.#address)
    this.#timer?.cancel()
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    this.#over?.abort(reason ?? new WeirError('cancelled', `the request to ${this.#subject} is over`))
    // One that is answered by one is done; others of which it does not know may still work on it.
    if (this.#isSent && (reason !== undefined || this.#options.expected > 1)) {
      mux.send(this.#subject, { kind: CANCELLED, from: this.#address })
    }
    this.#listener.onEnd(reason)
  }

  receive(message: TransportMessage, from: string): void {
    this.#silentChecks = 0
    switch (message.kind) {
      case ANSWERED:
        if (isAnnounced(message)) void this.#receiveAnnounced(from, message.position)
        else this.#settle(() => this.#listener.onAnswer(copyOf(message)))
        break
      case FAILED:
        this.#settle(() => this.#listener.onFailure(decodeFailure(message)))
        break
      case GRANTED:
        this.#outgoing?.grant(message.position, from)
        break
    }
  }

  nobody(): void {
    if (this.#isRepeated) {
      // Who was there may be changing its server too, and still work on it.
      this.#parts.clock.after(AGAIN_MS, () => this.again())
      return
    }
    this.#isSent = false
    this.end(new WeirError('shard_unavailable', `nobody answers to ${this.#subject}`, { subject: this.#subject }))
  }

  /**
   * Call when something may have been lost: asks anew, under the same address, by which whoever works on it knows it, and whoever has answered it says that
   * the answer is lost. What only one is to answer; of many, some may have.
   */
  again(): void {
    if (this.#ended || !this.#isSent || this.#options.expected !== 1 || this.#receiving > 0) return
    if (this.#outgoing?.isUnderWay === true) {
      this.end(new WeirError('shard_unavailable', 'the connection to NATS was lost', { subject: this.#subject }))
      return
    }
    this.#isRepeated = true
    this.#send()
  }

  /** Call now and then: it asks anew when nothing is heard of it, and fails when nobody has said for TRANSPORT_SILENT_CHECKS_MAX calls that it is worked on. */
  check(): void {
    if (!this.#isSent) return
    // A node that changes its server hears nothing for that time.
    if (++this.#silentChecks === AGAIN_AFTER_CHECKS) this.again()
    if (this.#silentChecks <= TRANSPORT_SILENT_CHECKS_MAX) return
    const subject = this.#subject
    this.end(new WeirError('shard_unavailable', `nobody works on the request to ${subject} any more`, { subject }))
  }

  readonly #onAbort = (): void => this.end(this.#options.signal?.reason)

  #send(): void {
    const payload = this.#outgoing === undefined ? this.#payload : undefined
    this.#isSent = true
    this.#parts.mux.send(this.#subject, {
      kind: ASKED,
      remainingMs: Math.ceil(this.#remainingMs()),
      position: this.#payload.length,
      payload,
      from: this.#address,
    })
  }

  async #sendOnceConnected(): Promise<void> {
    const { connection, clock } = this.#parts
    const subject = this.#subject
    const { signal } = this.#controller()
    const timer = clock.after(TRANSPORT_CONNECT_MS, () => {
      this.end(new WeirError('shard_unavailable', `no connection to NATS for a request to ${subject}`, { subject }))
    })
    try {
      await untilConnected(connection, signal)
      if (!this.#ended) this.#send()
    } catch {
      // it has ended
    } finally {
      timer.cancel()
    }
  }

  async #receiveAnnounced(sender: string, bytes: number): Promise<void> {
    if (this.#heard + this.#receiving >= this.#options.expected) return
    this.#receiving++
    try {
      const payload = await this.#parts.incoming.receive(sender, bytes, this.#controller().signal)
      this.#settle(() => this.#listener.onAnswer(payload))
    } catch (error) {
      this.#settle(() => this.#listener.onFailure(asLoss(error)))
    } finally {
      this.#receiving--
    }
  }

  #remainingMs(): number {
    return Math.max(0, this.#untilMs - this.#parts.clock.monotonicMs())
  }

  #settle(tell: () => void): void {
    if (this.#ended) return
    this.#heard++
    tell()
    if (this.#heard >= this.#options.expected) this.end(undefined)
  }

  #controller(): AbortController {
    this.#over ??= new AbortController()
    return this.#over
  }
}

/** Whoever stops in the middle of its answer is no more there for it. */
function asLoss(error: unknown): unknown {
  if (!(error instanceof WeirError) || error.code !== 'cancelled') return error
  return new WeirError('shard_unavailable', `an answer was cut off: ${error.message}`, error.details, { cause: error })
}
