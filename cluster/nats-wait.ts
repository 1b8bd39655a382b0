import type { NatsConnection } from './nats-connection.ts'

/** What `work` gives, or the reason of `signal` when that aborts first; then nobody hears what becomes of the work. */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason)
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

/** Resolves once there is a connection, at once when there is one; rejects with the reason of `signal`. */
export function untilConnected(connection: NatsConnection, signal: AbortSignal): Promise<void> {
  if (connection.isConnected && !signal.aborted) return Promise.resolve()
  let end: (() => void) | undefined
  const connected = new Promise<void>((resolve) => {
    end = connection.onEvent(({ kind }) => {
      if (kind === 'reconnected') resolve()
    })
  })
  return unlessAborted(connected, signal).finally(end)
}
