import { Backoff } from '../../base/backoff.ts'
import type { Clock } from '../../base/clock.ts'
import { type CommandFailure, RefusedFailure, UnreachableFailure } from './failures.ts'
import type { NodeClient, Parameters } from './node-client.ts'

const RETRY = { firstMs: 200, maxMs: 10_000, factor: 2 }

/** What a node says of a batch. */
export interface Receipt {
  readonly accepted: number
  readonly rejected: number
  /** The first rejects, by their number in the batch. */
  readonly errors: readonly { readonly index: number; readonly code: string; readonly reason: string }[]
}

export interface BatchSenderParts {
  readonly client: NodeClient
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly parameters: Parameters
  /** For how long a batch is tried again. */
  readonly retryForMs: number
  /** Before the first wait of a batch. */
  readonly onRetry: (reason: string) => void
}

/** Posts batches until each is durable. */
export class BatchSender {
  readonly #parts: BatchSenderParts

  constructor(parts: BatchSenderParts) {
    this.#parts = parts
  }

  /**
   * Resolves when the node has said what it stored; a batch of which nothing was accepted is an answer too. Throws RefusedFailure where another
   * attempt would be refused alike, and the last failure when the time for retries is over.
   */
  async send(lines: Buffer, format: 'ndjson' | 'lines', key: string): Promise<Receipt> {
    const { clock, signal, retryForMs, onRetry } = this.#parts
    const backoff = new Backoff(clock, RETRY)
    const startedMs = clock.monotonicMs()
    for (;;) {
      try {
        return await this.#post(lines, format, key)
      } catch (error) {
        signal.throwIfAborted()
        if (error instanceof RefusedFailure && error.problem.code === 'nothing_accepted') {
          const { accepted = 0, rejected = 0, errors = [] } = error.problem as Partial<Receipt>
          return { accepted, rejected, errors }
        }
        const mayPass = error instanceof UnreachableFailure || (error instanceof RefusedFailure && error.isPassing)
        if (!mayPass) throw error
        const asked = error instanceof RefusedFailure ? (error.retryAfterMs ?? 0) : 0
        const waitMs = Math.max(backoff.nextMs(), asked)
        if (clock.monotonicMs() - startedMs + waitMs > retryForMs) throw error
        if (backoff.attempts === 1) onRetry((error as CommandFailure).message)
        await clock.sleep(waitMs, signal)
      }
    }
  }

  #post(lines: Buffer, format: 'ndjson' | 'lines', key: string): Promise<Receipt> {
    const { client, parameters } = this.#parts
    // Text that begins as JSON would be read as that.
    const isWrapped = format === 'lines' && /^\s*\{/.test(lines.toString('latin1', 0, 64))
    const isText = format === 'lines' && !isWrapped
    return client.json<Receipt>('/v1/logs/ingest', {
      method: 'POST',
      parameters,
      headers: { 'content-type': isText ? 'text/plain' : 'application/x-ndjson', 'idempotency-key': key },
      body: isWrapped ? wrappedLines(lines) : lines,
    })
  }
}

function wrappedLines(lines: Buffer): Buffer {
  const records = lines
    .toString()
    .split('\n')
    .slice(0, -1)
    .map((message) => `${JSON.stringify({ message: message.replace(/\r$/, '') })}\n`)
  return Buffer.from(records.join(''))
}
