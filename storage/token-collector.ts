import { utf8Bytes, utf8Text } from '../base/bytes.ts'
import type { Column } from '../base/columns.ts'
import {
  COLUMN_LEVEL_TEXT,
  COLUMN_OVERFLOW,
  FIELD_LEVEL,
  VALUE_ABSENT,
  VALUE_JSON,
  VALUE_NULL,
  VALUE_NUMBER,
  VALUE_STRING,
  valueBytes,
} from '../base/columns.ts'
import { ASCII_LOWER, HASH_MULTIPLIER, HASH_SEED, valueSeed } from '../base/hash.ts'
import { TOKEN_FOLD } from '../base/tokenizer.ts'
import { hasValueHashes, IDENTIFIER_BYTES_MIN, VALUE_HASH_BYTES_MAX } from './bloom.ts'
import { constantTypes } from './constant-types.ts'
import { overflowFields } from './overflow-column.ts'
import { KIND_BASE, KIND_DIGIT, KIND_DIGIT_MASK, KIND_HASH_ONLY, LOG_STRIDE, TokenTable } from './token-table.ts'

/** Integer columns whose values span less are looked at once a distinct value. */
const INTEGER_SPAN_MAX = 65_536
/** A sign and 16 digits. */
const INTEGER_TEXT_BYTES_MAX = 17
/** Entries of the log of tokens; a longer value makes it grow. */
const LOG_LENGTH = 6144

/**
 * Gathers what the filters of a block hold: distinct hashes of tokens and of (field, value) pairs for the bloom filter, distinct words for
 * the word index. Tokens are first found and logged, then put into the table some thousand at a time.
 */
export class TokenCollector {
  readonly #table = new TokenTable()
  #log = new Int32Array(LOG_LENGTH)
  readonly #oneOffsets = new Uint32Array(2)
  readonly #overflowPaths = new Set<string>()

  reset(): void {
    this.#table.reset()
    if (this.#log.length > LOG_LENGTH) this.#log = new Int32Array(LOG_LENGTH)
    this.#overflowPaths.clear()
  }

  /** Fields of which some values lie in the overflow column. */
  get overflowPaths(): ReadonlySet<string> {
    return this.#overflowPaths
  }

  /** The distinct hashes, in no particular order; a view that is valid until the next addition or reset. */
  hashes(): Int32Array {
    return this.#table.hashes()
  }

  /** The distinct words by code unit order, or null when there are more than BLOCK_WORDS_MAX. */
  words(): string[] | null {
    return this.#table.words()
  }

  /** Shapes of the tokens that are no words (storage/token-shapes.ts). */
  shapes(): Uint8Array {
    return this.#table.shapes()
  }

  /** Tokens of the text bytes[start, end). */
  addText(bytes: Uint8Array, start: number, end: number): void {
    this.#addTyped(0, VALUE_STRING, bytes, start, end)
  }

  /** Every value of the first `rowCount` rows of `column`, which holds values of the field of its name. */
  addColumn(column: Column, rowCount: number): void {
    const { name } = column
    if (name === COLUMN_OVERFLOW) {
      this.#addOverflow(column, rowCount)
      return
    }
    // Of our own columns only the level as it was sent is text that a sender wrote.
    if (name.startsWith(OWN_COLUMN_PREFIX) && name !== COLUMN_LEVEL_TEXT) return
    const seed = seedOf(name === COLUMN_LEVEL_TEXT ? FIELD_LEVEL : name)
    switch (column.kind) {
      case 'dictionary':
        for (let i = 0; i < column.types.length; i++)
          this.#addTyped(seed, column.types[i]!, column.bytes, column.offsets[i]!, column.offsets[i + 1]!)
        break
      case 'integer':
        this.#addIntegers(seed, column.values, rowCount)
        break
      case 'bytes':
        this.#addBytes(seed, column.types, column.offsets, column.bytes, rowCount)
        break
    }
  }

  #addBytes(seed: number, types: Uint8Array, offsets: Uint32Array, bytes: Uint8Array, rowCount: number): void {
    this.#addRows(seed, types, offsets, bytes, rowCount)
    for (let row = 0; row < rowCount; row++)
      if (types[row]! >= VALUE_NULL) this.#addHidden(seed, types[row]!, bytes, offsets[row]!, offsets[row + 1]!)
  }

