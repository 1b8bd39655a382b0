import { assert } from './assert.ts'
import type { Clock } from './clock.ts'

export interface BackoffPolicy {
  readonly firstMs: number
  readonly maxMs: number
  /** How much longer each wait is than the one before; 1 keeps it constant. */
  readonly factor: number
}

/**
 * Delays that grow up to a maximum, each drawn from the upper half of its range ("equal jitter"), so that those who failed
 * together do not come back together and none comes back at once. Randomness is the clock's.
 */
export class Backoff {
  readonly #policy: BackoffPolicy
  readonly #clock: Clock
  #attempts = 0

  constructor(clock: Clock, policy: BackoffPolicy) {
    assert(
      policy.firstMs >= 0 && policy.maxMs >= policy.firstMs && policy.factor >= 1,
      'a backoff grows from its first delay',
    )
    this.#clock = clock
    this.#policy = policy
  }

  /** Delays handed out since the last success. */
  get attempts(): number {
    return this.#attempts
  }

  /** The delay before the next attempt, milliseconds. */
  nextMs(): number {
    const { firstMs, maxMs, factor } = this.#policy
    const ceilingMs = Math.min(maxMs, firstMs * factor ** this.#attempts)
    this.#attempts++
    return ceilingMs * (0.5 + 0.5 * this.#clock.random())
  }

  /** Say that an attempt succeeded: the next delay is the first again. */
  reset(): void {
    this.#attempts = 0
  }
}
