import { assert } from '../../base/assert.ts'
import { WeirError } from '../../base/errors.ts'
import { DEAD_LETTER_RAW_BYTES_MAX, DECODE_SLICE_BYTES, DECODED_RECORDS_MAX } from '../../base/limits.ts'
import type { RejectCode } from '../reject.ts'
import { type ByteRoom, JsonWriter } from './json-writer.ts'

/**
 * Decodes one request, already inflated, into records. Each `yield` lets others have the thread (T2): one is due whenever
 * `into.isPauseDue`. Throws invalid_body where the request as a whole cannot be read; then nothing of it is stored.
 */
export type Decoding = Generator<void, void>

/** A record that the decoder itself refuses. */
export interface Refusal {
  readonly code: RejectCode
  /** One sentence in plain English. */
  readonly reason: string
}

/** Offset of a record's first byte in the request, and of the byte after its last: two numbers a record. */
const BOUNDS_FIRST = 2 * 256
/** JSON, but no object: the scanner stops at it, and whoever asks why finds the decoder's reason. */
const PLACEHOLDER = Buffer.from('0')

/**
 * The records of one request as NDJSON, a line each, in order, so that line n is record n of the request. A record that the decoder
 * refuses keeps its line and its number: a placeholder, padded to the length of what is kept of it as a dead letter, so that
 * chunks are cut by what they cost.
 */
export class DecodedBody {
  /** What is between `begin` and `end` is the record. */
  readonly json: JsonWriter
  /** The request as it came, inflated. */
  readonly source: Uint8Array
  /** Set by the decoder, for records that name no service or host. */
  serviceDefault: string | undefined
  hostDefault: string | undefined
  #bounds: Int32Array = new Int32Array(BOUNDS_FIRST)
  #count = 0
  #lineStart = 0
  #lastEnd = 0
  /** Numbers of refused records, ascending. */
  readonly #refused: number[] = []
  readonly #refusals: Refusal[] = []
  #pauseAt = DECODE_SLICE_BYTES
  /** Bytes that were written and taken back. */
  #undone = 0

  /** `expectedBytes` is a guess of the length of all lines. */
  constructor(source: Uint8Array, room: ByteRoom, expectedBytes: number) {
    this.source = source
    this.json = new JsonWriter(room, expectedBytes)
  }

  /** Records, refused ones included. */
  get count(): number {
    return this.#count
  }

  /** The object of a record; its members come next. */
  begin(): void {
    this.#lineStart = this.json.length
    this.json.openObject()
  }

  /** Closes the record's object. The record came as [start, end) of the request, after all before it. Throws body_too_large. */
  end(start: number, end: number): void {
    this.json.closeObject()
    this.endLine(start, end)
  }

  /** The same for who has written the object as JSON text, and all of it. */
  endLine(start: number, end: number): void {
    this.json.newline()
    this.#add(start, end)
  }

  /** Refuses the record that came as [start, end), begun or not. */
  refuse(start: number, end: number, refusal: Refusal): void {
    const { json } = this
    this.#undone += json.length - this.#lineStart
    json.truncate(this.#lineStart)
    json.jsonLine(PLACEHOLDER, 0, PLACEHOLDER.length)
    json.newline(Math.min(end - start, DEAD_LETTER_RAW_BYTES_MAX))
    this.#refused.push(this.#count)
    this.#refusals.push(refusal)
    this.#add(start, end)
  }

  /** Why the decoder refused this record; undefined when it did not. */
  refusalOf(record: number): Refusal | undefined {
    const refused = this.#refused
    let low = 0
    let high = refused.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (refused[middle]! < record) low = middle + 1
      else high = middle
    }
    return refused[low] === record ? this.#refusals[low] : undefined
  }

  /** The bytes that this record came as. */
  sourceOf(record: number): Uint8Array {
    assert(record < this.#count, 'the request has such a record')
    return this.source.subarray(this.#bounds[record * 2]!, this.#bounds[record * 2 + 1]!)
  }

  /** True once in a while; `position`: bytes of the request that have been decoded. */
  isPauseDue(position: number): boolean {
    const done = position + this.json.length + this.#undone
    if (done < this.#pauseAt) return false
    this.#pauseAt = done + DECODE_SLICE_BYTES
    return true
  }

  #add(start: number, end: number): void {
    // Else what is kept of the records could be more than the request.
    assert(this.#lastEnd <= start && start <= end, 'records lie one after the other in the request')
    if (this.#count === DECODED_RECORDS_MAX) {
      throw new WeirError('body_too_large', `A request may hold ${DECODED_RECORDS_MAX} records`, {
        limitRecords: DECODED_RECORDS_MAX,
      })
    }
    if (this.#count * 2 === this.#bounds.length) {
      const larger = new Int32Array(this.#bounds.length * 2)
      larger.set(this.#bounds)
      this.#bounds = larger
    }
    this.#bounds[this.#count * 2] = start
    this.#bounds[this.#count * 2 + 1] = end
    this.#count++
    this.#lastEnd = end
    this.#lineStart = this.json.length
  }
}
