import { createHash } from 'node:crypto'
import { present } from '../base/assert.ts'
import { Backoff } from '../base/backoff.ts'
import type { Clock, Timer } from '../base/clock.ts'
import { asWeirError, WeirError } from '../base/errors.ts'
import { uuidOfTime } from '../base/key-time.ts'
import { UPLOAD_BEAT_MS, UPLOAD_PIECES_IN_FLIGHT } from '../base/limits.ts'
import type { Logger } from '../base/logger.ts'
import { type Piece, PieceCutter } from '../ingest/upload/piece-cutter.ts'
import { detectLayout, type FileLayout } from '../ingest/upload/upload-format.ts'
import type { ObjectStore } from '../storage/object-store/object-store.ts'
import type { IngestReceipt, IngestRequest } from './messages/ingest.ts'
import type { JobFailure, UploadProgress } from './messages/upload.ts'
import { PieceBuffers } from './piece-buffers.ts'
import { pieceRequest } from './piece-request.ts'
import type { UploadEntry } from './upload-entry.ts'
import type { KnownUpload, UploadLedger } from './upload-ledger.ts'
import { deleteParts } from './upload-objects.ts'
import { RejectList } from './upload-rejects.ts'
import { UploadSource } from './upload-source.ts'

const RETRY = { firstMs: 50, maxMs: 5000, factor: 2 }
/** How long a job stands aside before it looks again whether live requests leave it room. */
const ASIDE_MS = 20
/** Weight of the newest interval in the rates that are told. */
const RATE_WEIGHT = 0.3

/** The door of live requests, which the job goes through as well. */
export interface UploadIngest {
  admit(bytes: number): void
  release(bytes: number): void
  ingest(request: IngestRequest, signal: AbortSignal): Promise<IngestReceipt>
  /** False while live requests need the room. */
  mayTake(): boolean
}

export interface UploadJobOptions {
  readonly ledger: UploadLedger
  readonly objects: ObjectStore
  readonly ingest: UploadIngest
  readonly inflatedBytesMax: number
  readonly clock: Clock
  readonly logger: Logger
}

/** How a job that a worker had claimed has left it. */
export type JobOutcome = 'done' | 'failed' | 'given up' | 'taken away'

interface InFlight {
  readonly piece: Piece
  /** Of the files as sent, that had been read when the piece was cut. */
  readonly bytes: number
  readonly receipt: Promise<IngestReceipt>
}

/**
 * Ingests one upload, piece by piece, each under an idempotency key that the job and the place of the piece decide (D3). What is known to be stored is
 * written into the registry once a second; whoever goes on after a crash makes the pieces since then again, and their receipts say the same while
 * nothing is stored twice.
 */
export class UploadJob {
  readonly #options: UploadJobOptions
  #known: KnownUpload
  readonly #key: Buffer
  readonly #rejects: RejectList
  readonly #buffers = new PieceBuffers()
  readonly #ending = new AbortController()
  readonly #inFlight: InFlight[] = []
  #progress: UploadProgress
  #rates = { records: 0, bytes: 0 }
  #told: { progress: UploadProgress; atMs: number }
  /** Writes to the registry follow one another; never rejects. */
  #writing: Promise<void> = Promise.resolve()
  #timer: Timer | undefined

  /** `known` is a job that the caller has claimed. */
  constructor(known: KnownUpload, options: UploadJobOptions) {
    const { entry } = known
    this.#options = options
    this.#known = known
    this.#key = Buffer.from(present(entry.key, 'the key of a running job'), 'base64')
    this.#progress = entry.progress
    this.#told = { progress: entry.progress, atMs: options.clock.monotonicMs() }
    this.#rejects = new RejectList(entry.id, options.objects, entry)
  }

  get entry(): UploadEntry {
    return this.#known.entry
  }

  /** Ends it without a result: another may go on where it stands. */
  stop(reason: WeirError): void {
    this.#ending.abort(reason)
  }

