/**
 * The port through which time and randomness enter the system. Production code never calls Date.now, setTimeout or
 * Math.random itself, so that a simulated clock can replay any run from its seed.
 */
export interface Clock {
  /** Wall-clock time, milliseconds since the Unix epoch, integer. May jump. */
  nowMs(): number
  /** Monotonic time in milliseconds, fractional; only differences mean anything. */
  monotonicMs(): number
  /** Calls `run` once after `delayMs`. The timer does not keep the process alive. */
  after(delayMs: number, run: () => void): Timer
  /** Calls `run` every `periodMs` until cancelled. */
  every(periodMs: number, run: () => void): Timer
  /** Resolves after `delayMs`, or rejects with the signal's reason when `signal` aborts first. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>
  /** Lets other work of this thread (I/O, messages) run before going on. Who waits goes on in the order of waiting, each after a look at the I/O. */
  yieldTurn(): Promise<void>
  /** `count` random bytes. */
  randomBytes(count: number): Uint8Array
  /** Uniform in [0, 1). */
  random(): number
}

export interface Timer {
  cancel(): void
}

/** Of this thread: who gave way, longest waiting first. */
const waiting: (() => void)[] = []

/**
 * One goes on in each turn of the event loop: with many searches under way, all of which give way after some milliseconds, a request that comes
 * in would else wait for a slice of each.
 */
function nextTurn(): void {
  waiting.shift()?.()
  if (waiting.length > 0) setImmediate(nextTurn)
}

/** The real clock of this process. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, run) {
    const handle = setTimeout(run, Math.max(0, delayMs))
    handle.unref()
    return { cancel: () => clearTimeout(handle) }
  },
  every(periodMs, run) {
    const handle = setInterval(run, periodMs)
    handle.unref()
    return { cancel: () => clearInterval(handle) }
  },
  sleep(delayMs, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const onAbort = () => {
        clearTimeout(handle)
        reject(signal?.reason)
      }
      const handle = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      }, delayMs)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  },
  yieldTurn: () =>
    new Promise((resolve) => {
      if (waiting.push(resolve) === 1) setImmediate(nextTurn)
    }),
  randomBytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
  random: () => Math.random(),
}
