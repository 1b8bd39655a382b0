import type { Column } from '../base/columns.ts'
import { DICTIONARY_VALUES_MAX } from '../base/limits.ts'
import { blockBytes, type KernelMemory } from './kernel/kernel-memory.ts'
import { STAGE_SLACK_BYTES } from './row-stage.ts'

// These are known to kernel/layout.as too.
/** A power of two, at least twice DICTIONARY_VALUES_MAX. */
const SLOTS = 512
/** A run of taken slots this long means that the values collide on purpose: the column goes on as plain bytes. */
const PROBES_MAX = 24
/** Longer values are seldom repeated, and comparing them would cost more than keeping them. */
const DICTIONARY_VALUE_BYTES_MAX = 256

const ROWS_INITIAL = 256
const BYTES_INITIAL = 512
/** Frames that go by without a dictionary after one has failed. */
const PLAIN_FRAMES = 32
/** Runs shorter than this are copied in words; a call of `set` costs about as much as this many bytes. */
const SET_BYTES_MIN = 128

// Words of the column block, in step with kernel/layout.as.
const ROWS = 0
const ROWS_CAPACITY = 1
const OFFSETS = 2
const BYTES = 3
const BYTES_CAPACITY = 4
const BYTE_LENGTH = 5
const FILLED = 6
const IS_DICTIONARY = 7
const DICTIONARY_SLOTS = 8
const VALUE_TYPES = 9
const VALUE_OFFSETS = 10
const VALUE_COUNT = 11
const COLUMN_BYTES = 64

/** The dictionary's block: slots, types, offsets. */
const TYPES_AT = SLOTS
const OFFSETS_AT = TYPES_AT + 256
const DICTIONARY_BYTES = OFFSETS_AT + (DICTIONARY_VALUES_MAX + 1) * 4

/**
 * One column while rows are added: a dictionary as long as that pays, plain bytes otherwise. Its buffers stand in the
 * kernel's memory from `open` to `reset`; what it remembers in between is how large they were, and whether a dictionary is
 * worth a try. Rows without the field cost nothing until the next row that has it.
 */
export class WriterColumn {
  readonly name: string
  /** Frames in a row that did not use the column. */
  idleFrames = 0

  readonly #memory: KernelMemory
  /** The column block; 0 while the column is closed. */
  #block = 0
  #isDictionary = true
  /** Frames until a dictionary is tried again. */
  #plainFrames = 0
  #rowsHint = ROWS_INITIAL
  #bytesHint = BYTES_INITIAL

  constructor(memory: KernelMemory, name: string) {
    this.#memory = memory
    this.name = name
  }

  /** Address of the column block; 0 while the column is closed. */
  get address(): number {
    return this.#block
  }

