import type { Column } from '../base/columns.ts'
import { DICTIONARY_VALUES_MAX } from '../base/limits.ts'
import { STAGE_SLACK_BYTES } from './row-stage.ts'

/** A power of two, at least twice DICTIONARY_VALUES_MAX. */
const SLOTS = 512
/** A run of taken slots this long means that the values collide on purpose: the column goes on as plain bytes. */
const PROBES_MAX = 24
/** Longer values are seldom repeated, and comparing them would cost more than keeping them. */
const DICTIONARY_VALUE_BYTES_MAX = 256
const ROWS_INITIAL = 256
const BYTES_INITIAL = 512
/** A buffer that one unusual frame has blown up is not kept for the next. */
const BYTES_KEPT_MAX = 2 * 1024 * 1024
/** Runs shorter than this are copied in words; a call of `set` costs about as much as this many bytes. */
const SET_BYTES_MIN = 192

/**
 * One column while rows are added: a dictionary as long as that pays, plain bytes otherwise. Buffers are kept from frame
 * to frame. Rows without the field cost nothing until the next row that has it.
 */
export class WriterColumn {
  readonly name: string
  isDictionary: boolean
  /** Rows written so far, absent ones before the last value included; 0: not used in this frame. */
  filled = 0
  /** Frames in a row that did not use the column. */
  idleFrames = 0
  /** Frames until a dictionary is tried again; 0: it is tried in the next. */
  plainFrames = 0

  /** Dictionary: code of each row. Plain: type of each row. */
  #rows: Uint8Array
  /** Plain: start of each row's value, and the end of the last. */
  #offsets: Uint32Array
  #bytes: Uint8Array
  #view: DataView
  #byteLength = 0

  /** Dictionary: hash slot → code, 0 for free. */
  #slots: Uint8Array
  #valueTypes: Uint8Array
  #valueOffsets: Uint32Array
  #valueCount = 0

  constructor(name: string) {
    this.name = name
    this.isDictionary = true
    this.#rows = new Uint8Array(ROWS_INITIAL)
    this.#offsets = new Uint32Array(0)
    this.#bytes = new Uint8Array(BYTES_INITIAL + STAGE_SLACK_BYTES)
    this.#view = new DataView(this.#bytes.buffer)
    this.#slots = new Uint8Array(SLOTS)
    this.#valueTypes = new Uint8Array(DICTIONARY_VALUES_MAX)
    this.#valueOffsets = new Uint32Array(DICTIONARY_VALUES_MAX + 1)
  }

