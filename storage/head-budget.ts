import { assert } from '../base/assert.ts'

/**
 * S4: the bytes that all heads of a worker share. When those that still take rows are above the limit, the worker cuts its largest head;
 * when frozen ones pile up behind a disk that takes no blocks, and both together reach twice the limit, it stops reading the
 * journal until there is room. Heads become blocks one after the other.
 */
export class HeadBudget {
  readonly bytesMax: number
  #openBytes = 0
  #frozenBytes = 0
  #waiters = new Set<() => void>()
  #lastEncoding: Promise<unknown> = Promise.resolve()

  constructor(bytesMax: number) {
    assert(bytesMax > 0, 'heads may hold something')
    this.bytesMax = bytesMax
  }

  /** Of all heads. */
  get bytes(): number {
    return this.#openBytes + this.#frozenBytes
  }

  /** True when a head should be frozen. */
  get isOver(): boolean {
    return this.#openBytes > this.bytesMax
  }

  /** A head has grown. */
  take(bytes: number): void {
    this.#openBytes += bytes
  }

  /** A head takes no more rows and waits to become blocks. */
  freeze(bytes: number): void {
    this.#openBytes -= bytes
    this.#frozenBytes += bytes
    assert(this.#openBytes >= 0, 'bytes are frozen that were taken')
  }

  /** A frozen head has become blocks, or is gone. */
  release(bytes: number): void {
    this.#frozenBytes -= bytes
    assert(this.#frozenBytes >= 0, 'bytes are released that were frozen')
    if (this.#hasRoom()) for (const wake of [...this.#waiters]) wake()
  }

  /** Resolves when the heads hold less than twice the limit. Rejects with the signal's reason. */
  async room(signal: AbortSignal): Promise<void> {
    while (!this.#hasRoom()) {
      signal.throwIfAborted()
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiters.delete(wake)
          signal.removeEventListener('abort', wake)
          resolve()
        }
        this.#waiters.add(wake)
        signal.addEventListener('abort', wake, { once: true })
      })
    }
  }

  /**
   * Runs `encode`, which makes a block of a head, when those before it are done. Blocks of one thread in the making side by side would take a
   * workspace and a token kernel each, some 3 MB that no cache holds, and be no sooner done.
   */
  inTurn<R>(encode: () => Promise<R>): Promise<R> {
    const turn = this.#lastEncoding.then(encode)
    this.#lastEncoding = turn.catch(() => undefined)
    return turn
  }

  #hasRoom(): boolean {
    return this.bytes < 2 * this.bytesMax
  }
}
