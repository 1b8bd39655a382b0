import { Backoff } from '../base/backoff.ts'
import type { Clock, Timer } from '../base/clock.ts'
import { asWeirError, WeirError } from '../base/errors.ts'
import { freeBytes } from '../base/free-bytes.ts'
import {
  UPLOAD_BEAT_MS,
  UPLOAD_FINISH_PATIENCE_MS,
  UPLOAD_NAME_CHARS_MAX,
  UPLOAD_PART_BYTES,
  UPLOAD_PARTS_IN_FLIGHT,
} from '../base/limits.ts'
import { noteShortLived } from '../base/young-collection.ts'
import { uploadPartKey } from '../storage/object-store/object-keys.ts'
import type { ObjectStore } from '../storage/object-store/object-store.ts'
import { PartSealer } from '../storage/upload-part.ts'
import type { JobStatus, UploadedFile, UploadOptions } from './messages/upload.ts'
import { NO_PROGRESS, statusOf, type UploadEntry } from './upload-entry.ts'
import type { KnownUpload, UploadLedger } from './upload-ledger.ts'
import { deleteUpload } from './upload-objects.ts'

export interface UploadIntakeOptions {
  readonly ledger: UploadLedger
  readonly objects: ObjectStore
  readonly bytesMax: number
  readonly clock: Clock
  readonly onBytes?: ((bytes: number) => void) | undefined
  /** Once, however it ends. */
  readonly onClosed: () => void
}

/**
 * Takes the files of one upload in: seals them as they come (X1), part by part, and puts each part into the object store. It holds a few parts whatever
 * the size of the upload: `write` waits until there is room.
 */
export class UploadIntake {
  readonly #options: UploadIntakeOptions
  readonly #key: Buffer
  readonly #timer: Timer
  #known: KnownUpload
  readonly #files: { name: string; type: string; bytes: number; firstPart: number }[] = []
  #sealer: PartSealer | undefined
  #parts = 0
  #bytes = 0
  readonly #puts = new Set<Promise<void>>()
  #failure: unknown
  #writing: Promise<void> = Promise.resolve()
  #isClosed = false

  /** `known` was made for this upload, with a new key. */
  constructor(known: KnownUpload, key: Buffer, options: UploadIntakeOptions) {
    this.#known = known
    this.#key = key
    this.#options = options
    this.#timer = options.clock.every(UPLOAD_BEAT_MS, () => this.#beat())
  }

