import { utf8Bytes, utf8Text } from '../base/bytes.ts'
import type { Column } from '../base/columns.ts'
import {
  COLUMN_LEVEL_TEXT,
  COLUMN_OVERFLOW,
  FIELD_LEVEL,
  VALUE_JSON,
  VALUE_NULL,
  VALUE_STRING,
  valueBytes,
} from '../base/columns.ts'
import { valueSeed } from '../base/hash.ts'
import { hasValueHashes } from './bloom.ts'
import { overflowFields } from './overflow-column.ts'
import type { Values } from './token-table.ts'
import { TokenTable } from './token-table.ts'

/**
 * Gathers what the filters of a block hold: distinct hashes of tokens and of (field, value) pairs for the bloom filter, distinct words for
 * the word index.
 */
export class TokenCollector {
  readonly #table = new TokenTable()
  readonly #oneOffsets = new Uint32Array(2)
  readonly #overflowPaths = new Set<string>()

  reset(): void {
    this.#table.reset()
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

  /** The filter of the hashes. */
  bloom(): Uint8Array {
    return this.#table.bloom()
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
        this.#addValues(seed, column, column.types.length)
        break
      case 'integer':
        this.#table.addIntegers(seed, column.values, rowCount)
        break
      case 'bytes':
        this.#addValues(seed, column, rowCount)
        break
    }
  }

  #addValues(seed: number, values: Values, rowCount: number): void {
    this.#table.add(seed, values, rowCount)
    const { types, offsets, bytes } = values
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
    this.#table.add(seed, { types: ONE_TYPE, offsets: this.#oneOffsets, bytes }, 1)
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
}

function seedOf(field: string): number {
  return hasValueHashes(field) ? valueSeed(field) || 1 : 0
}

const OWN_COLUMN_PREFIX = '\\@'
const ONE_TYPE = Uint8Array.of(VALUE_STRING)
const NULL_BYTES = utf8Bytes('null')
const BACKSLASH = 0x5c

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
