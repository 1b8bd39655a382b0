import type { Clock } from '../base/clock.ts'
import { WeirError } from '../base/errors.ts'
import { TRANSPORT_CHECK_MS } from '../base/limits.ts'
import type { Logger } from '../base/logger.ts'
import { Answerer, type AnswererParts, HeldAnswers } from './nats-answerer.ts'
import type { NatsConnection } from './nats-connection.ts'
import { NatsMux } from './nats-mux.ts'
import { Question, type QuestionListener } from './nats-question.ts'
import { IncomingTransfers } from './nats-transfers.ts'
import type { Handle, RequestOptions, Transport } from './transport.ts'
import { checkMessage, checkQuestion, checkSubject } from './transport-rules.ts'
import { TOLD } from './transport-wire.ts'

export interface NatsTransportOptions {
  readonly connection: NatsConnection
  readonly clock: Clock
  readonly logger: Logger
}

/** What is under way. */
export interface TransportObservation {
  readonly asked: number
  readonly answering: number
  readonly subscriptions: number
  /** Transfers that come in or wait to. */
  readonly receiving: number
  /** Bytes of large answers that have not been taken. */
  readonly heldBytes: number
  /** In use of the inbox, by questions and transfers. */
  readonly addresses: number
}

/**
 * The transport of a cluster, over core NATS. It does not close its connection. Throws storage_unavailable when the connection is lost
 * before it can begin.
 */
export async function openNatsTransport(options: NatsTransportOptions): Promise<NatsTransport> {
  const transport = new NatsTransport(options)
  try {
    await options.connection.client.flush()
  } catch (cause) {
    await transport.close()
    throw new WeirError('storage_unavailable', 'the connection to NATS was lost', {}, { cause })
  }
  return transport
}

/**
 * Messages go at most once. What is small is one message; a larger question or answer is announced, and sent as far as its receiver grants
 * (nats-transfers.ts). Publications are dropped while there is no connection; questions wait for it for a moment.
 *
 * Nothing tells a node that what it sent was lost with a connection or with its receiver. So who works on a question for long says so every second.
 * When nobody does, or the connection was lost, the question is asked once more; it is handled once all the same. When nobody works on it then, it
 * fails with shard_unavailable, within seconds and not at its deadline; when no asker hears it, the work ends.
 */
export class NatsTransport implements Transport {
  readonly #options: NatsTransportOptions
  readonly #mux: NatsMux
  readonly #incoming: IncomingTransfers
  readonly #questions = new Set<Question>()
  readonly #answerers = new Set<Answerer>()
  readonly #closing = new AbortController()
  readonly #answererParts: AnswererParts
  readonly #ends: readonly (() => void)[]

  constructor(options: NatsTransportOptions) {
    const { connection, clock, logger } = options
    this.#options = options
    this.#mux = new NatsMux(connection, logger)
    this.#incoming = new IncomingTransfers(this.#mux)
    this.#answererParts = {
      ...options,
      mux: this.#mux,
      incoming: this.#incoming,
      closing: this.#closing.signal,
      answering: new Set(),
      held: new HeldAnswers(),
    }
    const timer = clock.every(TRANSPORT_CHECK_MS, () => this.#check())
    const endEvents = connection.onEvent(({ kind }) => {
      if (kind === 'disconnected') this.#incoming.interrupt()
      else if (kind === 'reconnected') for (const question of [...this.#questions]) question.again()
      else if (kind === 'closed') this.#endAll(new WeirError('shard_unavailable', 'the connection to NATS is closed'))
    })
    this.#ends = [() => timer.cancel(), endEvents]
  }

  publish(subject: string, payload: Uint8Array): void {
    this.#closing.signal.throwIfAborted()
    checkSubject(subject)
    checkMessage(subject, payload)
    this.#mux.send(subject, { kind: TOLD, payload })
  }

  async request(subject: string, payload: Uint8Array, options: RequestOptions): Promise<Uint8Array> {
    this.#closing.signal.throwIfAborted()
    checkSubject(subject)
    checkQuestion(subject, payload)
    return new Promise((resolve, reject) => {
      this.#ask(subject, payload, { ...options, expected: 1 }, { onAnswer: resolve, onFailure: reject, onEnd: reject })
    })
  }

  async *requestMany(
    subject: string,
    payload: Uint8Array,
    options: RequestOptions & { expected: number },
  ): AsyncGenerator<Uint8Array> {
    this.#closing.signal.throwIfAborted()
    checkSubject(subject)
    checkMessage(subject, payload)
    const answers: Uint8Array[] = []
    let wake = (): void => {}
    let isOver = false
    let failure: unknown
    const question = this.#ask(subject, payload, options, {
      onAnswer(answer) {
        answers.push(answer)
        wake()
      },
      // A subscriber that fails is one that does not answer.
      onFailure: () => {},
      onEnd(reason) {
        isOver = true
        failure = reason
        wake()
      },
    })
    try {
      for (;;) {
        yield* answers.splice(0)
        if (isOver && answers.length === 0) break
        await new Promise<void>((resolve) => {
          wake = resolve
          if (isOver || answers.length > 0) resolve()
        })
      }
      if (failure !== undefined && !isSilence(failure)) throw failure
    } finally {
      question.end(new WeirError('cancelled', `the request to ${subject} is over`))
    }
  }

  subscribe(subject: string, handle: Handle): () => void {
    this.#closing.signal.throwIfAborted()
    checkSubject(subject)
    const answerer = new Answerer(this.#answererParts, subject, handle)
    this.#answerers.add(answerer)
    return () => {
      answerer.close()
      this.#answerers.delete(answerer)
    }
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return
    const error = new WeirError('draining', 'the transport is closed')
    this.#closing.abort(error)
    for (const end of this.#ends) end()
    for (const answerer of this.#answerers) answerer.close()
    this.#answerers.clear()
    this.#endAll(error)
    this.#mux.close()
  }

  observe(): TransportObservation {
    return {
      asked: this.#questions.size,
      answering: this.#answererParts.answering.size,
      subscriptions: this.#answerers.size,
      receiving: this.#incoming.count,
      heldBytes: this.#answererParts.held.bytes,
      addresses: this.#mux.size,
    }
  }

  #ask(
    subject: string,
    payload: Uint8Array,
    options: RequestOptions & { readonly expected: number },
    listener: QuestionListener,
  ): Question {
    const { connection, clock } = this.#options
    const parts = { connection, clock, mux: this.#mux, incoming: this.#incoming }
    const question = new Question(parts, subject, payload, options, {
      ...listener,
      onEnd: (reason) => {
        this.#questions.delete(question)
        listener.onEnd(reason)
      },
    })
    this.#questions.add(question)
    question.start()
    return question
  }

  #check(): void {
    this.#incoming.check()
    for (const question of [...this.#questions]) question.check()
    for (const answering of [...this.#answererParts.answering]) answering.check()
  }

  #endAll(error: WeirError): void {
    for (const question of [...this.#questions]) question.end(error)
  }
}

/** Nobody there, or nobody who answers in time: the end of a request to many, no failure of it. */
function isSilence(error: unknown): boolean {
  return error instanceof WeirError && (error.code === 'deadline_exceeded' || error.code === 'shard_unavailable')
}