  /** Gets the column its buffers for this frame. */
  open(): void {
    const memory = this.#memory
    const { i32 } = memory
    this.#block = memory.allocate(COLUMN_BYTES)
    const at = this.#block >> 2
    const rowsCapacity = blockBytes(this.#rowsHint)
    const bytesCapacity = blockBytes(this.#bytesHint)
    i32[at + ROWS] = memory.allocate(rowsCapacity)
    i32[at + ROWS_CAPACITY] = rowsCapacity
    i32[at + BYTES] = memory.allocate(bytesCapacity)
    i32[at + BYTES_CAPACITY] = bytesCapacity
    i32[at + BYTE_LENGTH] = 0
    i32[at + FILLED] = 0
    i32[at + VALUE_COUNT] = 0
    if (this.#isDictionary) this.#openDictionary()
    else this.#openPlain()
  }

  /** Adds the value of `row`, which is beyond all rows before. `bytes` has STAGE_SLACK_BYTES after `end`. */
  add(row: number, type: number, bytes: Uint8Array, view: DataView, start: number, end: number): void {
    const { u8, i32 } = this.#memory
    const at = this.#block >> 2
    if (row >= i32[at + ROWS_CAPACITY]!) this.#growRows(row)
    const filled = i32[at + FILLED]!
    if (i32[at + IS_DICTIONARY] === 1) {
      const code = this.#codeOf(type, bytes, view, start, end)
      if (code !== 0) {
        const rows = i32[at + ROWS]!
        if (row !== filled) u8.fill(0, rows + filled, rows + row)
        u8[rows + row] = code
        i32[at + FILLED] = row + 1
        return
      }
      this.#becomePlain()
    }
    if (row !== filled) this.#skipTo(row)
    const to = this.#append(bytes, view, start, end)
    u8[i32[at + ROWS]! + row] = type
    i32[(i32[at + OFFSETS]! >> 2) + row + 1] = to
    i32[at + FILLED] = row + 1
  }

  /** The column over `rowCount` rows; views of buffers that `reset` takes back. */
  finish(rowCount: number): Column {
    const memory = this.#memory
    const { u8, i32 } = memory
    const at = this.#block >> 2
    if (rowCount > i32[at + ROWS_CAPACITY]!) this.#growRows(rowCount - 1)
    const filled = i32[at + FILLED]!
    const rows = i32[at + ROWS]!
    const bytes = memory.bytesAt(i32[at + BYTES]!, i32[at + BYTE_LENGTH]!)
    if (i32[at + IS_DICTIONARY] === 1) {
      u8.fill(0, rows + filled, rows + rowCount)
      i32[at + FILLED] = rowCount
      const valueCount = i32[at + VALUE_COUNT]!
      return {
        kind: 'dictionary',
        name: this.name,
        codes: memory.bytesAt(rows, rowCount),
        types: memory.bytesAt(i32[at + VALUE_TYPES]!, valueCount),
        offsets: memory.wordsAt(i32[at + VALUE_OFFSETS]!, valueCount + 1),
        bytes,
      }
    }
    if (filled < rowCount) this.#skipTo(rowCount)
    i32[at + FILLED] = rowCount
    return {
      kind: 'bytes',
      name: this.name,
      types: memory.bytesAt(rows, rowCount),
      offsets: memory.wordsAt(i32[at + OFFSETS]!, rowCount + 1),
      bytes,
    }
  }

  /** Ends a frame of `rowCount` rows: gives the buffers back. */
  reset(rowCount: number): void {
    if (this.#block === 0) {
      this.idleFrames++
      return
    }
    this.idleFrames = 0
    const memory = this.#memory
    const { i32 } = memory
    const at = this.#block >> 2
    const valueCount = i32[at + VALUE_COUNT]!
    this.#rowsHint = i32[at + FILLED]!
    this.#bytesHint = i32[at + BYTE_LENGTH]! + STAGE_SLACK_BYTES
    if (i32[at + IS_DICTIONARY] === 1) {
      memory.release(i32[at + DICTIONARY_SLOTS]!, DICTIONARY_BYTES)
      if (valueCount > 32 && valueCount * 2 > rowCount) {
        // Nearly every row had a value of its own: a dictionary only costs.
        this.#isDictionary = false
        this.#plainFrames = PLAIN_FRAMES
      }
    } else {
      memory.release(i32[at + OFFSETS]!, offsetsBytes(i32[at + ROWS_CAPACITY]!))
      if (this.#plainFrames > 0) this.#plainFrames--
      this.#isDictionary = this.#plainFrames === 0
    }
    memory.release(i32[at + ROWS]!, i32[at + ROWS_CAPACITY]!)
    memory.release(i32[at + BYTES]!, i32[at + BYTES_CAPACITY]!)
    memory.release(this.#block, COLUMN_BYTES)
    this.#block = 0
  }

  #openDictionary(): void {
    const memory = this.#memory
    const at = this.#block >> 2
    const tables = memory.allocate(DICTIONARY_BYTES)
    memory.u8.fill(0, tables, tables + SLOTS)
    memory.i32[at + IS_DICTIONARY] = 1
    memory.i32[at + DICTIONARY_SLOTS] = tables
    memory.i32[at + VALUE_TYPES] = tables + TYPES_AT
    memory.i32[at + VALUE_OFFSETS] = tables + OFFSETS_AT
    memory.i32[(tables + OFFSETS_AT) >> 2] = 0
  }

  #openPlain(): void {
    const memory = this.#memory
    const at = this.#block >> 2
    const offsets = memory.allocate(offsetsBytes(memory.i32[at + ROWS_CAPACITY]!))
    memory.i32[at + IS_DICTIONARY] = 0
    memory.i32[at + OFFSETS] = offsets
    memory.i32[offsets >> 2] = 0
  }

  /** Code of the value, which is entered if it is new; 0 when the dictionary cannot take it. */
  #codeOf(type: number, bytes: Uint8Array, view: DataView, start: number, end: number): number {
    const length = end - start
    if (length > DICTIONARY_VALUE_BYTES_MAX) return 0
    const memory = this.#memory
    const { u8, i32 } = memory
    const at = this.#block >> 2
    const slots = i32[at + DICTIONARY_SLOTS]!
    const types = i32[at + VALUE_TYPES]!
    const offsets = i32[at + VALUE_OFFSETS]! >> 2
    const values = i32[at + BYTES]!
    let slot = hashValue(type, view, start, length) & (SLOTS - 1)
    for (let probe = 0; probe < PROBES_MAX; probe++) {
      const code = u8[slots + slot]!
      if (code === 0) {
        const valueCount = i32[at + VALUE_COUNT]!
        if (valueCount === DICTIONARY_VALUES_MAX) return 0
        const to = this.#append(bytes, view, start, end)
        u8[types + valueCount] = type
        i32[offsets + valueCount + 1] = to
        i32[at + VALUE_COUNT] = valueCount + 1
        u8[slots + slot] = valueCount + 1
        return valueCount + 1
      }
      const value = i32[offsets + code - 1]!
      if (
        i32[offsets + code]! - value === length &&
        u8[types + code - 1] === type &&
        equalBytes(view, start, memory.view, values + value, length)
      )
        return code
      slot = (slot + 1) & (SLOTS - 1)
    }
    return 0
  }

  /** Appends a value's bytes; returns where they end. */
  #append(bytes: Uint8Array, view: DataView, start: number, end: number): number {
    const { u8, i32, view: ours } = this.#memory
    const at = this.#block >> 2
    const from = i32[at + BYTE_LENGTH]!
    const to = from + end - start
    if (to + STAGE_SLACK_BYTES > i32[at + BYTES_CAPACITY]!) this.#growBytes(to)
    copyBytes(bytes, view, start, end - start, u8, ours, i32[at + BYTES]! + from)
    i32[at + BYTE_LENGTH] = to
    return to
  }

  /** Writes the rows so far out in full and goes on without a dictionary. */
  #becomePlain(): void {
    const memory = this.#memory
    const { u8, i32 } = memory
    const at = this.#block >> 2
    // A dictionary that ran full says that the field has many values; one long value says nothing.
    if (i32[at + VALUE_COUNT] === DICTIONARY_VALUES_MAX) this.#plainFrames = PLAIN_FRAMES
    const filled = i32[at + FILLED]!
    const rows = i32[at + ROWS]!
    const tables = i32[at + DICTIONARY_SLOTS]!
    const types = i32[at + VALUE_TYPES]!
    const valueOffsets = i32[at + VALUE_OFFSETS]! >> 2
    const values = i32[at + BYTES]!
    const valuesCapacity = i32[at + BYTES_CAPACITY]!
    let total = 0
    for (let row = 0; row < filled; row++) {
      const code = u8[rows + row]!
      if (code !== 0) total += i32[valueOffsets + code]! - i32[valueOffsets + code - 1]!
    }
    const capacity = blockBytes(total * 2 + BYTES_INITIAL)
    const bytes = memory.allocate(capacity)
    i32[at + BYTES] = bytes
    i32[at + BYTES_CAPACITY] = capacity
    this.#isDictionary = false
    this.#openPlain()
    const offsets = i32[at + OFFSETS]! >> 2
    let to = 0
    for (let row = 0; row < filled; row++) {
      const code = u8[rows + row]!
      if (code !== 0) {
        const start = i32[valueOffsets + code - 1]!
        const length = i32[valueOffsets + code]! - start
        copyBytes(u8, memory.view, values + start, length, u8, memory.view, bytes + to)
        to += length
        u8[rows + row] = u8[types + code - 1]!
      }
      i32[offsets + row + 1] = to
    }
    i32[at + BYTE_LENGTH] = to
    memory.release(values, valuesCapacity)
    memory.release(tables, DICTIONARY_BYTES)
  }

