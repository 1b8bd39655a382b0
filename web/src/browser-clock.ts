/** The one door of the UI to time and timers, so that whoever waits for what can be found. Times in milliseconds since the epoch. */

export function nowMs(): number {
  return Date.now()
}

/** Milliseconds that only grow, for durations. */
export function elapsedMs(): number {
  return performance.now()
}

/** Calls `action` once after `delayMs`, unless the returned function is called before. */
export function after(delayMs: number, action: () => void): () => void {
  const timer = setTimeout(action, delayMs)
  return () => clearTimeout(timer)
}

/** Calls `action` every `periodMs` until the returned function is called. */
export function every(periodMs: number, action: () => void): () => void {
  const timer = setInterval(action, periodMs)
  return () => clearInterval(timer)
}

/** Resolves after `delayMs`; rejects with the reason of `signal` when it aborts first. */
export function sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    const timer = setTimeout(resolve, delayMs)
    signal?.addEventListener(
      'abort',
      () => {
        clearTimeout(timer)
        reject(signal.reason)
      },
      { once: true },
    )
  })
}
