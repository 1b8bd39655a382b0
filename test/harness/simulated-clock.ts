import type { Clock, Timer } from '../../base/clock.ts'
import { Prng } from '../../base/prng.ts'

interface Due {
  readonly atMs: number
  /** Orders what is due at the same time: drawn from the seed, so that seeds explore orders. */
  readonly tie: number
  readonly run: () => void
  isCancelled: boolean
}

/**
 * Time that stands still until it is moved. Everything asked of it (timers, sleeps, turns, randomness) comes from one seed, so a run on it
 * is repeated by its seed.
 */
export class SimulatedClock implements Clock {
  readonly #prng: Prng
  #timeMs = 0
  #wallOffsetMs: number
  /** Sorted by time, then tie. */
  #due: Due[] = []

  constructor(seed: string | number, startMs = Date.UTC(2026, 0, 1)) {
    this.#prng = new Prng(`clock/${seed}`)
    this.#wallOffsetMs = startMs
  }

  nowMs(): number {
    return Math.floor(this.#wallOffsetMs + this.#timeMs)
  }

  monotonicMs(): number {
    return this.#timeMs
  }

  after(delayMs: number, run: () => void): Timer {
    const due: Due = { atMs: this.#timeMs + Math.max(0, delayMs), tie: this.#prng.random(), run, isCancelled: false }
    const index = this.#due.findIndex(
      (other) => other.atMs > due.atMs || (other.atMs === due.atMs && other.tie > due.tie),
    )
    if (index === -1) this.#due.push(due)
    else this.#due.splice(index, 0, due)
    return {
      cancel: () => {
        due.isCancelled = true
        const at = this.#due.indexOf(due)
        if (at !== -1) this.#due.splice(at, 1)
      },
    }
  }

  every(periodMs: number, run: () => void): Timer {
    let timer = this.after(periodMs, tick)
    const self = this
    let isCancelled = false
    function tick(): void {
      run()
      if (!isCancelled) timer = self.after(periodMs, tick)
    }
    return {
      cancel: () => {
        isCancelled = true
        timer.cancel()
      },
    }
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason)
        return
      }
      const onAbort = (): void => {
        timer.cancel()
        reject(signal?.reason)
      }
      const timer = this.after(delayMs, () => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      })
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** Due at once, in the order of the seed among what is due at this time. */
  yieldTurn(): Promise<void> {
    return this.sleep(0)
  }

  randomBytes(count: number): Uint8Array {
    return this.#prng.bytes(count)
  }

  random(): number {
    return this.#prng.random()
  }

  /** The wall clock jumps; timers do not notice. */
  jumpWall(byMs: number): void {
    this.#wallOffsetMs += byMs
  }

  /** Lets promises settle, then runs what is due next and moves time there. False when nothing is scheduled. */
  async step(): Promise<boolean> {
    await settled()
    const next = this.#due.shift()
    if (next === undefined) return false
    this.#timeMs = Math.max(this.#timeMs, next.atMs)
    next.run()
    await settled()
    return true
  }

  /** Moves time forward, running what becomes due on the way. */
  async advance(byMs: number): Promise<void> {
    const endMs = this.#timeMs + byMs
    await settled()
    while (this.#due.length > 0 && this.#due[0]!.atMs <= endMs) await this.step()
    this.#timeMs = endMs
  }

  /** Moves time until `promise` settles and gives its outcome. Throws when nothing is scheduled that could settle it. */
  async run<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false
    const outcome = promise.finally(() => {
      isSettled = true
    })
    // Looked at below; until then a rejection is not unhandled.
    outcome.catch(() => {})
    for (;;) {
      await settled()
      if (isSettled) return outcome
      if (!(await this.step())) {
        await settled()
        if (!isSettled) throw new Error('nothing is scheduled, and the promise has not settled')
      }
    }
  }
}

/** Until the microtasks, and those they queue, have run. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
