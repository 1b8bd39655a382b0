import type { RootDatabase } from 'lmdb'
import { assert, present } from '../base/assert.ts'
import { diskError } from '../base/disk-error.ts'
import { WeirError } from '../base/errors.ts'
import type { LaneId } from '../base/ids.ts'
import type { JournalMessage, JournalReader } from './journal.ts'
import {
  decodeFrameMeta,
  decodeLaneRecord,
  frameDataKey,
  frameMetaKey,
  generationOf,
  laneRecordKey,
} from './lmdb-journal-layout.ts'
import { openJournalEnvironment } from './lmdb-journal-log.ts'

/**
 * Reads one lane. Behind the end it reads from the disk; at the end it follows: the writer hands new durable frames over in memory, as long as
 * this reader takes them. One that falls behind is woken and goes back to the disk, from the frame behind the last one handed.
 */
export class LmdbJournalReader implements JournalReader {
  readonly #options: LmdbJournalReaderOptions
  /** Frames handed over, in order; they follow #after without a gap. Bounded by the credit the writer keeps. */
  #queue: JournalMessage[] = []
  /** Sequence of the last frame returned or queued. */
  #after: number
  #isFollowing = false
  /** Set while a call of next waits. */
  #notify: (() => void) | undefined
  #isReading = false
  #failure: WeirError | undefined
  #db: RootDatabase<Uint8Array, Uint8Array> | undefined

  constructor(options: LmdbJournalReaderOptions) {
    this.#options = options
    this.#after = options.after
  }

  async next(maxBytes: number, signal: AbortSignal): Promise<readonly JournalMessage[]> {
    assert(!this.#isReading, 'a reader is asked for one batch at a time')
    this.#isReading = true
    try {
      for (;;) {
        signal.throwIfAborted()
        if (this.#failure !== undefined) throw this.#failure
        const messages =
          this.#queue.length > 0 ? this.#takeQueued(maxBytes) : this.#isFollowing ? [] : this.#readDisk(maxBytes)
        if (messages.length > 0) return messages
        if (!this.#isFollowing) {
          this.#isFollowing = true
          this.#options.follow(this.#after)
        }
        await this.#change(signal)
      }
    } finally {
      this.#isReading = false
    }
  }

  async close(): Promise<void> {
    if (this.#failure !== undefined) return
    this.fail(new WeirError('storage_unavailable', 'the reader is closed'))
  }

  /** A frame from the writer, next in order. */
  hand(message: JournalMessage): void {
    assert(message.position.sequence === this.#after + 1, 'frames are handed over without a gap')
    this.#after = message.position.sequence
    this.#queue.push(message)
    this.#notify?.()
  }

  /** There is more on the disk than was handed over. */
  wake(): void {
    this.#isFollowing = false
    this.#notify?.()
  }

  fail(error: WeirError): void {
    this.#failure = error
    this.#queue = []
    this.#options.onClose()
    void this.#db?.close()
    this.#db = undefined
    this.#notify?.()
  }

  #takeQueued(maxBytes: number): JournalMessage[] {
    let bytes = 0
    let count = 0
    while (count < this.#queue.length) {
      const length = this.#queue[count]!.frame.length
      if (count > 0 && bytes + length > maxBytes) break
      bytes += length
      count++
    }
    this.#options.consumed(bytes)
    return this.#queue.splice(0, count)
  }

  /** What the disk holds behind #after; empty at the end of the lane. */
  #readDisk(maxBytes: number): JournalMessage[] {
    const { lane, directory, bytesMax } = this.#options
    this.#db ??= openJournalEnvironment(directory, bytesMax)
    const db = this.#db
    try {
      // One snapshot for the batch, the newest; not kept longer, since it holds back the reuse of trimmed pages.
      db.resetReadTxn()
      const record = decodeLaneRecord(present(db.getBinary(laneRecordKey(lane)), 'the record of a lane'))
      const messages: JournalMessage[] = []
      let bytes = 0
      for (let sequence = Math.max(this.#after + 1, record.firstSequence); ; sequence++) {
        const metaBytes = db.getBinary(frameMetaKey(lane, sequence))
        if (metaBytes === undefined) break
        const { appendedMs, frameBytes } = decodeFrameMeta(metaBytes)
        if (messages.length > 0 && bytes + frameBytes > maxBytes) break
        const frame = db.getBinary(frameDataKey(lane, sequence))
        if (frame?.length !== frameBytes) {
          throw new WeirError('corrupt_data', `frame ${sequence} of lane ${lane} is not whole`, { lane, sequence })
        }
        const position = { generation: generationOf(record, sequence), sequence }
        messages.push({ position, appendedMs, frame: ownBuffer(frame) })
        bytes += frameBytes
        this.#after = sequence
      }
      db.resetReadTxn()
      return messages
    } catch (error) {
      throw diskError(error, 'reading the journal')
    }
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#notify = undefined
        signal.removeEventListener('abort', done)
        resolve()
      }
      this.#notify = done
      signal.addEventListener('abort', done, { once: true })
    })
  }
}

export interface LmdbJournalReaderOptions {
  readonly lane: LaneId
  /** Sequence behind which to start. */
  readonly after: number
  readonly directory: string
  /** Of all lanes together: the address space to map. */
  readonly bytesMax: number
  /** Asks the writer to hand over what comes behind this sequence, or to wake the reader. */
  readonly follow: (after: number) => void
  /** Tells the writer that this much was taken from the queue. */
  readonly consumed: (bytes: number) => void
  readonly onClose: () => void
}

/** LMDB's own buffers carry a patched length and may be part of a larger one; ours are whole. */
function ownBuffer(bytes: Uint8Array): Uint8Array {
  if (bytes.byteOffset === 0 && bytes.buffer.byteLength === bytes.length) return new Uint8Array(bytes.buffer)
  return new Uint8Array(bytes)
}
