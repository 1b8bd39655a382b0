import type { Msg, Subscription } from 'nats'
import type { Clock } from '../base/clock.ts'
import { Deadline } from '../base/deadline.ts'
import { WeirError } from '../base/errors.ts'
import { TRANSPORT_HELD_BYTES_MAX, TRANSPORT_PIECE_BYTES } from '../base/limits.ts'
import type { Logger } from '../base/logger.ts'
import type { NatsConnection } from './nats-connection.ts'
import type { NatsMux } from './nats-mux.ts'
import { type IncomingTransfers, OutgoingTransfer } from './nats-transfers.ts'
import { unlessAborted, untilConnected } from './nats-wait.ts'
import type { Handle } from './transport.ts'
import { checkAnswer } from './transport-rules.ts'
import {
  ANSWERED,
  ASKED,
  CANCELLED,
  CHECKED,
  copyOf,
  encodeFailure,
  encodeMessage,
  GRANTED,
  isAnnounced,
  TOLD,
  type TransportMessage,
  WORKING,
} from './transport-wire.ts'

export interface AnswererParts {
  readonly connection: NatsConnection
  readonly mux: NatsMux
  readonly incoming: IncomingTransfers
  readonly clock: Clock
  readonly logger: Logger
  /** Aborts when the transport is closed. */
  readonly closing: AbortSignal
  readonly held: HeldAnswers
}

/** Bytes of large answers that have not been taken yet. */
export class HeldAnswers {
  bytes = 0
}

/** One subscription, and the questions that came to it and are not answered. */
export class Answerer {
  readonly #parts: AnswererParts
  readonly #subject: string
  readonly #handle: Handle
  readonly #subscription: Subscription
  /** By the address of the question. */
  readonly #answering = new Map<string, AbortController>()

  constructor(parts: AnswererParts, subject: string, handle: Handle) {
    this.#parts = parts
    this.#subject = subject
    this.#handle = handle
    const callback = (error: Error | null, message: Msg): void => this.#route(error, message)
    this.#subscription = parts.connection.client.subscribe(subject, { callback })
  }

  get answering(): number {
    return this.#answering.size
  }

  /** Takes no more messages; what was taken is answered. */
  close(): void {
    this.#subscription.unsubscribe()
  }

  #route(error: Error | null, message: Msg): void {
    const { mux, logger } = this.#parts
    if (error !== null) {
      logger.error('NATS refuses a subscription of this node', { subject: this.#subject, error })
      return
    }
    const decoded = mux.decode(message)
    if (decoded === undefined) return
    const from = message.reply ?? ''
    switch (decoded.kind) {
      case TOLD:
        void this.#hear(copyOf(decoded))
        break
      case ASKED:
        if (from !== '' && !this.#answering.has(from)) void this.#answer(from, decoded)
        break
      case CANCELLED:
        this.#answering.get(from)?.abort(new WeirError('cancelled', `the request to ${this.#subject} is over`))
        break
      case CHECKED:
        if (this.#answering.has(from)) mux.signal(WORKING, from)
        break
    }
  }

  /** Nobody waits for the outcome: a handler answers for its own errors. */
  async #hear(payload: Uint8Array): Promise<void> {
    try {
      await this.#handle(payload, this.#parts.closing)
    } catch {
      // as said
    }
  }

  async #answer(asker: string, asked: TransportMessage): Promise<void> {
    const { incoming, clock, closing } = this.#parts
    const giveUp = new AbortController()
    this.#answering.set(asker, giveUp)
    const onClosing = (): void => giveUp.abort(closing.reason)
    closing.addEventListener('abort', onClosing, { once: true })
    const limit = new Deadline(clock, asked.remainingMs).signal(giveUp.signal)
    const { signal } = limit
    try {
      const payload = isAnnounced(asked) ? await incoming.receive(asker, asked.position, signal) : copyOf(asked)
      const answer = await unlessAborted(this.#handle(payload, signal), signal)
      if (answer === undefined) return
      checkAnswer(this.#subject, answer)
      await this.#send(asker, answer, signal)
    } catch (error) {
      if (!signal.aborted || closing.aborted) await this.#fail(asker, error, limit.signal)
    } finally {
      limit.release()
      closing.removeEventListener('abort', onClosing)
      this.#answering.delete(asker)
      // Whoever still works on it may stop.
      giveUp.abort(new WeirError('cancelled', `the request to ${this.#subject} is over`))
    }
  }

  async #fail(asker: string, error: unknown, signal: AbortSignal): Promise<void> {
    const { connection, mux } = this.#parts
    try {
      if (!connection.isConnected) await untilConnected(connection, signal)
    } catch {
      return
    }
    mux.send(asker, encodeFailure(error))
  }

  async #send(asker: string, answer: Uint8Array, signal: AbortSignal): Promise<void> {
    const { connection, mux, held } = this.#parts
    if (!connection.isConnected) await untilConnected(connection, signal)
    if (answer.length <= TRANSPORT_PIECE_BYTES)
      return mux.send(asker, encodeMessage(ANSWERED, 0, answer.length, answer))
    if (held.bytes + answer.length > TRANSPORT_HELD_BYTES_MAX) {
      throw new WeirError('overloaded', 'too many large answers wait to be taken', { heldBytes: held.bytes })
    }
    held.bytes += answer.length
    let address = ''
    try {
      const taken = new Promise<void>((resolve, reject) => {
        const outgoing = new OutgoingTransfer(mux, answer)
        address = mux.add({
          receive({ kind, position }, from) {
            if (kind === CANCELLED) reject(new WeirError('cancelled', 'the answer is not wanted any more'))
            else if (kind === GRANTED && outgoing.grant(position, from)) resolve()
          },
          nobody: () => reject(new WeirError('cancelled', 'who asked is gone')),
        })
      })
      mux.send(asker, encodeMessage(ANSWERED, 0, answer.length), address)
      await unlessAborted(taken, signal)
    } finally {
      mux.remove(address)
      held.bytes -= answer.length
    }
  }
}