  /** Plain: marks the rows from the last value up to `row` as absent. */
  #skipTo(row: number): void {
    const { u8, i32 } = this.#memory
    const at = this.#block >> 2
    const filled = i32[at + FILLED]!
    const rows = i32[at + ROWS]!
    const offsets = i32[at + OFFSETS]! >> 2
    u8.fill(0, rows + filled, rows + row)
    i32.fill(i32[at + BYTE_LENGTH]!, offsets + filled + 1, offsets + row + 1)
  }

  #growRows(row: number): void {
    const memory = this.#memory
    const { i32 } = memory
    const at = this.#block >> 2
    const before = i32[at + ROWS_CAPACITY]!
    const capacity = blockBytes(Math.max(row + 1, before * 2))
    i32[at + ROWS_CAPACITY] = capacity
    i32[at + ROWS] = moved(memory, i32[at + ROWS]!, before, capacity, before)
    if (i32[at + IS_DICTIONARY] === 1) return
    const used = (i32[at + FILLED]! + 1) * 4
    i32[at + OFFSETS] = moved(memory, i32[at + OFFSETS]!, offsetsBytes(before), offsetsBytes(capacity), used)
  }

  #growBytes(needed: number): void {
    const memory = this.#memory
    const { i32 } = memory
    const at = this.#block >> 2
    const before = i32[at + BYTES_CAPACITY]!
    const capacity = blockBytes(Math.max(needed + STAGE_SLACK_BYTES, before * 2))
    i32[at + BYTES] = moved(memory, i32[at + BYTES]!, before, capacity, i32[at + BYTE_LENGTH]!)
    i32[at + BYTES_CAPACITY] = capacity
  }
}