  /** Never throws. */
  async run(): Promise<JobOutcome> {
    const { clock, logger } = this.#options
    this.#timer = clock.every(UPLOAD_BEAT_MS, () => this.#beat())
    const backoff = new Backoff(clock, RETRY)
    try {
      for (;;) {
        const before = this.#progress
        try {
          await this.#rejects.load()
          await this.#ingestFiles()
          return await this.#end(undefined)
        } catch (thrown) {
          await this.#settle()
          if (this.#ending.signal.aborted) return await this.#giveUp()
          const error = asWeirError(thrown)
          if (!error.retryable) return await this.#end(error)
          logger.warn('an upload could not go on; trying again', { job: this.entry.id, code: error.code })
          if (before !== this.#progress) backoff.reset()
          await clock.sleep(backoff.nextMs(), this.#ending.signal).catch(() => undefined)
        }
      }
    } catch (error) {
      // Not even its end could be written down; whoever finds it silent goes on.
      logger.warn('an upload was left', { job: this.entry.id, error })
      return 'taken away'
    } finally {
      this.#timer.cancel()
    }
  }

  async #ingestFiles(): Promise<void> {
    const { files } = this.entry
    while (this.#progress.file < files.length) {
      await this.#ingestFile()
      const { file } = this.#progress
      const bytes = files.slice(0, file + 1).reduce((sum, next) => sum + next.bytes, 0)
      this.#progress = { ...this.#progress, file: file + 1, offset: 0, pieces: 0, fileRecords: 0, bytes }
    }
  }

  /** The file that comes next, from where it stands. */
  async #ingestFile(): Promise<void> {
    const { entry } = this
    const { objects, inflatedBytesMax } = this.#options
    const { file: number, offset, pieces } = this.#progress
    const file = present(entry.files[number], 'the file that comes next')
    const bytesBefore = entry.files.slice(0, number).reduce((sum, next) => sum + next.bytes, 0)
    const source = new UploadSource(objects, entry.id, this.#key, file)
    const { format } = entry.options
    const head = await source.head()
    const layout = detectLayout(head, { format, name: file.name, type: file.type })
    const from = Math.max(offset, layout.start)
    const cutter = new PieceCutter(layout, this.#buffers, { offset: from, number: pieces })
    let inflatedBytes = from
    try {
      for await (const chunk of source.bytes(from)) {
        this.#ending.signal.throwIfAborted()
        inflatedBytes += chunk.length
        if (inflatedBytes > inflatedBytesMax) throw tooLarge(inflatedBytesMax)
        for (const piece of cutter.push(chunk)) await this.#submit(layout, piece, bytesBefore + source.bytesRead)
      }
      for (const piece of cutter.end()) await this.#submit(layout, piece, bytesBefore + file.bytes)
    } finally {
      cutter.release()
    }
    while (this.#inFlight.length > 0) await this.#fold()
  }

  async #submit(layout: FileLayout, piece: Piece, bytes: number): Promise<void> {
    const { ingest, clock } = this.#options
    while (this.#inFlight.length >= UPLOAD_PIECES_IN_FLIGHT) await this.#fold()
    while (!ingest.mayTake()) await clock.sleep(ASIDE_MS, this.#ending.signal)
    const receipt = this.#ingest(layout, piece)
    receipt.catch(() => undefined) // heard of when it is folded
    this.#inFlight.push({ piece, bytes, receipt })
  }

  /** Takes the oldest piece into account, once it is durable. */
  async #fold(): Promise<void> {
    const { piece, bytes, receipt } = present(this.#inFlight[0], 'a piece in flight')
    const { accepted, rejected, errors } = withoutEmpty(await receipt)
    this.#inFlight.shift()
    this.#buffers.release(piece.buffer)
    const before = this.#progress
    const { file, fileRecords } = before
    this.#rejects.add(errors.map(({ index, code, reason }) => ({ file, index: fileRecords + index, code, reason })))
    this.#progress = {
      file,
      offset: piece.end,
      pieces: piece.number + 1,
      fileRecords: fileRecords + accepted + rejected,
      bytes,
      records: before.records + accepted + rejected,
      accepted: before.accepted + accepted,
      rejected: before.rejected + rejected,
    }
  }

  /** Waits until nothing of the pieces in flight runs any more. What was stored of them beyond the progress counts when it is made again. */
  async #settle(): Promise<void> {
    await Promise.allSettled(this.#inFlight.map(({ receipt }) => receipt))
    this.#inFlight.length = 0
  }

  /** Ingests one piece, as often as it takes. */
  async #ingest(layout: FileLayout, piece: Piece): Promise<IngestReceipt> {
    const { ingest, clock } = this.#options
    const { signal } = this.#ending
    const backoff = new Backoff(clock, RETRY)
    const { file } = this.#progress
    const about = { entry: this.entry, layout, piece, idempotencyKey: this.#pieceKey(file, piece.number), clock }
    for (;;) {
      signal.throwIfAborted()
      let admitted = 0
      try {
        const prepared = await pieceRequest(about, this.#buffers, (bytes) => {
          admitPiece(ingest, bytes, admitted)
          admitted += bytes
        })
        const receipt = prepared === undefined ? NOTHING : await ingest.ingest(prepared.request, signal)
        prepared?.release()
        return receipt
      } catch (error) {
        const { code, retryable } = asWeirError(error)
        if (!retryable || signal.aborted) throw error
        if (code === 'draining') this.stop(new WeirError('draining', 'the node is shutting down'))
      } finally {
        if (admitted > 0) ingest.release(admitted)
      }
      await clock.sleep(backoff.nextMs(), signal)
    }
  }

  /** Of the time of the upload, so that its rows are dealt as the spread of services at that time says, now and ever. */
  #pieceKey(file: number, piece: number): string {
    const { id, createdMs } = this.entry
    return uuidOfTime(createdMs, createHash('sha256').update(`${id}/${file}/${piece}`).digest())
  }

  #beat(): void {
    this.#writing = this.#writing.then(async () => {
      if (this.#ending.signal.aborted) return
      try {
        await this.#write({})
      } catch (error) {
        const { code } = asWeirError(error)
        if (code === 'epoch_fenced') this.#ending.abort(error)
        else this.#options.logger.warn('how far an upload is could not be written down', { job: this.entry.id, code })
      }
    })
  }

