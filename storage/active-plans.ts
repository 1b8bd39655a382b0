/**
 * The queries that one worker is answering, by when they began. A plan names local blocks (C5); what was superseded before the oldest of them
 * began is named by none.
 */
export class ActivePlans {
  readonly #startedMs = new Map<symbol, number>()

  /** Call before planning, with the monotonic time; the result ends it. */
  begin(nowMs: number): () => void {
    const plan = Symbol('plan')
    this.#startedMs.set(plan, nowMs)
    return () => this.#startedMs.delete(plan)
  }

  /** When the oldest plan under way began; `nowMs` when there is none. */
  oldestMs(nowMs: number): number {
    let oldest = nowMs
    for (const startedMs of this.#startedMs.values()) oldest = Math.min(oldest, startedMs)
    return oldest
  }
}
