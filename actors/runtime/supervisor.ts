import { Backoff, type BackoffPolicy } from '../../base/backoff.ts'
import type { Clock } from '../../base/clock.ts'

/** How often an actor may be made anew before the node must decide. */
export interface RestartPolicy {
  /** Restarts within any window of this length … */
  readonly windowMs: number
  /** … before the failure is escalated; 0 escalates the first. */
  readonly budget: number
  readonly backoff: BackoffPolicy
}

export const RESTART_DEFAULT: RestartPolicy = {
  windowMs: 60_000,
  budget: 5,
  backoff: { firstMs: 50, maxMs: 5_000, factor: 2 },
}

/** Decides after each failure of an actor whether it restarts, and when. */
export class Supervisor {
  readonly #clock: Clock
  readonly #policy: RestartPolicy
  readonly #backoff: Backoff
  /** Monotonic times of the restarts of the current window, oldest first. */
  #restartsAtMs: number[] = []
  #restarts = 0

  constructor(clock: Clock, policy: RestartPolicy) {
    this.#clock = clock
    this.#policy = policy
    this.#backoff = new Backoff(clock, policy.backoff)
  }

  get restarts(): number {
    return this.#restarts
  }

  /** Milliseconds to wait before the restart, or `escalate` when the budget of the window is spent. */
  afterFailure(): number | 'escalate' {
    const nowMs = this.#clock.monotonicMs()
    this.#restartsAtMs = this.#restartsAtMs.filter((atMs) => nowMs - atMs < this.#policy.windowMs)
    if (this.#restartsAtMs.length >= this.#policy.budget) return 'escalate'
    // A whole window without a failure is a success: start from the first delay again.
    if (this.#restartsAtMs.length === 0) this.#backoff.reset()
    this.#restartsAtMs.push(nowMs)
    this.#restarts++
    return this.#backoff.nextMs()
  }
}
