import { utf8Bytes, utf8Text } from '../base/bytes.ts'
import type { Column } from '../base/columns.ts'
import {
  COLUMN_LEVEL_TEXT,
  COLUMN_OVERFLOW,
  FIELD_LEVEL,
  VALUE_ABSENT,
  VALUE_JSON,
  VALUE_NULL,
  VALUE_STRING,
  valueBytes,
} from '../base/columns.ts'
import { HASH_MULTIPLIER, HASH_SEED, valueHashOfBytes, valueSeed } from '../base/hash.ts'
import { foldTokenBytes, TOKEN_FOLD, WORD_LENGTH_MAX, WORD_LENGTH_MIN } from '../base/tokenizer.ts'
import { hasValueHashes, VALUE_HASH_BYTES_MAX, VALUE_IS_TOKEN_BYTES_MIN } from './bloom.ts'
import { overflowFields } from './overflow-column.ts'

/** More distinct words than this in a block are ids or noise; such a block is always scanned. */
export const BLOCK_WORDS_MAX = 4096

/** Every folded ASCII letter has these bits; digits and `_` lack one of them. */
const LETTER_BITS = 0x60
const NON_ASCII_BIT = 0x80
/** Integer columns whose values span less are looked at once a distinct value. */
const INTEGER_SPAN_MAX = 65_536
const TABLE_LOG2_MIN = 14
/** A larger table, made by an odd block, is given back at the next reset. */
const TABLE_LOG2_KEPT_MAX = 18
/** A sign and 16 digits. */
const INTEGER_TEXT_BYTES_MAX = 17
const FIBONACCI = 0x9e3779b1 | 0

/**
 * Gathers what the filters of a block hold: distinct hashes of tokens and of (field, value) pairs for the bloom filter, distinct words for
 * the word index. One open-addressing table keyed by token hash serves both; a word is compared with the bytes kept at its first
 * sight, so that two words of one hash are both found (S5). Reusable: `reset` keeps the memory.
 */
export class TokenCollector {
  #log2Size = TABLE_LOG2_MIN
  /** 0: free, else a hash. */
  #hashes = new Int32Array(2 ** TABLE_LOG2_MIN)
  /** By the same slot: 0, or 1 + place of the word in #letters (length byte, then folded bytes). */
  #wordAt = new Int32Array(2 ** TABLE_LOG2_MIN)
  #hashCount = 0
  #letters = new Uint8Array(16_384)
  #lettersLength = 0
  #wordCount = 0
  #wordsOverflow = false
  /** Words whose hash was another word's first. */
  #twins = new Set<string>()
  #folded = new Uint8Array(256)
  #overflowPaths = new Set<string>()

  reset(): void {
    if (this.#log2Size > TABLE_LOG2_KEPT_MAX) {
      this.#log2Size = TABLE_LOG2_MIN
      this.#hashes = new Int32Array(2 ** TABLE_LOG2_MIN)
      this.#wordAt = new Int32Array(2 ** TABLE_LOG2_MIN)
    } else if (this.#hashCount > 0) {
      this.#hashes.fill(0)
      this.#wordAt.fill(0)
    }
    this.#hashCount = 0
    this.#lettersLength = 0
    this.#wordCount = 0
    this.#wordsOverflow = false
    this.#twins.clear()
    this.#overflowPaths.clear()
  }

  /** Fields of which some values lie in the overflow column. */
  get overflowPaths(): ReadonlySet<string> {
    return this.#overflowPaths
  }

