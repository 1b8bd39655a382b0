import type { Clock } from '../base/clock.ts'
import { WeirError } from '../base/errors.ts'
import { SLICE_MAX_MS } from '../base/limits.ts'
import type { OpenUnit, SearchUnit } from './search-unit.ts'

/** Half-open range of time, milliseconds. */
export interface SearchRange {
  readonly fromMs: number
  readonly toMs: number
}

/** Bounds the work of one query on one thread: stops at the deadline or when nobody waits, gives way to other work in between. */
export class SearchPace {
  readonly #clock: Clock
  readonly #signal: AbortSignal
  readonly #deadlineMs: number
  #sliceStartMs: number
  rowsScanned = 0
  bytesRead = 0
  blocksOpened = 0

  /** `remainingMs` from now is the deadline. */
  constructor(clock: Clock, signal: AbortSignal, remainingMs: number) {
    this.#clock = clock
    this.#signal = signal
    this.#sliceStartMs = clock.monotonicMs()
    this.#deadlineMs = this.#sliceStartMs + remainingMs
  }

  /** True when `isOver` has something to do or to say. */
  get isDue(): boolean {
    const nowMs = this.#clock.monotonicMs()
    return this.#signal.aborted || nowMs >= this.#deadlineMs || nowMs - this.#sliceStartMs >= SLICE_MAX_MS / 2
  }

  /** True when the time is up; the caller then returns what it has, labelled as incomplete. Throws cancelled. */
  async isOver(): Promise<boolean> {
    if (this.#signal.aborted) throw new WeirError('cancelled', 'nobody waits for the answer any more')
    let nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#sliceStartMs >= SLICE_MAX_MS / 2) {
      await this.#clock.yieldTurn()
      nowMs = this.#clock.monotonicMs()
      this.#sliceStartMs = nowMs
    }
    return nowMs >= this.#deadlineMs
  }

  /** What comes before the deadline, or 'late'. */
  async inTime<T>(work: Promise<T>): Promise<T | 'late'> {
    const remainingMs = this.#deadlineMs - this.#clock.monotonicMs()
    if (remainingMs === Number.POSITIVE_INFINITY) return work
    const late = Promise.withResolvers<'late'>()
    const timer = this.#clock.after(Math.max(0, remainingMs), () => late.resolve('late'))
    try {
      return await Promise.race([work, late.promise])
    } finally {
      timer.cancel()
    }
  }

  /** Of the monotonic clock. */
  nowMs(): number {
    return this.#clock.monotonicMs()
  }

  opened(unit: SearchUnit, open: OpenUnit): void {
    if (unit.summary !== undefined) this.blocksOpened++
    this.rowsScanned += unit.rowCount
    this.bytesRead += open.bytesRead
  }
}
