import type { Msg, Subscription } from 'nats'
import type { Clock } from '../base/clock.ts'
import { Deadline } from '../base/deadline.ts'
import { WeirError } from '../base/errors.ts'
import { TRANSPORT_HELD_BYTES_MAX, TRANSPORT_PIECE_BYTES, TRANSPORT_SILENT_CHECKS_MAX } from '../base/limits.ts'
import type { Logger } from '../base/logger.ts'
import type { NatsConnection } from './nats-connection.ts'
import type { MuxReceiver, NatsMux, Sending } from './nats-mux.ts'
import { type IncomingTransfers, OutgoingTransfer } from './nats-transfers.ts'
import { unlessAborted, untilConnected } from './nats-wait.ts'
import type { Handle } from './transport.ts'
import { checkAnswer } from './transport-rules.ts'
import {
  ANSWERED,
  ASKED,
  CANCELLED,
  copyOf,
  encodeFailure,
  FAILED,
  GRANTED,
  isAnnounced,
  TOLD,
  type TransportMessage,
  WORKING,
} from './transport-wire.ts'

/** More than a node is asked in the seconds within which a question is asked again. */
const OVER_KEPT_MAX = 8192

export interface AnswererParts {
  readonly connection: NatsConnection
  readonly mux: NatsMux
  readonly incoming: IncomingTransfers
  readonly clock: Clock
  readonly logger: Logger
  /** Aborts when the transport is closed. */
  readonly closing: AbortSignal
  /** Questions that are not answered, of all subscriptions. */
  readonly answering: Set<Answering>
  readonly held: HeldAnswers
}

/** Bytes of large answers that have not been taken yet. */
export class HeldAnswers {
  bytes = 0
}

/** One subscription. */
export class Answerer {
  readonly #parts: AnswererParts
  readonly #subject: string
  readonly #handle: Handle
  readonly #subscription: Subscription
  /** By the address of the question. */
  readonly #answering = new Map<string, Answering>()
  /** Addresses of questions that are over, oldest first: of one that is asked again the answer was lost. */
  readonly #over = new Set<string>()

  constructor(parts: AnswererParts, subject: string, handle: Handle) {
    this.#parts = parts
    this.#subject = subject
    this.#handle = handle
    const callback = (error: Error | null, message: Msg): void => this.#route(error, message)
    this.#subscription = parts.connection.client.subscribe(subject, { callback })
  }

  /** Takes no more messages; what was taken is answered. */
  close(): void {
    this.#subscription.unsubscribe()
  }