  /** Writes down how far it is, with what changes beside it. Throws epoch_fenced, and what registry and object store throw. */
  async #write(changes: Partial<UploadEntry>): Promise<void> {
    const progress = this.#progress
    this.#measure(progress)
    const { pages, first, superseded } = await this.#rejects.put()
    this.#known = await this.#options.ledger.changeHeld(this.#known, {
      progress,
      recordsPerSecond: this.#rates.records,
      bytesPerSecond: this.#rates.bytes,
      rejectPages: pages,
      firstRejects: first,
      ...changes,
    })
    for (const key of superseded) await this.#options.objects.delete(key).catch(() => undefined)
  }

  #measure(progress: UploadProgress): void {
    const nowMs = this.#options.clock.monotonicMs()
    const seconds = (nowMs - this.#told.atMs) / 1000
    if (seconds <= 0) return
    const weight = this.#rates.records === 0 ? 1 : RATE_WEIGHT
    const rate = (old: number, count: number) => old + weight * (count / seconds - old)
    this.#rates = {
      records: rate(this.#rates.records, progress.records - this.#told.progress.records),
      bytes: rate(this.#rates.bytes, progress.bytes - this.#told.progress.bytes),
    }
    this.#told = { progress, atMs: nowMs }
  }

  /** Its key goes first, then what it was the key of (X1). */
  async #end(error: WeirError | undefined): Promise<JobOutcome> {
    const { clock, logger } = this.#options
    const { id, startedMs } = this.entry
    const failure: JobFailure | null = error === undefined ? null : { code: error.code, reason: error.message }
    if (error?.code === 'internal' || error?.code === 'corrupt_data')
      logger.error('an upload failed', { job: id, error })
    const state = error === undefined ? 'done' : 'failed'
    const endedMs = clock.nowMs()
    const seconds = Math.max(0.001, (endedMs - (startedMs ?? endedMs)) / 1000)
    const recordsPerSecond = this.#progress.records / seconds
    // A beat beside the last word would write the entry as it was before it, with its key.
    this.#timer?.cancel()
    try {
      await this.#insist(() => this.#write({ state, failure, key: null, endedMs, recordsPerSecond }))
    } catch (thrown) {
      if (asWeirError(thrown).code === 'epoch_fenced') return 'taken away'
      throw thrown
    }
    try {
      await deleteParts(this.#options.objects, id)
      await this.#options.ledger.changeHeld(this.#known, { hasParts: false, claim: null })
    } catch (thrown) {
      // The keepers find it when it is silent.
      logger.warn('the parts of an upload could not be deleted yet', { job: id, code: asWeirError(thrown).code })
    }
    return state
  }

  /** The next worker that looks takes it. */
  async #giveUp(): Promise<JobOutcome> {
    const { reason } = this.#ending.signal
    await this.#writing
    if (asWeirError(reason).code === 'epoch_fenced') return 'taken away'
    try {
      await this.#write({ state: 'waiting', claim: null })
    } catch (error) {
      this.#options.logger.warn('an upload is left to be found', { job: this.entry.id, code: asWeirError(error).code })
    }
    return 'given up'
  }

  /** Runs it, after writes that are under way, until it succeeds or cannot. */
  async #insist(run: () => Promise<void>): Promise<void> {
    await this.#writing
    const backoff = new Backoff(this.#options.clock, RETRY)
    for (;;) {
      try {
        return await run()
      } catch (error) {
        if (asWeirError(error).code === 'epoch_fenced' || !asWeirError(error).retryable) throw error
        await this.#options.clock.sleep(backoff.nextMs(), this.#ending.signal)
      }
    }
  }
}

const NOTHING: IngestReceipt = { accepted: 0, rejected: 0, errors: [], repeated: false }

/** Throws overloaded, draining, or body_too_large for what could never be admitted. */
function admitPiece(ingest: UploadIngest, bytes: number, before: number): void {
  try {
    ingest.admit(bytes)
  } catch (error) {
    const most = asWeirError(error).details.inFlightBytesMax
    if (typeof most !== 'number' || before + bytes <= most) throw error
    throw new WeirError(
      'body_too_large',
      `A worker may hold ${most} bytes of requests, which a piece of the file exceeds`,
    )
  }
}

/** That there is no record is no record. */
function withoutEmpty(receipt: IngestReceipt): IngestReceipt {
  return receipt.errors[0]?.code === 'empty_body' ? NOTHING : receipt
}

function tooLarge(bytesMax: number): WeirError {
  return new WeirError('body_too_large', `A file may have ${bytesMax} bytes, inflated`, { limitBytes: bytesMax })
}
