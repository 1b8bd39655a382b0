import { assert } from '../../base/assert.ts'
import { WeirError } from '../../base/errors.ts'
import { RECORD_BYTES_MAX, UPLOAD_PIECE_BYTES, UPLOAD_SKIP_BYTES_MAX } from '../../base/limits.ts'
import type { ByteRoom } from '../protocols/json-writer.ts'
import { type RecordBounds, recordBounds } from './record-bounds.ts'
import type { FileLayout } from './upload-format.ts'

/** A record that is longer is refused, and only so much of it is kept. */
const LONG_RECORD_BYTES = RECORD_BYTES_MAX + 16 * 1024

/** Some whole records of a file, as one request. */
export interface Piece {
  /** From 0, in the file. */
  readonly number: number
  /** It stands in the inflated file as [start, end); what lies between the end of one and the start of the next holds no record. */
  readonly start: number
  readonly end: number
  /** A view of `buffer`, which goes back to the room when the piece is done. */
  readonly bytes: Buffer
  readonly buffer: Buffer
  /** It is the beginning of one record that is longer than a record may be. */
  readonly isLongRecord: boolean
}

/** Where a file is gone on with: after a piece. */
export interface CutterPlace {
  readonly offset: number
  readonly number: number
}

/**
 * Cuts a file, inflated, into pieces at places that its bytes alone decide, however they arrive: after the last record that ends within
 * UPLOAD_PIECE_BYTES, or else after the first one. So a job that goes on after any piece makes the same pieces as one that was never interrupted.
 */
export class PieceCutter {
  readonly #layout: FileLayout
  readonly #room: ByteRoom
  readonly #bounds: RecordBounds
  readonly #prefix: Buffer
  readonly #suffix: Buffer
  #buffer: Buffer
  /** Of the buffer, the prefix included. */
  #length: number
  /** How far the bounds have been looked for. */
  #scanned: number
  /** Last place after a record within a piece, else the first one beyond; 0: none yet. */
  #bound = 0
  /** In the file, of the first byte after the prefix. */
  #offset: number
  #number: number
  /** A long record, the rest of which goes by. */
  #long: Piece | undefined
  #skipped = 0

  constructor(layout: FileLayout, room: ByteRoom, place: CutterPlace) {
    this.#layout = layout
    this.#room = room
    this.#bounds = recordBounds(layout)
    const isArray = layout.kind === 'json-array'
    const isEnvelope = isArray && layout.isEnvelope
    this.#prefix = Buffer.from(isEnvelope ? '{"logs":[' : isArray ? '[' : '')
    this.#suffix = Buffer.from(isEnvelope ? ']}' : isArray ? ']' : '')
    this.#offset = place.offset
    this.#number = place.number
    this.#buffer = this.#newBuffer()
    this.#length = this.#scanned = this.#prefix.length
  }

  /** Takes the next bytes of the file. Throws invalid_body where a damaged value has no end. */
  *push(chunk: Buffer): Generator<Piece> {
    const limit = this.#prefix.length + LONG_RECORD_BYTES
    for (let at = 0; at < chunk.length; ) {
      if (this.#long !== undefined) {
        const bound = this.#bounds.next(chunk, at, chunk.length)
        this.#skip((bound < 0 ? chunk.length : bound) - at)
        if (bound < 0) return
        yield this.#endOfLong(this.#long)
        at = bound
        continue
      }
      const count = Math.min(chunk.length - at, limit - this.#length)
      chunk.copy(this.#buffer, this.#length, at, at + count)
      this.#length += count
      at += count
      yield* this.#cut()
    }
  }

  /** The file has ended. */
  *end(): Generator<Piece> {
    if (this.#long !== undefined) yield this.#endOfLong(this.#long)
    else if (this.#length > this.#prefix.length) {
      const piece = this.#take(this.#length, false, true)
      if (piece !== undefined) yield piece
    }
    this.release()
  }

  /** Gives its buffer back; nothing more is pushed. */
  release(): void {
    this.#room.release(this.#buffer)
  }

  *#cut(): Generator<Piece> {
    const from = this.#prefix.length
    while (this.#length - from > UPLOAD_PIECE_BYTES) {
      if (this.#bound - from <= UPLOAD_PIECE_BYTES) {
        const next = this.#bounds.next(this.#buffer, this.#scanned, this.#length)
        this.#scanned = next < 0 ? this.#length : next
        if (next >= 0 && (this.#bound === 0 || next - from <= UPLOAD_PIECE_BYTES)) {
          this.#bound = next
          continue
        }
        if (next < 0 && this.#bound === 0) {
          if (this.#length - from < LONG_RECORD_BYTES) return
          this.#long = this.#take(this.#length, true, false)
          this.#skipped = 0
          return
        }
        const piece = this.#take(this.#bound, false, false)
        this.#bound = next < 0 ? 0 : this.#scanned
        if (piece !== undefined) yield piece
        continue
      }
      // The first record alone is more than a piece is meant to be.
      const piece = this.#take(this.#bound, false, false)
      this.#bound = 0
      if (piece !== undefined) yield piece
    }
  }

  /** The piece ends with the record, so that who goes on after it does not stand within. */
  #endOfLong(piece: Piece): Piece {
    this.#long = undefined
    return { ...piece, end: this.#offset }
  }

  /** Everything before `end` of the buffer, as a piece; what comes after it moves to another buffer. Undefined when there is no record in it. */
  #take(end: number, isLongRecord: boolean, isLast: boolean): Piece | undefined {
    const from = this.#prefix.length
    assert(end > from && end <= this.#length, 'a piece has bytes')
    const start = this.#offset
    this.#offset += end - from
    const buffer = this.#buffer
    const rest = this.#length - end
    this.#buffer = this.#newBuffer()
    buffer.copy(this.#buffer, from, end, this.#length)
    this.#length = from + rest
    this.#scanned = Math.max(from, this.#scanned - (end - from))
    let bytes = buffer.subarray(isLongRecord ? from : 0, end)
    if (!isLast && !isLongRecord && this.#suffix.length > 0) {
      // In place of the comma.
      this.#suffix.copy(buffer, end - 1)
      bytes = buffer.subarray(0, end - 1 + this.#suffix.length)
    }
    if (!isLongRecord && isBlank(buffer, from, end, isLast && this.#layout.kind === 'json-array')) {
      this.#room.release(buffer)
      return undefined
    }
    return { number: this.#number++, start, end: this.#offset, bytes, buffer, isLongRecord }
  }

  #skip(bytes: number): void {
    this.#offset += bytes
    this.#skipped += bytes
    const isLines = this.#layout.kind === 'ndjson' || this.#layout.kind === 'text'
    if (!isLines && this.#skipped > UPLOAD_SKIP_BYTES_MAX) {
      throw new WeirError('invalid_body', `A record that begins before byte ${this.#offset} of the file does not end`)
    }
  }

  #newBuffer(): Buffer {
    const buffer = this.#room.acquire(this.#prefix.length + LONG_RECORD_BYTES + this.#suffix.length)
    this.#prefix.copy(buffer)
    return buffer
  }
}

/** White space only; of the end of an array, also what closes it. */
function isBlank(bytes: Buffer, from: number, end: number, mayClose: boolean): boolean {
  let closes = 0
  for (let p = from; p < end; p++) {
    const c = bytes[p]!
    if (c === 0x20 || (c >= 0x09 && c <= 0x0d)) continue
    if (!mayClose || (c !== 0x5d && c !== 0x7d) || closes > 1) return false
    closes++
  }
  return !mayClose || closes > 0
}
