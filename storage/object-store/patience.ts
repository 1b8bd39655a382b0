import type { Clock, Timer } from '../../base/clock.ts'

/** Aborts its signal when nothing has been heard for a time. */
export class Patience {
  readonly #controller = new AbortController()
  readonly #clock: Clock
  readonly #what: string
  #timer: Timer | undefined

  /** `what` names what is waited for, in the error. */
  constructor(clock: Clock, forMs: number, what: string) {
    this.#clock = clock
    this.#what = what
    this.renew(forMs)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Something was heard: the time begins anew. */
  renew(forMs: number): void {
    this.#timer?.cancel()
    this.#timer = this.#clock.after(forMs, () => {
      this.#controller.abort(Object.assign(new Error(`${this.#what} took too long`), { code: 'timeout' }))
    })
  }

  /** To be called when the wait is over, or the timer goes on. */
  end(): void {
    this.#timer?.cancel()
  }
}
