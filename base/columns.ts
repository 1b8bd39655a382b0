/**
 * Rows held as columns: the one form in which records travel from the scanner to the disk and back to a query.
 *
 * A field is named by its canonical path: its keys joined with ".", where "." and "\" inside a key are escaped with a
 * backslash. So {"a":{"b":1}} is the path `a.b` and {"a.b":1} is `a\.b` (S8). Names that begin with `\@` cannot be
 * made by any sender and are reserved for columns of our own.
 */

import type { CharMask } from './char-mask.ts'

/** How a value was written. The code is stored; never renumber. */
export const VALUE_ABSENT = 0
/** Bytes are the UTF-8 text, escapes decoded. */
export const VALUE_STRING = 1
/** Bytes are the number's own text, so 2^53+1 and 1.0 survive. */
export const VALUE_NUMBER = 2
/** Bytes are `true` or `false`. */
export const VALUE_BOOLEAN = 3
/** No bytes. */
export const VALUE_NULL = 4
/** Bytes are JSON text: an array, or the empty object. */
export const VALUE_JSON = 5
export type ValueType = 0 | 1 | 2 | 3 | 4 | 5

/** Known fields; a top-level field of this name or of one of its aliases. */
export const FIELD_LEVEL = 'level'
export const FIELD_SERVICE = 'service'
export const FIELD_HOST = 'host'
export const FIELD_MESSAGE = 'message'
export const FIELD_TRACE_ID = 'traceId'
export const FIELD_SPAN_ID = 'spanId'
export const FIELD_TAGS = 'tags'

/** Our own columns. Alias under which a known field was sent, where it was not its own name: `\@src.message` = `msg`. */
export const COLUMN_SOURCE_PREFIX = '\\@src.'
/** The level as sent, where it differs from the normalised one. */
export const COLUMN_LEVEL_TEXT = '\\@level'
/** S4: fields beyond the column limit, one JSON object text a row: {"canonical.path": value}. */
export const COLUMN_OVERFLOW = '\\@more'

/** At most 255 distinct values; `codes[row]` is 0 for absent, else 1 + index of the value. */
export interface DictionaryColumn {
  readonly kind: 'dictionary'
  readonly name: string
  readonly codes: Uint8Array
  /** ValueType of each distinct value. */
  readonly types: Uint8Array
  /** Start of each distinct value in `bytes`; one more entry than values. */
  readonly offsets: Uint32Array
  readonly bytes: Uint8Array
}

/** Any values: value of `row` is bytes[offsets[row], offsets[row + 1]), of type types[row] (absent: empty range). */
export interface BytesColumn {
  readonly kind: 'bytes'
  readonly name: string
  readonly types: Uint8Array
  readonly offsets: Uint32Array
  readonly bytes: Uint8Array
}

/**
 * Numbers whose text is exactly what `String(value)` gives back for a safe integer (no sign but `-`, no leading zero,
 * no exponent, not `-0`). NaN marks an absent row.
 */
export interface IntegerColumn {
  readonly kind: 'integer'
  readonly name: string
  readonly values: Float64Array
}

export type Column = DictionaryColumn | BytesColumn | IntegerColumn

/** Rows as a query, a head or a codec sees them. Row numbers run from 0. */
export interface ColumnSource {
  readonly rowCount: number
  /** Integer milliseconds since the epoch, one a row. */
  readonly timeMs: Float64Array
  /** Nanoseconds within that millisecond, 0 to 999,999, one a row. */
  readonly timeNs: Uint32Array
  /** Names of all columns that have a value in some row, our own included, in a stable order. */
  readonly columnNames: readonly string[]
  /** The column, decoded when first asked for; undefined when no row has the field. */
  column(name: string): Column | undefined
  /** True when rows are in order of `timeMs`; absent: nothing is known. */
  readonly isOrderedByTime?: boolean
  /** False when no value of the column has all of these characters; told without decoding it. Absent: nothing is known. */
  mayHold?(name: string, chars: CharMask): boolean
}

// A leading byte-order mark is part of the value (S8).
const textDecoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** The value of one row as text, or undefined when it is absent. For cold paths; loops use the arrays. */
export function valueText(column: Column, row: number): string | undefined {
  if (valueType(column, row) === VALUE_ABSENT) return undefined
  if (column.kind === 'integer') return String(column.values[row])
  return textDecoder.decode(valueBytes(column, row))
}

export function valueType(column: Column, row: number): ValueType {
  switch (column.kind) {
    case 'dictionary': {
      const code = column.codes[row]!
      return code === 0 ? VALUE_ABSENT : (column.types[code - 1] as ValueType)
    }
    case 'bytes':
      return column.types[row] as ValueType
    case 'integer':
      return Number.isNaN(column.values[row]) ? VALUE_ABSENT : VALUE_NUMBER
  }
}

/** The bytes of one row's value; a view, empty when absent. */
export function valueBytes(column: Column, row: number): Uint8Array {
  switch (column.kind) {
    case 'dictionary': {
      const code = column.codes[row]!
      if (code === 0) return column.bytes.subarray(0, 0)
      return column.bytes.subarray(column.offsets[code - 1], column.offsets[code])
    }
    case 'bytes':
      return column.bytes.subarray(column.offsets[row], column.offsets[row + 1])
    case 'integer': {
      const value = column.values[row]!
      return Number.isNaN(value) ? new Uint8Array(0) : new TextEncoder().encode(String(value))
    }
  }
}

/** Canonical path of nested keys, outermost first. */
export function pathOf(keys: readonly string[]): string {
  return keys.map((key) => key.replace(/[\\.]/g, '\\$&')).join('.')
}

/** The keys of a canonical path, outermost first. Inverse of `pathOf`. */
export function keysOfPath(path: string): string[] {
  const keys: string[] = []
  let key = ''
  for (let i = 0; i < path.length; i++) {
    const c = path[i]
    if (c === '\\' && i + 1 < path.length) key += path[++i]
    else if (c === '.') {
      keys.push(key)
      key = ''
    } else key += c
  }
  keys.push(key)
  return keys
}
