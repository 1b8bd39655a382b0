import type { Clock, Timer } from './clock.ts'
import { WeirError } from './errors.ts'

/** A point of monotonic time by which something must be done. It travels between threads and nodes as remaining time. */
export class Deadline {
  readonly #clock: Clock
  readonly #atMs: number

  /** `inMs` from now; Infinity for none. */
  constructor(clock: Clock, inMs: number) {
    this.#clock = clock
    this.#atMs = clock.monotonicMs() + inMs
  }

  /** Never below 0. */
  get remainingMs(): number {
    return Math.max(0, this.#atMs - this.#clock.monotonicMs())
  }

  get passed(): boolean {
    return this.#clock.monotonicMs() >= this.#atMs
  }

  /** Throws deadline_exceeded once it has passed; `what` names what was to be done by then. */
  check(what: string): void {
    if (this.passed) throw new WeirError('deadline_exceeded', `${what} took longer than it may`)
  }

  /**
   * A signal that aborts with deadline_exceeded when the deadline passes, or with the reason of `parent` when that aborts first. Call
   * `release` when the work is over, or timer and listener stay until the deadline.
   */
  signal(parent?: AbortSignal): { readonly signal: AbortSignal; release(): void } {
    const controller = new AbortController()
    let timer: Timer | undefined
    const onParentAbort = () => {
      timer?.cancel()
      controller.abort(parent?.reason)
    }
    if (parent?.aborted) {
      controller.abort(parent.reason)
      return { signal: controller.signal, release: () => {} }
    }
    const release = () => {
      timer?.cancel()
      parent?.removeEventListener('abort', onParentAbort)
    }
    parent?.addEventListener('abort', onParentAbort, { once: true })
    if (this.#atMs !== Number.POSITIVE_INFINITY) {
      timer = this.#clock.after(this.remainingMs, () => {
        parent?.removeEventListener('abort', onParentAbort)
        controller.abort(new WeirError('deadline_exceeded', 'the time allowed for it has passed'))
      })
    }
    return { signal: controller.signal, release }
  }
}
