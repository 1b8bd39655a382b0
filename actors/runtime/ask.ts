import { assert } from '../../base/assert.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import { asWeirError, WeirError } from '../../base/errors.ts'
import type { Reply } from './actor.ts'
import type { AskOptions } from './actor-ref.ts'

/** Takes the outcome of a question to whoever asked; `error` undefined means success. Called at most once. */
export type Deliver<R> = (error: WeirError | undefined, value: R | undefined, transfer: readonly ArrayBuffer[]) => void

const NO_BUFFERS: readonly ArrayBuffer[] = []

/** A question as its handler holds it. Closes when it is answered or when the asker gives up; later answers go nowhere. */
export class OpenReply<R> implements Reply<R> {
  readonly #clock: Clock
  readonly #deadlineAtMs: number
  #deliver: Deliver<R> | undefined
  #controller: AbortController | undefined
  #gaveUp: WeirError | undefined
  /** Called once when it closes, however. */
  onClose: (() => void) | undefined

  constructor(clock: Clock, deadlineMs: number, deliver: Deliver<R>) {
    this.#clock = clock
    this.#deadlineAtMs = clock.monotonicMs() + deadlineMs
    this.#deliver = deliver
  }

  get isOpen(): boolean {
    return this.#deliver !== undefined
  }

  get remainingMs(): number {
    return Math.max(0, this.#deadlineAtMs - this.#clock.monotonicMs())
  }

  /** Made when it is first asked for: most handlers never look at it. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController()
      if (this.#gaveUp) this.#controller.abort(this.#gaveUp)
    }
    return this.#controller.signal
  }

  send(value: R, transfer: readonly ArrayBuffer[] = NO_BUFFERS): void {
    this.#close()?.(undefined, value, transfer)
  }

  fail(error: unknown): void {
    this.#close()?.(asWeirError(error), undefined, NO_BUFFERS)
  }

  settleWith(work: (signal: AbortSignal) => Promise<R>): void {
    work(this.signal).then(
      (value) => this.send(value),
      (error) => this.fail(error),
    )
  }

  /** The asker gave up: nothing is delivered, the handler's signal aborts. */
  cancel(error: WeirError): void {
    if (this.#close() === undefined) return
    this.#gaveUp = error
    this.#controller?.abort(error)
  }

  #close(): Deliver<R> | undefined {
    const deliver = this.#deliver
    if (deliver === undefined) return undefined
    this.#deliver = undefined
    this.onClose?.()
    this.onClose = undefined
    return deliver
  }
}

/** A question as its asker holds it: settles with the answer, at the deadline, or when the asker's signal aborts. */
export class PendingAsk<R> {
  readonly promise: Promise<R>
  #resolve: (value: R) => void = () => {}
  #reject: (error: WeirError) => void = () => {}
  #timer: Timer | undefined
  #signal: AbortSignal | undefined
  #onAbort: (() => void) | undefined

  /** `giveUp` is called when the asker stops waiting before an answer came. */
  constructor(clock: Clock, address: string, options: AskOptions, giveUp: (error: WeirError) => void) {
    const { deadlineMs, signal } = options
    assert(deadlineMs > 0, 'a question is given time')
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    if (deadlineMs !== Number.POSITIVE_INFINITY) {
      this.#timer = clock.after(deadlineMs, () => {
        const error = new WeirError('deadline_exceeded', `${address} did not answer in time`, { deadlineMs })
        this.settle(error, undefined)
        giveUp(error)
      })
    }
    if (signal) {
      this.#signal = signal
      this.#onAbort = () => {
        const error = cancellation(signal)
        this.settle(error, undefined)
        giveUp(error)
      }
      signal.addEventListener('abort', this.#onAbort, { once: true })
    }
  }

  settle(error: WeirError | undefined, value: R | undefined): void {
    this.#timer?.cancel()
    if (this.#signal && this.#onAbort) {
      this.#signal.removeEventListener('abort', this.#onAbort)
      this.#signal = undefined
    }
    if (error) this.#reject(error)
    else this.#resolve(value as R)
  }
}

/** Why an aborted signal aborted, as an error of ours. */
export function cancellation(signal: AbortSignal): WeirError {
  const reason: unknown = signal.reason
  if (reason instanceof WeirError) return reason
  return new WeirError('cancelled', 'the asker cancelled the question', {}, { cause: reason })
}