function offsetsBytes(rowsCapacity: number): number {
  return (rowsCapacity + 1) * 4
}

/** Moves the first `used` bytes of a block to a larger one; returns its address. */
function moved(memory: KernelMemory, from: number, size: number, newSize: number, used: number): number {
  const to = memory.allocate(newSize)
  memory.u8.copyWithin(to, from, from + used)
  memory.release(from, size)
  return to
}

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

/** A hash of (type, value) for tables that verify; not stable, not stored. The kernel's is the same, sixteen bytes at once. */
export function hashValue(type: number, view: DataView, start: number, length: number): number {
  let h = Math.imul(length + (type << 9), 0x9e3779b1)
  let i = 0
  do {
    const a = Math.imul(wordAt(view, start, i, length), 0x2c1b3c6d)
    const b = Math.imul(wordAt(view, start, i + 4, length), 0x297a2d39)
    const c = Math.imul(wordAt(view, start, i + 8, length), 0x1b56c4e9)
    const d = Math.imul(wordAt(view, start, i + 12, length), 0x7feb352d)
    const odd = b ^ d
    h = Math.imul(h ^ a ^ c ^ ((odd << 13) | (odd >>> 19)), 0x85ebca6b)
    h ^= h >>> 15
    i += 16
  } while (i < length)
  h = Math.imul(h, 0xc2b2ae35)
  return h ^ (h >>> 16)
}

/** Four bytes of a value, zeros beyond its end. */
function wordAt(view: DataView, start: number, i: number, length: number): number {
  const rest = length - i
  if (rest >= 4) return view.getInt32(start + i, true)
  return rest <= 0 ? 0 : view.getInt32(start + i, true) & (-1 >>> (32 - (rest << 3)))
}