  #route(error: Error | null, message: Msg): void {
    if (error !== null) {
      this.#parts.logger.error('NATS refuses a subscription of this node', { subject: this.#subject, error })
      return
    }
    const decoded = this.#parts.mux.decode(message)
    if (decoded === undefined) return
    const from = message.reply ?? ''
    if (decoded.kind === TOLD) void this.#hear(copyOf(decoded))
    else if (decoded.kind === CANCELLED) this.#answering.get(from)?.cancel('the question is over')
    else if (decoded.kind === ASKED && from !== '') this.#hearQuestion(from, decoded)
  }

  #hearQuestion(asker: string, asked: TransportMessage): void {
    const answering = this.#answering.get(asker)
    if (answering !== undefined) answering.askedAgain()
    else if (!this.#over.has(asker)) void this.#answer(asker, asked)
    else {
      const error = new WeirError('shard_unavailable', `the answer to ${this.#subject} was lost`)
      this.#parts.mux.send(asker, { kind: FAILED, payload: encodeFailure(error) })
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
    const { answering } = this.#parts
    const one = new Answering(this.#parts, this.#subject, asker)
    this.#answering.set(asker, one)
    answering.add(one)
    try {
      await one.run(asked, this.#handle)
    } finally {
      answering.delete(one)
      this.#answering.delete(asker)
      this.#over.add(asker)
      const [oldest] = this.#over
      if (this.#over.size > OVER_KEPT_MAX) this.#over.delete(oldest!)
    }
  }
}

/**
 * A question that is being answered. When it takes longer, the asker is told now and then that it is worked on; and if no asker is there any more, or it
 * does not know the question, the work ends.
 */
class Answering implements MuxReceiver {
  readonly #parts: AnswererParts
  readonly #subject: string
  readonly #asker: string
  readonly #giveUp = new AbortController()
  /** Once it has one. */
  #address: string | undefined
  #outgoing: OutgoingTransfer | undefined
  /** A large answer that is there to be taken. */
  #announced: Sending | undefined
  #onTaken = (): void => {}
  #isYoung = true
  /** Times in a row that the asker was not there. */
  #unheard = 0
  #isUnheard = false

  constructor(parts: AnswererParts, subject: string, asker: string) {
    this.#parts = parts
    this.#subject = subject
    this.#asker = asker
  }

  /** Sends the answer or the error. Never rejects. */
  async run(asked: TransportMessage, handle: Handle): Promise<void> {
    const { mux, clock, closing } = this.#parts
    const onClosing = (): void => this.#giveUp.abort(closing.reason)
    closing.addEventListener('abort', onClosing, { once: true })
    const limit = new Deadline(clock, asked.remainingMs).signal(this.#giveUp.signal)
    const { signal } = limit
    try {
      const payload = isAnnounced(asked) ? await this.#receiveLarge(asked.position, signal) : copyOf(asked)
      const answer = await unlessAborted(handle(payload, signal), signal)
      if (answer === undefined) return
      checkAnswer(this.#subject, answer)
      await this.#connected(signal)
      if (answer.length > TRANSPORT_PIECE_BYTES) await this.#sendLarge(answer, signal)
      else mux.send(this.#asker, { kind: ANSWERED, position: answer.length, payload: answer })
    } catch (error) {
      if (!signal.aborted || closing.aborted) await this.#fail(error, signal)
    } finally {
      limit.release()
      closing.removeEventListener('abort', onClosing)
      if (this.#address !== undefined) mux.remove(this.#address)
    }
  }

  cancel(why: string): void {
    this.#giveUp.abort(new WeirError('cancelled', `the request to ${this.#subject} is not wanted: ${why}`))
  }

  /** Call now and then. */
  check(): void {
    this.#unheard = this.#isUnheard ? this.#unheard + 1 : 0
    this.#isUnheard = false
    if (this.#unheard >= TRANSPORT_SILENT_CHECKS_MAX) this.cancel('who asked is gone')
    else if (!this.#isYoung) this.#parts.mux.send(this.#asker, { kind: WORKING, from: this.#ownAddress() })
    this.#isYoung = false
  }

  /** Who asked does not know whether the question, or what was said of it, has been lost. */
  askedAgain(): void {
    const announced = this.#announced
    if (announced !== undefined) this.#parts.mux.send(this.#asker, announced)
    else this.#parts.mux.send(this.#asker, { kind: WORKING, from: this.#ownAddress() })
  }

  receive({ kind, position }: TransportMessage, from: string): void {
    if (kind === CANCELLED) this.cancel('who asked says so')
    else if (kind === GRANTED && this.#outgoing?.grant(position, from)) this.#onTaken()
  }

  nobody(): void {
    // Once, it may mean that the asker is changing its server.
    this.#isUnheard = true
  }

  #ownAddress(): string {
    this.#address ??= this.#parts.mux.add(this)
    return this.#address
  }

  async #receiveLarge(bytes: number, signal: AbortSignal): Promise<Uint8Array> {
    try {
      return await this.#parts.incoming.receive(this.#asker, bytes, signal)
    } catch (error) {
      // Another subscriber has it: the asker does not wait for us.
      if (error instanceof WeirError && error.code === 'cancelled') this.cancel(error.message)
      throw error
    }
  }

  async #sendLarge(answer: Uint8Array, signal: AbortSignal): Promise<void> {
    const { mux, held } = this.#parts
    if (held.bytes + answer.length > TRANSPORT_HELD_BYTES_MAX) {
      throw new WeirError('overloaded', 'too many large answers wait to be taken', { heldBytes: held.bytes })
    }
    held.bytes += answer.length
    try {
      this.#outgoing = new OutgoingTransfer(mux, answer)
      const taken = new Promise<void>((resolve) => {
        this.#onTaken = resolve
      })
      this.#announced = { kind: ANSWERED, position: answer.length, from: this.#ownAddress() }
      mux.send(this.#asker, this.#announced)
      await unlessAborted(taken, signal)
    } finally {
      held.bytes -= answer.length
    }
  }

  async #fail(error: unknown, signal: AbortSignal): Promise<void> {
    try {
      await this.#connected(signal)
    } catch {
      return
    }
    this.#parts.mux.send(this.#asker, { kind: FAILED, payload: encodeFailure(error) })
  }

  async #connected(signal: AbortSignal): Promise<void> {
    const { connection } = this.#parts
    if (!connection.isConnected) await untilConnected(connection, signal)
  }
}
