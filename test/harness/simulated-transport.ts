import type { Clock } from '../../base/clock.ts'
import { errorFromWire, errorToWire, WeirError, type WireError } from '../../base/errors.ts'
import { Prng } from '../../base/prng.ts'
import type { Handle, RequestOptions, Transport } from '../../cluster/transport.ts'
import { checkAnswer, checkMessage, checkQuestion, checkSubject } from '../../cluster/transport-rules.ts'

export interface SimulatedNetworkOptions {
  readonly clock: Clock
  readonly seed?: string | number
}

type Answer = { readonly payload: Uint8Array } | { readonly error: WireError }

interface Subscription {
  readonly node: string
  readonly subject: string
  readonly handle: Handle
}

/** A network in memory: messages are delayed, dropped and cut off by partitions, all from one seed. */
export class SimulatedNetwork {
  readonly #clock: Clock
  readonly #prng: Prng
  readonly #cut = new Set<string>()
  #subscriptions: readonly Subscription[] = []
  /** Of one message, one way. Messages between the same two nodes may overtake each other. */
  delayMsMin = 0
  delayMsMax = 0
  dropProbability = 0

  constructor(options: SimulatedNetworkOptions) {
    this.#clock = options.clock
    this.#prng = new Prng(`network/${options.seed ?? 0}`)
  }

  /** The transport of a node. */
  join(node: string): Transport {
    return new SimulatedTransport(this, node, this.#clock)
  }

  /** No message passes between the two groups, in either direction, until healed. */
  partition(some: readonly string[], others: readonly string[]): void {
    for (const a of some) {
      for (const b of others) {
        this.#cut.add(`${a}>${b}`)
        this.#cut.add(`${b}>${a}`)
      }
    }
  }

  heal(): void {
    this.#cut.clear()
  }

  subscribers(subject: string): readonly Subscription[] {
    return this.#subscriptions.filter((subscription) => subscription.subject === subject)
  }

  add(subscription: Subscription): void {
    this.#subscriptions = [...this.#subscriptions, subscription]
  }

  remove(isGone: (subscription: Subscription) => boolean): void {
    this.#subscriptions = this.#subscriptions.filter((subscription) => !isGone(subscription))
  }

  /** Runs `arrive` when the message gets there, if it does. */
  carry(from: string, to: string, arrive: () => void): void {
    if (this.#prng.chance(this.dropProbability)) return
    const delayMs = this.delayMsMin + this.#prng.random() * (this.delayMsMax - this.delayMsMin)
    const land = (): void => {
      if (!this.#cut.has(`${from}>${to}`)) arrive()
    }
    if (delayMs === 0) queueMicrotask(land)
    else this.#clock.after(delayMs, land)
  }
}

class SimulatedTransport implements Transport {
  readonly #network: SimulatedNetwork
  readonly #node: string
  readonly #clock: Clock
  readonly #closing = new AbortController()

  constructor(network: SimulatedNetwork, node: string, clock: Clock) {
    this.#network = network
    this.#node = node
    this.#clock = clock
  }

  publish(subject: string, payload: Uint8Array): void {
    this.#closing.signal.throwIfAborted()
    checkSubject(subject)
    checkMessage(subject, payload)
    const { signal } = this.#closing
    for (const subscription of this.#network.subscribers(subject)) this.#ask(subscription, payload, signal, () => {})
  }

  async request(subject: string, payload: Uint8Array, options: RequestOptions): Promise<Uint8Array> {
    this.#closing.signal.throwIfAborted()
    checkSubject(subject)
    checkQuestion(subject, payload)
    const subscription = this.#network.subscribers(subject)[0]
    if (subscription === undefined) throw new WeirError('shard_unavailable', `nobody answers to ${subject}`)
    const { answers, failure } = await this.#gather(subject, [subscription], payload, { ...options, expected: 1 })
    const answer = answers[0]
    if (answer === undefined) throw failure
    if ('error' in answer) throw errorFromWire(answer.error)
    return answer.payload
  }

  async *requestMany(
    subject: string,
    payload: Uint8Array,
    options: RequestOptions & { expected: number },
  ): AsyncGenerator<Uint8Array> {
    this.#closing.signal.throwIfAborted()
    checkSubject(subject)
    checkMessage(subject, payload)
    const subscriptions = this.#network.subscribers(subject)
    const { answers, failure } = await this.#gather(subject, subscriptions, payload, options)
    for (const answer of answers) if ('payload' in answer) yield answer.payload
    if (failure !== undefined && !(failure instanceof WeirError && failure.code === 'deadline_exceeded')) throw failure
  }

  subscribe(subject: string, handle: Handle): () => void {
    this.#closing.signal.throwIfAborted()
    checkSubject(subject)
    const subscription = { node: this.#node, subject, handle }
    this.#network.add(subscription)
    return () => this.#network.remove((other) => other === subscription)
  }

  async close(): Promise<void> {
    this.#closing.abort(new WeirError('draining', 'the transport is closed'))
    this.#network.remove((subscription) => subscription.node === this.#node)
  }

  /** Answers that came before the deadline, the caller's signal or the closing; `failure` says which of these ended it early. */
  #gather(
    subject: string,
    subscriptions: readonly Subscription[],
    payload: Uint8Array,
    options: RequestOptions & { expected: number },
  ): Promise<{ answers: Answer[]; failure: unknown }> {
    return new Promise((resolve) => {
      const answers: Answer[] = []
      const signals = [this.#closing.signal, ...(options.signal === undefined ? [] : [options.signal])]
      const wanted = Math.min(options.expected, subscriptions.length)
      const over = new AbortController()
      const finish = (failure: unknown): void => {
        timer.cancel()
        over.abort(failure ?? new WeirError('cancelled', `the request to ${subject} is over`))
        for (const signal of signals) signal.removeEventListener('abort', onAbort)
        resolve({ answers, failure })
      }
      const onAbort = (): void => finish(signals.find((signal) => signal.aborted)?.reason)
      const timer = this.#clock.after(options.deadlineMs, () =>
        finish(new WeirError('deadline_exceeded', `no answer to ${subject} in time`)),
      )
      for (const signal of signals) signal.addEventListener('abort', onAbort, { once: true })
      if (signals.some((signal) => signal.aborted)) onAbort()
      else if (wanted === 0) finish(undefined)
      for (const subscription of subscriptions.slice(0, options.expected)) {
        this.#ask(subscription, payload, over.signal, (answer) => {
          answers.push(answer)
          if (answers.length === wanted) finish(undefined)
        })
      }
    })
  }

  /** When `over` aborts, the other side is told, by a message that can be late or lost as any other. */
  #ask(subscription: Subscription, payload: Uint8Array, over: AbortSignal, onAnswer: (answer: Answer) => void): void {
    const { node, handle } = subscription
    const copy = payload.slice()
    const handling = new AbortController()
    const cancel = (): void => this.#network.carry(this.#node, node, () => handling.abort(over.reason))
    over.addEventListener('abort', cancel, { once: true })
    this.#network.carry(this.#node, node, () => {
      const back = (answer: Answer): void => this.#network.carry(node, this.#node, () => onAnswer(answer))
      handle(copy, handling.signal)
        .then((answer) => {
          if (answer === undefined) return
          checkAnswer(subscription.subject, answer)
          back({ payload: answer.slice() })
        })
        .catch((error: unknown) => back({ error: errorToWire(error) }))
    })
  }
}