  /** Its tokens, and its fields as if each had its own column. */
  #addOverflow(column: Column, rowCount: number): void {
    for (let row = 0; row < rowCount; row++) {
      const value = valueBytes(column, row)
      if (value.length === 0) continue
      this.#addTyped(0, VALUE_JSON, value, 0, value.length)
      for (const { path, isString, text } of overflowFields(value, 0, value.length)) {
        this.#overflowPaths.add(path)
        const bytes = utf8Bytes(text)
        this.#addTyped(seedOf(path), isString ? VALUE_STRING : VALUE_JSON, bytes, 0, bytes.length)
      }
    }
  }

  /** All that one value may be found by. `seed` is valueSeed of its field, or 0 for no (field, value) hash. */
  #addTyped(seed: number, type: number, bytes: Uint8Array, start: number, end: number): void {
    this.#oneOffsets[0] = start
    this.#oneOffsets[1] = end
    this.#addRows(seed, ONE_TYPE, this.#oneOffsets, bytes, 1)
    if (type >= VALUE_NULL) this.#addHidden(seed, type, bytes, start, end)
  }

  /** What a null or a JSON value may be found by besides its own bytes. */
  #addHidden(seed: number, type: number, bytes: Uint8Array, start: number, end: number): void {
    // Whether a query writes a null as nothing or as `null`, it finds the block.
    if (type === VALUE_NULL) this.#addTyped(seed, VALUE_STRING, NULL_BYTES, 0, NULL_BYTES.length)
    if (type === VALUE_JSON && bytes.subarray(start, end).includes(BACKSLASH)) this.#addUnescaped(bytes, start, end)
  }

  /** Texts within JSON whose escapes hide their tokens: `"a\u0062"` is found as `ab` too. */
  #addUnescaped(bytes: Uint8Array, start: number, end: number): void {
    let value: unknown
    try {
      value = JSON.parse(utf8Text(bytes, start, end))
    } catch {
      return // Not JSON after all: its text is what can be searched for, and that was added.
    }
    const pending: unknown[] = [value]
    while (pending.length > 0) {
      const next = pending.pop()
      if (typeof next === 'string') {
        const text = utf8Bytes(next)
        this.addText(text, 0, text.length)
      } else if (typeof next === 'object' && next !== null) {
        for (const [key, inner] of Object.entries(next)) pending.push(key, inner)
      }
    }
  }

  #addIntegers(seed: number, values: Float64Array, rowCount: number): void {
    let min = Infinity
    let max = -Infinity
    for (let row = 0; row < rowCount; row++) {
      const value = values[row]!
      if (value < min) min = value
      if (value > max) max = value
    }
    if (min > max) return
    const texts = new IntegerTexts(rowCount)
    if (max - min < INTEGER_SPAN_MAX) {
      const seen = new Uint8Array(max - min + 1)
      for (let row = 0; row < rowCount; row++) {
        const value = values[row]!
        if (!Number.isNaN(value)) seen[value - min] = 1
      }
      for (let i = 0; i < seen.length; i++) if (seen[i] === 1) texts.add(min + i)
    } else {
      let previous = NaN
      for (let row = 0; row < rowCount; row++) {
        const value = values[row]!
        if (!Number.isNaN(value) && value !== previous) texts.add(value)
        previous = value
      }
    }
    this.#addRows(seed, constantTypes(VALUE_NUMBER, texts.count), texts.offsets, texts.bytes, texts.count)
  }

  /** Adds the tokens of every row's value and its (field, value) hash. */
  #addRows(seed: number, types: Uint8Array, offsets: Uint32Array, bytes: Uint8Array, rowCount: number): void {
    for (let row = 0; row < rowCount; ) {
      const room = entriesFor(offsets[row + 1]! - offsets[row]!)
      if (room > this.#log.length) this.#log = new Int32Array(room)
      const log = this.#log
      const to = logRows(log, seed, types, offsets, bytes, row, rowCount)
      this.#table.addLogged(log, log[log.length - 1]!, bytes)
      row = to
    }
  }
}

