/**
 * Port: messages between nodes. Payloads are bytes; addressing is by subject. At most once, no order across subjects.
 */
export interface Transport {
  /** Sends to every subscriber of `subject`; no answer. */
  publish(subject: string, payload: Uint8Array): void
  /** One answer from one subscriber. Throws shard_unavailable when there is none, deadline_exceeded after `deadlineMs` from now. */
  request(subject: string, payload: Uint8Array, options: RequestOptions): Promise<Uint8Array>
  /** Answers of all subscribers until the deadline or until `expected` of them have come. */
  requestMany(
    subject: string,
    payload: Uint8Array,
    options: RequestOptions & { expected: number },
  ): AsyncIterable<Uint8Array>
  /** Handles messages to `subject`; what `handle` returns is the answer, if one was asked for. A thrown error is answered as such. */
  subscribe(
    subject: string,
    handle: (payload: Uint8Array, signal: AbortSignal) => Promise<Uint8Array | undefined>,
  ): () => void
  close(): Promise<void>
}

export interface RequestOptions {
  readonly deadlineMs: number
  readonly signal?: AbortSignal
}
