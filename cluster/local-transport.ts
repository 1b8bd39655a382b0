import type { Clock } from '../base/clock.ts'
import { errorFromWire, errorToWire, WeirError } from '../base/errors.ts'
import type { Handle, RequestOptions, Transport } from './transport.ts'
import { checkAnswer, checkMessage, checkQuestion, checkSubject } from './transport-rules.ts'

/** The transport of a node that is alone: subscribers are in this thread. Payloads are copied, as a network would. */
export function localTransport(clock: Clock): Transport {
  return new LocalTransport(clock)
}

class LocalTransport implements Transport {
  readonly #clock: Clock
  readonly #handlers = new Map<string, Handle[]>()
  readonly #closing = new AbortController()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  publish(subject: string, payload: Uint8Array): void {
    this.#checkOpen()
    checkSubject(subject)
    checkMessage(subject, payload)
    for (const handle of this.#subscribers(subject)) {
      // Nobody waits for the outcome: a handler answers for its own errors.
      void deliver(handle, payload, this.#closing.signal).catch(() => {})
    }
  }

  async request(subject: string, payload: Uint8Array, options: RequestOptions): Promise<Uint8Array> {
    this.#checkOpen()
    checkSubject(subject)
    checkQuestion(subject, payload)
    const [handle] = this.#subscribers(subject)
    if (handle === undefined) throw new WeirError('shard_unavailable', `nobody answers to ${subject}`, { subject })
    const limit = this.#limit(subject, options)
    try {
      return await Promise.race([firstAnswer(subject, handle, payload, limit.signal), limit.passed])
    } finally {
      limit.end()
    }
  }

  async *requestMany(
    subject: string,
    payload: Uint8Array,
    options: RequestOptions & { expected: number },
  ): AsyncGenerator<Uint8Array> {
    this.#checkOpen()
    checkSubject(subject)
    checkMessage(subject, payload)
    const limit = this.#limit(subject, options)
    try {
      const waiting = new Set<Promise<void>>()
      const answers: Uint8Array[] = []
      for (const handle of this.#subscribers(subject).slice(0, options.expected)) {
        const one = deliver(handle, payload, limit.signal)
          .then((answer) => {
            if (answer !== undefined) answers.push(answer)
          })
          // A subscriber that fails is one that does not answer.
          .catch(() => {})
          .finally(() => waiting.delete(one))
        waiting.add(one)
      }
      while (waiting.size > 0) {
        await Promise.race([...waiting, limit.passed])
        yield* answers.splice(0)
      }
    } catch (error) {
      if (!(error instanceof WeirError && error.code === 'deadline_exceeded')) throw error
    } finally {
      limit.end()
    }
  }

  subscribe(subject: string, handle: Handle): () => void {
    this.#checkOpen()
    checkSubject(subject)
    this.#handlers.set(subject, [...this.#subscribers(subject), handle])
    return () => {
      const left = this.#subscribers(subject).filter((other) => other !== handle)
      if (left.length > 0) this.#handlers.set(subject, left)
      else this.#handlers.delete(subject)
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new WeirError('draining', 'the transport is closed'))
    this.#handlers.clear()
  }

  #subscribers(subject: string): readonly Handle[] {
    return this.#handlers.get(subject) ?? []
  }

  /** Ends a request at its deadline, when the caller gives up, or when the transport is closed, whichever is first. */
  #limit(subject: string, options: RequestOptions): Limit {
    const controller = new AbortController()
    const sources = [this.#closing.signal, ...(options.signal === undefined ? [] : [options.signal])]
    const listeners = sources.map((source) => ({ source, run: () => controller.abort(source.reason) }))
    for (const { source, run } of listeners) {
      if (source.aborted) run()
      else source.addEventListener('abort', run, { once: true })
    }
    const timer = this.#clock.after(Math.max(0, options.deadlineMs), () => {
      controller.abort(new WeirError('deadline_exceeded', `no answer to ${subject} in time`, { subject }))
    })
    const passed = new Promise<never>((_, reject) => {
      if (controller.signal.aborted) reject(controller.signal.reason)
      else controller.signal.addEventListener('abort', () => reject(controller.signal.reason), { once: true })
    })
    passed.catch(() => {})
    const end = (): void => {
      timer.cancel()
      for (const { source, run } of listeners) source.removeEventListener('abort', run)
      // Whoever still works on it may stop.
      controller.abort(new WeirError('cancelled', `the request to ${subject} is over`))
    }
    return { signal: controller.signal, passed, end }
  }

  #checkOpen(): void {
    this.#closing.signal.throwIfAborted()
  }
}

interface Limit {
  readonly signal: AbortSignal
  /** Rejects when the limit is reached. */
  readonly passed: Promise<never>
  end(): void
}

/** In a turn of its own, so that a sender is never re-entered by its receiver. Errors arrive as they would from another node. */
async function deliver(handle: Handle, payload: Uint8Array, signal: AbortSignal): Promise<Uint8Array | undefined> {
  const copy = payload.slice()
  await Promise.resolve()
  try {
    return (await handle(copy, signal))?.slice()
  } catch (error) {
    throw errorFromWire(errorToWire(error))
  }
}

/** The answer; never settles when the handler gives none, since another node's silence looks the same. */
async function firstAnswer(
  subject: string,
  handle: Handle,
  payload: Uint8Array,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const answer = await deliver(handle, payload, signal)
  if (answer !== undefined) checkAnswer(subject, answer)
  return answer ?? new Promise<never>(() => {})
}