/** Length of a log that holds what a value of `length` bytes gives: every other byte can end a token, the value itself has a hash. */
function entriesFor(length: number): number {
  return ((length >>> 1) + 2) * LOG_STRIDE + 1
}

/**
 * Logs the tokens and the (field, value) hashes of rows from `from` on while the log has room; returns the row to go on with; the
 * last entry of the log says how much of it is filled. The hot loop of a cut, 1.6 ns a byte of text: one branch a byte, nothing done at a
 * token's end but three stores, no call, which would make V8 load the arrays' addresses anew at each access.
 */
function logRows(
  log: Int32Array,
  seed: number,
  types: Uint8Array,
  offsets: Uint32Array,
  bytes: Uint8Array,
  from: number,
  rowCount: number,
): number {
  let logged = 0
  let row = from
  for (; row < rowCount; row++) {
    if (types[row] === VALUE_ABSENT) continue
    const start = offsets[row]!
    const end = offsets[row + 1]!
    if (logged + ((end - start) >>> 1) * LOG_STRIDE + 2 * LOG_STRIDE >= log.length) break
    let hash = SEED
    let kind = 0
    let length = 0
    for (let i = start; i < end; i++) {
      const folded = FOLD[bytes[i]!]!
      if (folded !== 0) {
        hash = Math.imul(hash ^ folded, MULTIPLIER)
        kind |= folded ^ KIND_BASE
        length++
      } else if (length !== 0) {
        log[logged] = hash
        log[logged + 1] = (length << 8) | kind
        log[logged + 2] = i
        logged += LOG_STRIDE
        hash = SEED
        kind = 0
        length = 0
      }
    }
    if (length !== 0) {
      log[logged] = hash
      log[logged + 1] = (length << 8) | kind
      log[logged + 2] = end
      logged += LOG_STRIDE
    }
    if (seed === 0 || end - start > VALUE_HASH_BYTES_MAX) continue
    // An identifier is found by its token.
    if (length === end - start && length >= IDENTIFIER_BYTES_MIN && (kind & KIND_DIGIT_MASK) === KIND_DIGIT) continue
    let value = seed
    for (let i = start; i < end; i++) value = Math.imul(value ^ LOWER[bytes[i]!]!, MULTIPLIER)
    log[logged] = value
    log[logged + 1] = KIND_HASH_ONLY
    logged += LOG_STRIDE
  }
  log[log.length - 1] = logged
  return row
}

/** Constants of this module: V8 does not see through imports. */
const FOLD = TOKEN_FOLD
const LOWER = ASCII_LOWER
const SEED = HASH_SEED
const MULTIPLIER = HASH_MULTIPLIER

function seedOf(field: string): number {
  return hasValueHashes(field) ? valueSeed(field) || 1 : 0
}

const OWN_COLUMN_PREFIX = '\\@'
const ONE_TYPE = Uint8Array.of(VALUE_STRING)
const NULL_BYTES = utf8Bytes('null')
const BACKSLASH = 0x5c

/** Texts of integers, one after the other. */
class IntegerTexts {
  readonly offsets: Uint32Array
  readonly bytes: Uint8Array
  count = 0

  constructor(countMax: number) {
    this.offsets = new Uint32Array(countMax + 1)
    this.bytes = new Uint8Array(countMax * INTEGER_TEXT_BYTES_MAX)
  }

  add(value: number): void {
    this.offsets[this.count + 1] = writeInteger(value, this.bytes, this.offsets[this.count]!)
    this.count++
  }
}

/** Writes the decimal text of a safe integer from `at` on; returns its end. */
export function writeInteger(value: number, out: Uint8Array, at: number): number {
  let rest = Math.abs(value)
  let start = at
  if (value < 0) out[start++] = 0x2d
  let end = start + 1
  for (let power = rest; power >= 10; power = Math.floor(power / 10)) end++
  for (let i = end - 1; i >= start; i--) {
    const tenth = Math.floor(rest / 10)
    out[i] = 0x30 + (rest - tenth * 10)
    rest = tenth
  }
  return end
}