  /** The distinct hashes, in no particular order. */
  hashes(): Int32Array {
    const distinct = new Int32Array(this.#hashCount)
    let count = 0
    for (const hash of this.#hashes) if (hash !== 0) distinct[count++] = hash
    return distinct
  }

  /** The distinct words by code unit order, or null when there are more than BLOCK_WORDS_MAX. */
  words(): string[] | null {
    if (this.#wordsOverflow) return null
    const words = [...this.#twins]
    for (let at = 0; at < this.#lettersLength; at += 1 + this.#letters[at]!)
      words.push(utf8Text(this.#letters, at + 1, at + 1 + this.#letters[at]!))
    return words.sort()
  }

  /** Tokens of the text bytes[start, end). */
  addText(bytes: Uint8Array, start: number, end: number): void {
    this.#addTokens(bytes, start, end)
  }

  /** All that a value of `field` may be found by. `seed` is valueSeed(field), or 0 for none (see hasValueHashes). */
  addValue(seed: number, bytes: Uint8Array, start: number, end: number): void {
    const whole = this.#addTokens(bytes, start, end)
    const length = end - start
    if (seed !== 0 && length <= VALUE_HASH_BYTES_MAX && !(whole && length >= VALUE_IS_TOKEN_BYTES_MIN))
      this.#addHash(valueHashOfBytes(seed, bytes, start, end))
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
    for (let row = 0; row < rowCount; row++) {
      const type = types[row]!
      if (type === VALUE_ABSENT) continue
      if (type < VALUE_NULL) this.addValue(seed, bytes, offsets[row]!, offsets[row + 1]!)
      else this.#addTyped(seed, type, bytes, offsets[row]!, offsets[row + 1]!)
    }
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

  #addTyped(seed: number, type: number, bytes: Uint8Array, start: number, end: number): void {
    if (type === VALUE_NULL) {
      // Whether a query writes a null as nothing or as `null`, it finds the block.
      this.addValue(seed, bytes, start, end)
      this.addValue(seed, NULL_BYTES, 0, NULL_BYTES.length)
      return
    }
    this.addValue(seed, bytes, start, end)
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
        this.#addTokens(text, 0, text.length)
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
    const digits = new Uint8Array(INTEGER_TEXT_BYTES_MAX)
    if (max - min < INTEGER_SPAN_MAX) {
      const seen = new Uint8Array(max - min + 1)
      for (let row = 0; row < rowCount; row++) {
        const value = values[row]!
        if (!Number.isNaN(value)) seen[value - min] = 1
      }
      for (let i = 0; i < seen.length; i++) {
        if (seen[i] === 1) this.addValue(seed, digits, 0, writeInteger(min + i, digits))
      }
      return
    }
    let previous = NaN
    for (let row = 0; row < rowCount; row++) {
      const value = values[row]!
      if (!Number.isNaN(value) && value !== previous) this.addValue(seed, digits, 0, writeInteger(value, digits))
      previous = value
    }
  }

  /** Returns true when the whole text is one token. The hot loop: about 0.3 µs for the 100 bytes of a record that need it. */
  #addTokens(bytes: Uint8Array, start: number, end: number): boolean {
    let i = start
    while (i < end) {
      let folded = TOKEN_FOLD[bytes[i]!]!
      if (folded === 0) {
        i++
        continue
      }
      const from = i
      let hash = HASH_SEED
      let allBits = 0xff
      let anyBits = 0
      do {
        hash = Math.imul(hash ^ folded, HASH_MULTIPLIER)
        allBits &= folded
        anyBits |= folded
        i++
        if (i >= end) break
        folded = TOKEN_FOLD[bytes[i]!]!
      } while (folded !== 0)
      if ((anyBits & NON_ASCII_BIT) !== 0) this.#addNonAscii(bytes, from, i)
      else {
        const length = i - from
        if ((allBits & LETTER_BITS) === LETTER_BITS && length >= WORD_LENGTH_MIN && length <= WORD_LENGTH_MAX)
          this.#addWord(hash, bytes, from, length)
        else this.#addHash(hash)
      }
      if (i - from === end - start) return true
    }
    return false
  }

  #addNonAscii(bytes: Uint8Array, start: number, end: number): void {
    if (this.#folded.length < 3 * (end - start)) this.#folded = new Uint8Array(6 * (end - start))
    const folded = this.#folded
    const length = foldTokenBytes(bytes, start, end, folded)
    let hash = HASH_SEED
    let letters = true
    let units = 0
    for (let i = 0; i < length; i++) {
      const byte = folded[i]!
      hash = Math.imul(hash ^ byte, HASH_MULTIPLIER)
      if (byte < 0x61) letters = false
      if ((byte & 0xc0) !== 0x80) units += byte >= 0xf0 ? 2 : 1
    }
    if (letters && units >= WORD_LENGTH_MIN && units <= WORD_LENGTH_MAX) this.#addWord(hash, folded, 0, length)
    else this.#addHash(hash)
    // Decoders may take a leading byte-order mark away, so the token is found without it as well.
    if (end - start > 3 && bytes[start] === 0xef && bytes[start + 1] === 0xbb && bytes[start + 2] === 0xbf)
      this.#addTokens(bytes, start + 3, end)
  }

  #addHash(rawHash: number): void {
    const hash = rawHash === 0 ? 1 : rawHash
    const hashes = this.#hashes
    const mask = hashes.length - 1
    let slot = Math.imul(hash, FIBONACCI) >>> (32 - this.#log2Size)
    for (;;) {
      const found = hashes[slot]!
      if (found === hash) return
      if (found === 0) break
      slot = (slot + 1) & mask
    }
    hashes[slot] = hash
    this.#countHash()
  }

  #addWord(rawHash: number, bytes: Uint8Array, start: number, length: number): void {
    const hash = rawHash === 0 ? 1 : rawHash
    const hashes = this.#hashes
    const mask = hashes.length - 1
    let slot = Math.imul(hash, FIBONACCI) >>> (32 - this.#log2Size)
    for (;;) {
      const found = hashes[slot]!
      if (found === hash) {
        const at = this.#wordAt[slot]!
        if (at === 0) break
        const letters = this.#letters
        let same = letters[at - 1] === length
        for (let i = 0; i < length && same; i++) same = letters[at + i] === TOKEN_FOLD[bytes[start + i]!]
        if (!same) this.#addTwin(bytes, start, length)
        return
      }
      if (found === 0) {
        hashes[slot] = hash
        if (!this.#wordsOverflow) this.#wordAt[slot] = this.#keepWord(bytes, start, length)
        this.#countHash()
        return
      }
      slot = (slot + 1) & mask
    }
    // The hash came from a token that is no word; the slot stays.
    if (!this.#wordsOverflow) this.#wordAt[slot] = this.#keepWord(bytes, start, length)
  }

  /** Returns 1 + the place of the kept word. */
  #keepWord(bytes: Uint8Array, start: number, length: number): number {
    if (this.#wordCount + this.#twins.size >= BLOCK_WORDS_MAX) {
      this.#wordsOverflow = true
      return 0
    }
    if (this.#lettersLength + 1 + length > this.#letters.length) {
      const grown = new Uint8Array(this.#letters.length * 2)
      grown.set(this.#letters)
      this.#letters = grown
    }
    const at = this.#lettersLength
    this.#letters[at] = length
    for (let i = 0; i < length; i++) this.#letters[at + 1 + i] = TOKEN_FOLD[bytes[start + i]!]!
    this.#lettersLength = at + 1 + length
    this.#wordCount++
    return at + 1
  }

  #addTwin(bytes: Uint8Array, start: number, length: number): void {
    const folded = new Uint8Array(bytes.subarray(start, start + length))
    for (let i = 0; i < length; i++) folded[i] = TOKEN_FOLD[folded[i]!]!
    this.#twins.add(utf8Text(folded))
    if (this.#wordCount + this.#twins.size > BLOCK_WORDS_MAX) this.#wordsOverflow = true
  }

  #countHash(): void {
    this.#hashCount++
    if (this.#hashCount * 2 <= this.#hashes.length) return
    const { size, hashes, wordAt } = { size: this.#hashes.length, hashes: this.#hashes, wordAt: this.#wordAt }
    this.#log2Size++
    this.#hashes = new Int32Array(size * 2)
    this.#wordAt = new Int32Array(size * 2)
    const mask = size * 2 - 1
    for (let old = 0; old < size; old++) {
      const hash = hashes[old]!
      if (hash === 0) continue
      let slot = Math.imul(hash, FIBONACCI) >>> (32 - this.#log2Size)
      while (this.#hashes[slot] !== 0) slot = (slot + 1) & mask
      this.#hashes[slot] = hash
      this.#wordAt[slot] = wordAt[old]!
    }
  }
}

function seedOf(field: string): number {
  return hasValueHashes(field) ? valueSeed(field) || 1 : 0
}

const OWN_COLUMN_PREFIX = '\\@'
const NULL_BYTES = utf8Bytes('null')
const BACKSLASH = 0x5c

/** Writes the decimal text of a safe integer; returns its length. */
export function writeInteger(value: number, out: Uint8Array): number {
  let rest = Math.abs(value)
  let length = value < 0 ? 1 : 0
  if (value < 0) out[0] = 0x2d
  for (let power = rest; power >= 10; power = Math.floor(power / 10)) length++
  const end = length + 1
  for (let i = end - 1; i >= (value < 0 ? 1 : 0); i--) {
    const tenth = Math.floor(rest / 10)
    out[i] = 0x30 + (rest - tenth * 10)
    rest = tenth
  }
  return end
}
