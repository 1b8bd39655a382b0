import type { Clock } from '../base/clock.ts'
import { SLICE_MAX_MS } from '../base/limits.ts'

/** Keeps the slices of a long job short (T2): `if (pace.isDue()) await pace.rest()` between steps of about a millisecond. */
export class Pace {
  readonly #clock: Clock
  #sliceStartMs: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#sliceStartMs = clock.monotonicMs()
  }

  /** True when half a slice has passed since the last rest. */
  isDue(): boolean {
    return this.#clock.monotonicMs() - this.#sliceStartMs >= SLICE_MAX_MS / 2
  }

  /** Lets other work of the thread run. */
  async rest(): Promise<void> {
    await this.#clock.yieldTurn()
    this.#sliceStartMs = this.#clock.monotonicMs()
  }
}
