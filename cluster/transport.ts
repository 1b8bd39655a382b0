/**
 * Port: messages between nodes. Payloads are bytes; addressing is by subject. At most once, no order across subjects.
 */
export interface Transport {
  /** Sends to every subscriber of `subject`; no answer. Throws body_too_large above TRANSPORT_MESSAGE_BYTES_MAX. */
  publish(subject: string, payload: Uint8Array): void
  /**
   * One answer from one subscriber. Throws shard_unavailable when there is none, or none that works on it any more, deadline_exceeded after
   * `deadlineMs` from now, body_too_large and result_too_large above TRANSPORT_PAYLOAD_BYTES_MAX. `payload` must not change any more.
   */
  request(subject: string, payload: Uint8Array, options: RequestOptions): Promise<Uint8Array>
  /**
   * Answers of all subscribers until the deadline or until `expected` of them have answered or failed. Throws body_too_large above
   * TRANSPORT_MESSAGE_BYTES_MAX.
   */
  requestMany(
    subject: string,
    payload: Uint8Array,
    options: RequestOptions & { expected: number },
  ): AsyncIterable<Uint8Array>
  /** Handles messages to `subject`; what `handle` returns is the answer, if one was asked for. A thrown error is answered as such. */
  subscribe(subject: string, handle: Handle): () => void
  close(): Promise<void>
}

/** Answers a message, where an answer is asked for; it must not change any more. `signal` aborts when nobody wants it any more. */
export type Handle = (payload: Uint8Array, signal: AbortSignal) => Promise<Uint8Array | undefined>

export interface RequestOptions {
  readonly deadlineMs: number
  readonly signal?: AbortSignal
}
