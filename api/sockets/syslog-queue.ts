import { Backoff } from '../../base/backoff.ts'
import type { Clock } from '../../base/clock.ts'
import { asWeirError, WeirError } from '../../base/errors.ts'
import type { TenantId } from '../../base/ids.ts'
import type { Logger } from '../../base/logger.ts'
import { decodeSyslog } from '../../ingest/protocols/syslog.ts'
import { SyslogBatch } from '../../ingest/protocols/syslog-batch.ts'
import { AdmittedBytes } from '../admitted-bytes.ts'
import type { IngestBackend } from '../backend.ts'
import type { DecodedIngest } from '../decoded-ingest.ts'

/** A batch is stored at once when it has come to this, else after LINGER_MS: some messages for the price of one. */
const BATCH_BYTES_TARGET = 64 * 1024
const LINGER_MS = 2
const BATCH_BYTES_FIRST = 128 * 1024
/** A batch of more, of a few bytes each, could make more lines than the node takes at once. */
const BATCH_MESSAGES_MAX = 100_000
const RETRY = { firstMs: 20, maxMs: 1000, factor: 2 }

interface SyslogQueueParts {
  readonly tenant: TenantId
  readonly decodedIngest: DecodedIngest
  readonly backend: IngestBackend
  /** Gathered while a batch is being stored; what comes beyond it must wait, or is lost. */
  readonly bytesMax: number
  readonly clock: Clock
  readonly logger: Logger
  /** Messages that are lost, and the code of why. */
  readonly onLost: (messages: number, code: string) => void
  /** There is room again. */
  readonly onRoom: () => void
}

/**
 * Messages of one listener on their way to the node. One batch is being stored while the next is gathered. A batch that the node
 * cannot take now is tried again until it can, so that senders who wait lose nothing: syslog has no answer by which they
 * could be asked to send again.
 */
export class SyslogQueue {
  readonly #parts: SyslogQueueParts
  readonly #closing = new AbortController()
  #gathering = new SyslogBatch(BATCH_BYTES_FIRST)
  #storing = new SyslogBatch(BATCH_BYTES_FIRST)
  #running: Promise<void> | undefined
  #isFlushing = false

  constructor(parts: SyslogQueueParts) {
    this.#parts = parts
  }

  get isFull(): boolean {
    const { length, count } = this.#gathering
    return length >= this.#parts.bytesMax || count >= BATCH_MESSAGES_MAX
  }

  /** Copies the message; `isFull` is a request, not a bound, so that what has been read can always be added. */
  add(bytes: Buffer, start: number, end: number, sender: string, isCut: boolean): void {
    this.#gathering.add(bytes, start, end, sender, isCut)
    this.#running ??= this.#run()
  }

  /** Resolves when all that was added is stored, or lost because `signal` has aborted. */
  async flush(signal: AbortSignal): Promise<void> {
    this.#isFlushing = true
    const abort = () => this.#closing.abort(new WeirError('draining', 'The node is shutting down'))
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    await this.#running
    signal.removeEventListener('abort', abort)
  }

  async #run(): Promise<void> {
    const { clock, onRoom } = this.#parts
    while (this.#gathering.count > 0) {
      if (this.#gathering.length < BATCH_BYTES_TARGET && !this.#isFlushing) await clock.sleep(LINGER_MS)
      const batch = this.#gathering
      this.#gathering = this.#storing
      this.#storing = batch
      onRoom()
      const isUnseen = await this.#store(batch)
      // Work that was given up may still be reading.
      if (isUnseen) batch.clear()
      else this.#storing = new SyslogBatch(BATCH_BYTES_FIRST)
    }
    this.#running = undefined
  }

  /** True when the first attempt was all it took. */
  async #store(batch: SyslogBatch): Promise<boolean> {
    const { clock, logger, onLost } = this.#parts
    const backoff = new Backoff(clock, RETRY)
    const signal = this.#closing.signal
    for (;;) {
      try {
        await this.#attempt(batch)
        if (backoff.attempts > 0) logger.info('syslog messages are stored again', { attempts: backoff.attempts })
        return backoff.attempts === 0
      } catch (cause) {
        const error = asWeirError(cause)
        if (signal.aborted || !error.retryable) {
          logger.error('syslog messages are lost', { messages: batch.count, error })
          onLost(batch.count, error.code)
          return false
        }
        if (backoff.attempts === 0) logger.warn('syslog messages wait', { messages: batch.count, code: error.code })
        await clock.sleep(backoff.nextMs(), signal).catch(() => undefined)
      }
    }
  }

  async #attempt(batch: SyslogBatch): Promise<void> {
    const { backend, clock, decodedIngest, tenant } = this.#parts
    const admitted = new AdmittedBytes(backend)
    try {
      admitted.cover(batch.length, batch.length)
      await decodedIngest.ingest(
        { tenant, protocol: 'syslog', takenWhole: true },
        { bytes: batch.bytes(), admitted, signal: this.#closing.signal },
        (source, into) => decodeSyslog(source, into, batch, clock.nowMs()),
      )
    } finally {
      admitted.releaseAll()
    }
  }
}
