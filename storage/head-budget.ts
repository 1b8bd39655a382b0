import { assert } from '../base/assert.ts'

/**
 * S4: the bytes that all heads of a worker share, frozen ones included. Above the limit the worker cuts its largest head; at twice the
 * limit (a disk that does not take blocks) it stops reading the journal until there is room.
 */
export class HeadBudget {
  readonly bytesMax: number
  #bytes = 0
  #waiters: (() => void)[] = []

  constructor(bytesMax: number) {
    assert(bytesMax > 0, 'heads may hold something')
    this.bytesMax = bytesMax
  }

  get bytes(): number {
    return this.#bytes
  }

  get isOver(): boolean {
    return this.#bytes > this.bytesMax
  }

  take(bytes: number): void {
    this.#bytes += bytes
  }

  release(bytes: number): void {
    this.#bytes -= bytes
    if (this.#bytes < 2 * this.bytesMax) {
      const waiters = this.#waiters
      this.#waiters = []
      for (const wake of waiters) wake()
    }
  }

  /** Resolves when the heads hold less than twice the limit. */
  async room(): Promise<void> {
    while (this.#bytes >= 2 * this.bytesMax) await new Promise<void>((resolve) => this.#waiters.push(resolve))
  }
}
