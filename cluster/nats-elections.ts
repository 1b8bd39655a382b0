import type { Subscription } from 'nats'
import type { NatsConnection } from './nats-connection.ts'

/**
 * Hears when a stream gets a leader. What the stream was asked while it had none nobody answers, and who asked would otherwise wait for the end of his
 * patience, seconds after the election is over.
 */
export class StreamElections {
  readonly #listeners = new Set<() => void>()
  readonly #subscription: Subscription

  constructor(connection: NatsConnection, stream: string) {
    this.#subscription = connection.client.subscribe(`$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED.${stream}`, {
      callback: (error) => {
        if (error === null) for (const listener of [...this.#listeners]) listener()
      },
    })
  }

  /** Calls `listener` at each election from now on; returns the function that ends it. */
  onElected(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** What a question to the stream gives. Rejects when a leader is elected first: then it must be asked again. Only for what may be asked twice. */
  unlessElected<T>(asked: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const end = this.onElected(() => {
        end()
        reject(new Error('a leader was elected meanwhile'))
      })
      asked.then(resolve, reject).finally(end)
    })
  }

  close(): void {
    this.#listeners.clear()
    this.#subscription.unsubscribe()
  }
}