  /** What comes next belongs to another file. */
  beginFile(name: string, type: string): void {
    if (this.#isClosed) throw givenUp()
    this.#closePart()
    this.#files.push({ name: shownName(name), type: type.slice(0, 100), bytes: 0, firstPart: this.#parts })
  }

  /** Resolves when more may come. Throws body_too_large, conflict when its job was cancelled, and what the object store throws. */
  async write(bytes: Buffer): Promise<void> {
    const { bytesMax, onBytes } = this.#options
    if (this.#isClosed) throw givenUp()
    const file = this.#files.at(-1)!
    this.#bytes += bytes.length
    if (this.#bytes > bytesMax) {
      throw new WeirError('body_too_large', `An upload may have ${bytesMax} bytes`, { limitBytes: bytesMax })
    }
    onBytes?.(bytes.length)
    // As they came, and sealed.
    noteShortLived(2 * bytes.length)
    for (let at = 0; at < bytes.length; ) {
      this.#sealer ??= new PartSealer(this.#known.entry.id, this.#key, this.#parts, UPLOAD_PART_BYTES)
      const count = Math.min(bytes.length - at, UPLOAD_PART_BYTES - this.#sealer.length)
      this.#sealer.add(bytes.subarray(at, at + count))
      at += count
      file.bytes += count
      if (this.#sealer.length < UPLOAD_PART_BYTES) continue
      this.#closePart()
      while (this.#puts.size >= UPLOAD_PARTS_IN_FLIGHT) await Promise.race(this.#puts)
      // Meanwhile it may have been given up, and what came of it deleted.
      if (this.#isClosed) throw givenUp()
    }
    if (this.#failure !== undefined) throw this.#failure
  }

  /** All has come: the upload is durable when it resolves, and its job waits. Throws as `write`, and invalid_body when there is nothing in it. */
  async finish(options: UploadOptions): Promise<JobStatus> {
    this.#closePart()
    await Promise.all(this.#puts)
    if (this.#failure !== undefined) throw this.#failure
    const files: UploadedFile[] = this.#files.filter(({ bytes }) => bytes > 0)
    if (files.length === 0) throw new WeirError('invalid_body', 'The upload holds no bytes')
    this.#timer.cancel()
    await this.#writing
    const waiting = { state: 'waiting', claim: null, options, files, progress: NO_PROGRESS } as const
    this.#known = await this.#insist(waiting)
    this.#close()
    return statusOf(this.#known.entry)
  }

  /** Writes the last word, where the registry is away for some time as often as it takes. */
  async #insist(changes: Partial<UploadEntry>): Promise<KnownUpload> {
    const { ledger, clock } = this.#options
    const backoff = new Backoff(clock, { firstMs: 100, maxMs: 2000, factor: 2 })
    const untilMs = clock.monotonicMs() + UPLOAD_FINISH_PATIENCE_MS
    for (;;) {
      try {
        return await ledger.changeHeld(this.#known, changes).catch((error: unknown) => this.#madeAfterAll(error))
      } catch (error) {
        if (asWeirError(error).code !== 'storage_unavailable' || clock.monotonicMs() > untilMs) throw error
      }
      await clock.sleep(backoff.nextMs())
    }
  }

  /** Where only the answer to the last write was lost, the job is there, and may have gone on; else throws why it is not. */
  async #madeAfterAll(error: unknown): Promise<KnownUpload> {
    const { tenant, id } = this.#known.entry
    const now = await this.#options.ledger.get(tenant, id).catch(() => undefined)
    if (now !== undefined && now.entry.state !== 'uploading' && now.entry.state !== 'cancelled') return now
    throw asWeirError(error).code === 'epoch_fenced' ? cancelled() : error
  }

  /** Leaves nothing behind. Never throws: what cannot be deleted now is found by whoever looks for uploads that stand still. */
  async abort(): Promise<void> {
    if (this.#isClosed) return
    this.#close()
    await Promise.allSettled(this.#puts)
    await this.#writing
    const { ledger, objects } = this.#options
    try {
      const { tenant, id } = this.#known.entry
      const now = await ledger.get(tenant, id)
      // A job by now, whose answer was lost: its parts are its own.
      if (now?.entry.state === 'waiting' || now?.entry.state === 'running') return
      if (now?.entry.state === 'uploading') await ledger.remove(now)
      await deleteUpload(objects, id)
    } catch {
      // See above.
    }
  }

  #close(): void {
    this.#isClosed = true
    this.#timer.cancel()
    this.#options.onClosed()
  }

  #closePart(): void {
    if (this.#sealer === undefined) return
    const sealed = this.#sealer.seal()
    const put = this.#options.objects
      .put(uploadPartKey(this.#known.entry.id, this.#parts++), sealed)
      .then(() => void freeBytes(sealed))
      .catch((error: unknown) => {
        this.#failure ??= error
      })
      .finally(() => this.#puts.delete(put))
    this.#puts.add(put)
    this.#sealer = undefined
  }

  /** Says that the upload still comes, and how much of it has. */
  #beat(): void {
    const progress = { ...NO_PROGRESS, bytes: this.#bytes }
    this.#writing = this.#writing.then(async () => {
      if (this.#isClosed) return
      try {
        this.#known = await this.#options.ledger.changeHeld(this.#known, { progress })
      } catch (error) {
        if (asWeirError(error).code === 'epoch_fenced') this.#failure ??= cancelled()
      }
    })
  }
}

function givenUp(): WeirError {
  return new WeirError('cancelled', 'The upload was given up')
}

function cancelled(): WeirError {
  return new WeirError('conflict', 'The job of the upload was cancelled while its bytes came in')
}

/** The last part of a path, without what no name should hold; a label for people, which names nothing here. */
function shownName(name: string): string {
  const last = name.split(/[/\\]/).at(-1) ?? ''
  return last.replace(/[\p{Cc}\p{Cf}]/gu, '').slice(0, UPLOAD_NAME_CHARS_MAX)
}
