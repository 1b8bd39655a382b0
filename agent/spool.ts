import { createHash } from 'node:crypto'
import { readdir, rename, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { checksum } from '../base/checksum.ts'
import type { Clock, Timer } from '../base/clock.ts'
import { diskError } from '../base/disk-error.ts'
import { WeirError } from '../base/errors.ts'
import { freeBytes } from '../base/free-bytes.ts'
import type { Logger } from '../base/logger.ts'
import { makeDurableDirectory, syncDirectory } from '../base/sync-directory.ts'
import type { CursorStore } from './cursor-store.ts'
import type { Place } from './place.ts'
import { readSpoolFile, type SpooledBatch, type SpoolHead, writeSpoolFile } from './spool-file.ts'

export interface NewBatch {
  readonly records: number
  readonly rawBytes: number
  readonly compression: SpoolHead['compression']
  readonly body: Buffer
  readonly places: Readonly<Record<string, Place>>
}

export interface SpoolOptions {
  readonly directory: string
  /** Inputs stop where the batches that wait come to so many bytes. */
  readonly bytesMax: number
  readonly clock: Clock
  readonly logger: Logger
  readonly cursors: CursorStore
}

const SUFFIX = '.batch'
const DAMAGED = '.damaged'
/** A file takes at least a block of the disk, and a little memory. */
const FILE_BYTES_MIN = 4096
/** Delivered batches whose files wait for the next save of the cursors. */
const DELIVERED_MAX = 64
const SAVE_EVERY_MS = 1000
const DISK_RETRY_MS = 5000

/**
 * Batches on the disk, from when they are made until a node has answered that it has them. Each is there, synced, before it is sent for the first
 * time, with the key of all its attempts; so what follows a crash is the same request again. Its file goes only when the places that it leads to are in the
 * file of the cursors.
 */
export class Spool {
  readonly #options: SpoolOptions
  /** Sizes of batches by number, in order: those that nobody has taken, and all. */
  readonly #waiting = new Map<number, number>()
  readonly #sizes = new Map<number, number>()
  #bytes = 0
  #lastSeq = 0
  #delivered: number[] = []
  /** Who waits for a batch, or for room. */
  #awaited = Promise.withResolvers<void>()
  #isClosing = false
  readonly #saver: Timer
  readonly #onFailure: (error: unknown) => void

  private constructor(options: SpoolOptions, onFailure: (error: unknown) => void) {
    this.#options = options
    this.#onFailure = onFailure
    this.#saver = options.clock.every(SAVE_EVERY_MS, () => {
      this.save().catch(onFailure)
    })
  }

  /**
   * Opens the spool and takes over the places of batches that the file of the cursors does not know. A batch that was not written to its end was never
   * sent, and its sources stand before it: it is removed.
   */
  static async open(options: SpoolOptions, onFailure: (error: unknown) => void): Promise<Spool> {
    const { directory, cursors } = options
    makeDurableDirectory(directory)
    const spool = new Spool(options, onFailure)
    const names = (await readdir(directory)).filter((name) => name.endsWith(SUFFIX)).sort()
    spool.#lastSeq = cursors.appliedThrough
    for (const name of names) {
      const seq = Number(name.slice(0, -SUFFIX.length))
      const path = join(directory, name)
      if (seq > cursors.appliedThrough) {
        try {
          const { head, bytes } = await readSpoolFile(path)
          freeBytes(bytes)
          cursors.apply(head.places, seq)
        } catch (error) {
          if (!(error instanceof WeirError) || error.code !== 'corrupt_data') throw error
          options.logger.info('removed a batch that was not written to its end', { batch: seq })
          await unlink(path)
          continue
        }
      }
      spool.#lastSeq = Math.max(spool.#lastSeq, seq)
      spool.#enter(seq, (await stat(path)).size)
    }
    return spool
  }

  /** Bytes of all files. */
  get bytes(): number {
    return this.#bytes
  }

  /** Batches that are not delivered. */
  get length(): number {
    return this.#sizes.size - this.#delivered.length
  }

  get isFull(): boolean {
    return this.#bytes >= this.#options.bytesMax
  }

  /** Resolves when another batch may be added. Rejects when `signal` aborts. */
  async room(signal?: AbortSignal): Promise<void> {
    if (!this.isFull) return
    this.#options.logger.warn('the spool is full: reading stops until a node takes records', { bytes: this.#bytes })
    while (this.isFull) await this.#changed(signal)
  }

  /** Adds a batch; resolves with its number when it is durable. Where the disk refuses, it tries again. */
  async add({ records, rawBytes, compression, body, places }: NewBatch): Promise<number> {
    const { directory, clock, logger } = this.#options
    const seq = ++this.#lastSeq
    const bodyChecksum = checksum(body)
    const key = this.#key(seq, bodyChecksum)
    const head: SpoolHead = {
      seq,
      key,
      places,
      records,
      rawBytes,
      compression,
      bodyBytes: body.length,
      bodyChecksum,
    }
    for (;;) {
      try {
        const size = await writeSpoolFile(this.#path(seq), head, body)
        syncDirectory(directory)
        this.#enter(seq, size)
        return seq
      } catch (cause) {
        const error = diskError(cause, `cannot write the spool in ${directory}`)
        if (error.code !== 'storage_unavailable') throw error
        // Where it comes from is read again at the next start.
        if (this.#isClosing) throw error
        logger.error('the spool cannot be written; trying again', { error })
        await new Promise<void>((resolve) => clock.after(DISK_RETRY_MS, resolve))
      }
    }
  }

  /** The oldest batch that nobody has taken, once there is one. Rejects when `signal` aborts. A damaged one is set aside. */
  async take(signal: AbortSignal): Promise<SpooledBatch> {
    for (;;) {
      signal.throwIfAborted()
      const seq = this.#waiting.keys().next().value
      if (seq === undefined) {
        await this.#changed(signal)
        continue
      }
      this.#waiting.delete(seq)
      try {
        return await readSpoolFile(this.#path(seq))
      } catch (error) {
        if (!(error instanceof WeirError) || error.code !== 'corrupt_data') throw error
        this.#options.logger.error('a batch of the spool is damaged and set aside; its records are not delivered', {
          batch: seq,
          error,
        })
        await rename(this.#path(seq), this.#path(seq) + DAMAGED)
        this.#leave(seq)
      }
    }
  }

  /** A batch that was taken is not delivered, and may be taken again. */
  giveBack({ head: { seq }, bytes }: SpooledBatch): void {
    freeBytes(bytes)
    const size = this.#sizes.get(seq)!
    const later = [...this.#waiting]
    this.#waiting.clear()
    for (const [other, bytes] of [[seq, size] as const, ...later].sort(([a], [b]) => a - b))
      this.#waiting.set(other, bytes)
    this.#change()
  }

  /** A node has the batch. */
  delivered({ head: { seq }, bytes }: SpooledBatch): void {
    freeBytes(bytes)
    this.#delivered.push(seq)
    if (this.#delivered.length >= DELIVERED_MAX || this.isFull) this.save().catch(this.#onFailure)
    this.#change()
  }

  /** Resolves when all batches are delivered. */
  async emptied(signal: AbortSignal): Promise<void> {
    while (this.length > 0) await this.#changed(signal)
  }

  /** Saves the cursors, then removes the files of delivered batches. */
  async save(): Promise<void> {
    const { cursors } = this.#options
    const delivered = this.#delivered
    this.#delivered = []
    try {
      await cursors.save()
      const kept: number[] = []
      for (const seq of delivered) {
        if (seq > cursors.savedThrough) kept.push(seq)
        else {
          await unlink(this.#path(seq))
          this.#leave(seq)
        }
      }
      this.#delivered.push(...kept)
    } catch (cause) {
      this.#delivered.push(...delivered.filter((seq) => this.#sizes.has(seq)))
      const error = diskError(cause, 'cannot save where the inputs stand')
      if (error.code !== 'storage_unavailable') throw error
      this.#options.logger.error('the cursors cannot be saved; trying again', { error })
    }
  }

  async close(): Promise<void> {
    this.#isClosing = true
    this.#saver.cancel()
    await this.save()
  }

  #enter(seq: number, bytes: number): void {
    const size = Math.max(bytes, FILE_BYTES_MIN)
    this.#sizes.set(seq, size)
    this.#waiting.set(seq, size)
    this.#bytes += size
    this.#change()
  }

  #leave(seq: number): void {
    this.#bytes -= this.#sizes.get(seq) ?? 0
    this.#sizes.delete(seq)
    this.#change()
  }

  #change(): void {
    this.#awaited.resolve()
    this.#awaited = Promise.withResolvers<void>()
  }

  /** Resolves when something has been added, delivered or removed. */
  #changed(signal?: AbortSignal): Promise<void> {
    const { promise } = this.#awaited
    if (signal === undefined) return promise
    signal.throwIfAborted()
    return new Promise((resolve, reject) => {
      const onAbort = () => reject(signal.reason)
      signal.addEventListener('abort', onAbort, { once: true })
      promise.then(() => {
        signal.removeEventListener('abort', onAbort)
        resolve()
      })
    })
  }

  /** A UUIDv7, so that the nodes know the time of its making, of what the batch is: the same bytes have the same key. */
  #key(seq: number, bodyChecksum: number): string {
    const { clock, cursors } = this.#options
    const digest = createHash('sha256').update(`${cursors.agentId}/${seq}/${bodyChecksum}`).digest()
    digest[0] = 0x70 | (digest[0]! & 0x0f)
    digest[2] = 0x80 | (digest[2]! & 0x3f)
    const time = clock.nowMs().toString(16).padStart(12, '0')
    const rest = digest.toString('hex')
    return `${time.slice(0, 8)}-${time.slice(8)}-${rest.slice(0, 4)}-${rest.slice(4, 8)}-${rest.slice(8, 20)}`
  }

  #path(seq: number): string {
    return join(this.#options.directory, `${String(seq).padStart(15, '0')}${SUFFIX}`)
  }
}