  /** Adds the value of `row`, which is at or beyond `filled`. `bytes` has STAGE_SLACK_BYTES after `end`. */
  add(row: number, type: number, bytes: Uint8Array, view: DataView, start: number, end: number): void {
    if (row >= this.#rows.length) this.#growRows(row)
    if (this.isDictionary) {
      const code = this.#codeOf(type, bytes, view, start, end)
      if (code !== 0) {
        if (row !== this.filled) this.#rows.fill(0, this.filled, row)
        this.#rows[row] = code
        this.filled = row + 1
        return
      }
      this.#becomePlain()
    }
    if (row !== this.filled) this.#skipTo(row)
    const length = end - start
    const at = this.#byteLength
    if (at + length + STAGE_SLACK_BYTES > this.#bytes.length) this.#growBytes(at + length)
    copyBytes(bytes, view, start, length, this.#bytes, this.#view, at)
    this.#rows[row] = type
    this.#byteLength = at + length
    this.#offsets[row + 1] = at + length
    this.filled = row + 1
  }

  /** The column over `rowCount` rows; views of buffers that `reset` takes back. */
  finish(rowCount: number): Column {
    if (rowCount > this.#rows.length) this.#growRows(rowCount - 1)
    if (this.isDictionary) {
      this.#rows.fill(0, this.filled, rowCount)
      this.filled = rowCount
      return {
        kind: 'dictionary',
        name: this.name,
        codes: this.#rows.subarray(0, rowCount),
        types: this.#valueTypes.subarray(0, this.#valueCount),
        offsets: this.#valueOffsets.subarray(0, this.#valueCount + 1),
        bytes: this.#bytes.subarray(0, this.#byteLength),
      }
    }
    if (this.filled < rowCount) this.#skipTo(rowCount)
    this.filled = rowCount
    return {
      kind: 'bytes',
      name: this.name,
      types: this.#rows.subarray(0, rowCount),
      offsets: this.#offsets.subarray(0, rowCount + 1),
      bytes: this.#bytes.subarray(0, this.#byteLength),
    }
  }

  /** Empties the column for the next frame of `rowCount` rows before it. */
  reset(rowCount: number): void {
    if (this.filled === 0) {
      this.idleFrames++
      return
    }
    this.idleFrames = 0
    if (!this.isDictionary) {
      if (this.plainFrames > 0) this.plainFrames--
      this.isDictionary = this.plainFrames === 0
    } else if (this.#valueCount > 32 && this.#valueCount * 2 > rowCount) {
      // Nearly every row had a value of its own: a dictionary only costs.
      this.isDictionary = false
      this.plainFrames = PLAIN_FRAMES
    }
    if (this.isDictionary) {
      this.#slots.fill(0)
    } else if (this.#offsets.length <= this.#rows.length) {
      this.#offsets = new Uint32Array(this.#rows.length + 1)
    }
    this.#valueCount = 0
    this.filled = 0
    this.#byteLength = 0
    if (this.#bytes.length > BYTES_KEPT_MAX) {
      this.#bytes = new Uint8Array(BYTES_INITIAL + STAGE_SLACK_BYTES)
      this.#view = new DataView(this.#bytes.buffer)
    }
  }

  /** Code of the value, which is entered if it is new; 0 when the dictionary cannot take it. */
  #codeOf(type: number, bytes: Uint8Array, view: DataView, start: number, end: number): number {
    const length = end - start
    if (length > DICTIONARY_VALUE_BYTES_MAX) return 0
    const slots = this.#slots
    const offsets = this.#valueOffsets
    let slot = hashValue(type, view, start, length) & (SLOTS - 1)
    for (let probe = 0; probe < PROBES_MAX; probe++) {
      const code = slots[slot]!
      if (code === 0) {
        slots[slot] = this.#enter(type, bytes, view, start, length)
        return slots[slot]!
      }
      const at = offsets[code - 1]!
      if (
        offsets[code]! - at === length &&
        this.#valueTypes[code - 1] === type &&
        equalBytes(view, start, this.#view, at, length)
      )
        return code
      slot = (slot + 1) & (SLOTS - 1)
    }
    return 0
  }

  #enter(type: number, bytes: Uint8Array, view: DataView, start: number, length: number): number {
    if (this.#valueCount === DICTIONARY_VALUES_MAX) return 0
    const at = this.#byteLength
    if (at + length + STAGE_SLACK_BYTES > this.#bytes.length) this.#growBytes(at + length)
    copyBytes(bytes, view, start, length, this.#bytes, this.#view, at)
    this.#byteLength = at + length
    this.#valueTypes[this.#valueCount] = type
    this.#valueCount++
    this.#valueOffsets[this.#valueCount] = at + length
    return this.#valueCount
  }

  /** Writes the rows so far out in full and goes on without a dictionary. */
  #becomePlain(): void {
    // A dictionary that ran full says that the field has many values; one long value says nothing.
    if (this.#valueCount === DICTIONARY_VALUES_MAX) this.plainFrames = PLAIN_FRAMES
    const codes = this.#rows
    const values = this.#bytes
    const valuesView = this.#view
    let total = 0
    for (let row = 0; row < this.filled; row++) {
      const code = codes[row]!
      if (code !== 0) total += this.#valueOffsets[code]! - this.#valueOffsets[code - 1]!
    }
    this.isDictionary = false
    this.#rows = new Uint8Array(codes.length)
    this.#offsets = new Uint32Array(codes.length + 1)
    this.#bytes = new Uint8Array(Math.max(total * 2, BYTES_INITIAL) + STAGE_SLACK_BYTES)
    this.#view = new DataView(this.#bytes.buffer)
    let at = 0
    for (let row = 0; row < this.filled; row++) {
      const code = codes[row]!
      if (code !== 0) {
        const start = this.#valueOffsets[code - 1]!
        const length = this.#valueOffsets[code]! - start
        copyBytes(values, valuesView, start, length, this.#bytes, this.#view, at)
        at += length
        this.#rows[row] = this.#valueTypes[code - 1]!
      }
      this.#offsets[row + 1] = at
    }
    this.#byteLength = at
  }

  /** Marks the rows from `filled` up to `row` as absent. */
  #skipTo(row: number): void {
    this.#rows.fill(0, this.filled, row)
    this.#offsets.fill(this.#byteLength, this.filled + 1, row + 1)
  }

  #growRows(row: number): void {
    const size = Math.max(row + 1, this.#rows.length * 2)
    const rows = new Uint8Array(size)
    rows.set(this.#rows)
    this.#rows = rows
    if (!this.isDictionary) {
      const offsets = new Uint32Array(size + 1)
      offsets.set(this.#offsets)
      this.#offsets = offsets
    }
  }

  #growBytes(needed: number): void {
    const bytes = new Uint8Array(Math.max(needed, this.#bytes.length * 2) + STAGE_SLACK_BYTES)
    bytes.set(this.#bytes)
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer)
  }
}

/** Frames that go by without a dictionary after one has failed. */
const PLAIN_FRAMES = 32

/** Copies in words of four; up to three bytes beyond the end are read and written, both sides have the slack. */
export function copyBytes(
  from: Uint8Array,
  fromView: DataView,
  start: number,
  length: number,
  to: Uint8Array,
  toView: DataView,
  at: number,
): void {
  if (length < SET_BYTES_MIN) {
    for (let i = 0; i < length; i += 4) toView.setInt32(at + i, fromView.getInt32(start + i, true), true)
  } else to.set(from.subarray(start, start + length), at)
}

/** Compares in words of four; both sides have STAGE_SLACK_BYTES of slack. */
export function equalBytes(a: DataView, aStart: number, b: DataView, bStart: number, length: number): boolean {
  let i = 0
  for (const whole = length & ~3; i < whole; i += 4)
    if (a.getInt32(aStart + i, true) !== b.getInt32(bStart + i, true)) return false
  const rest = length & 3
  if (rest === 0) return true
  return ((a.getInt32(aStart + i, true) ^ b.getInt32(bStart + i, true)) & (-1 >>> (32 - (rest << 3)))) === 0
}

/** A hash of (type, value) for tables that verify; not stable, not stored. */
export function hashValue(type: number, view: DataView, start: number, length: number): number {
  let h = Math.imul(length + (type << 9), 0x9e3779b1)
  let i = 0
  for (const whole = length & ~3; i < whole; i += 4) {
    h = Math.imul(h ^ view.getInt32(start + i, true), 0x85ebca6b)
    h ^= h >>> 15
  }
  const rest = length & 3
  if (rest !== 0) {
    h = Math.imul(h ^ (view.getInt32(start + i, true) & (-1 >>> (32 - (rest << 3)))), 0x85ebca6b)
    h ^= h >>> 15
  }
  h = Math.imul(h, 0xc2b2ae35)
  return h ^ (h >>> 16)
}
