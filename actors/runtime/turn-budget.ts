import type { Clock } from '../../base/clock.ts'

/**
 * T2: how long the actors of one thread may run before I/O and timers get their turn. Shared by all of them, because two actors that
 * answer each other would otherwise keep the thread for good with short handlers.
 */
export class TurnBudget {
  readonly #clock: Clock
  readonly #sliceMs: number
  #startedMs = 0
  #isOpen = false

  constructor(clock: Clock, sliceMs: number) {
    this.#clock = clock
    this.#sliceMs = sliceMs
  }

  /** True when the slice of the current turn is used up at `nowMs` (monotonic): yield the turn before going on. */
  isSpent(nowMs: number): boolean {
    if (!this.#isOpen) {
      this.#isOpen = true
      this.#startedMs = nowMs
      void this.#clock.yieldTurn().then(() => {
        this.#isOpen = false
      })
    }
    return nowMs - this.#startedMs >= this.#sliceMs
  }
}
