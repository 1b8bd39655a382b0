/**
 * The queries that one worker is answering, by when they began. A plan names local blocks (C5); what was superseded before the oldest of them
 * began is named by none.
 */
export class ActivePlans {
  /** By number, in the order in which they began. */
  readonly #startedMs = new Map<number, number>()
  /** What waits for the end of the plans with lower numbers; numbers ascend. */
  #waiting: { readonly before: number; readonly action: () => void }[] = []
  #next = 0

  /** Call before planning, with the monotonic time; the result ends it. */
  begin(nowMs: number): () => void {
    const plan = this.#next++
    this.#startedMs.set(plan, nowMs)
    return () => {
      this.#startedMs.delete(plan)
      if (this.#waiting.length > 0) this.#runDue()
    }
  }

  /** Runs `action` when every plan that has begun by now is over; at once when none is under way. It must not throw. */
  whenOver(action: () => void): void {
    if (this.#startedMs.size === 0) action()
    else this.#waiting.push({ before: this.#next, action })
  }

  /** When the oldest plan under way began; `nowMs` when there is none. */
  oldestMs(nowMs: number): number {
    let oldest = nowMs
    for (const startedMs of this.#startedMs.values()) oldest = Math.min(oldest, startedMs)
    return oldest
  }

  #runDue(): void {
    const [oldest = Number.POSITIVE_INFINITY] = this.#startedMs.keys()
    const due = this.#waiting.filter(({ before }) => before <= oldest)
    if (due.length === 0) return
    this.#waiting = this.#waiting.slice(due.length)
    for (const { action } of due) action()
  }
}
