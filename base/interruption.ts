/**
 * A failure that may come while something else is waited for, again and again. As Promise.race with a promise of the failure, which however would keep
 * every value that was ever waited for until the failure comes.
 */
export class Interruption {
  #failure: { readonly reason: unknown } | undefined
  #interrupt: ((reason: unknown) => void) | undefined

  /** Ends what is waited for now, and whatever is waited for later. The first reason counts. */
  fail(reason: unknown): void {
    this.#failure ??= { reason }
    this.#interrupt?.(this.#failure.reason)
  }

  /** As `work`, unless the failure is there or comes first. One at a time. */
  async during<T>(work: Promise<T>): Promise<T> {
    try {
      return await new Promise<T>((resolve, reject) => {
        this.#interrupt = reject
        work.then(resolve, reject)
        if (this.#failure !== undefined) reject(this.#failure.reason)
      })
    } finally {
      this.#interrupt = undefined
    }
  }
}
