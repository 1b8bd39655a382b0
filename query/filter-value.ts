import { Bitmap } from '../base/bitmap.ts'
import { type Column, type DictionaryColumn, VALUE_ABSENT, VALUE_NULL, type ValueType } from '../base/columns.ts'
import type { ValueList } from './filter-scan.ts'

/**
 * A test of single values, with ways to put it to many at once. All give the same answer as `one`; results hold only
 * members of `within` (null: all).
 */
export interface ValueTest {
  /** Rough cost of a scan, for the order in which clauses of an AND are tried; word in one column = 10. */
  readonly cost: number
  /** `text` of a null is the empty text. */
  one(text: string, type: ValueType): boolean
  list(list: ValueList, count: number, within: Bitmap | null): Bitmap
  integers(values: Float64Array, count: number, within: Bitmap | null): Bitmap
}

/** Rows of `column` whose value passes. */
export function testColumn(test: ValueTest, column: Column, rowCount: number, within: Bitmap | null): Bitmap {
  switch (column.kind) {
    case 'dictionary': {
      const passing = test.list(column, column.types.length, null)
      return passing.isEmpty() ? new Bitmap(rowCount) : rowsWithCodes(column, passing, rowCount, within)
    }
    case 'bytes':
      return test.list(column, rowCount, within)
    case 'integer':
      return test.integers(column.values, rowCount, within)
  }
}

/** Rows whose dictionary value is in `passing`; a table of 256 bits-to-be, and one pass over the codes. */
function rowsWithCodes(column: DictionaryColumn, passing: Bitmap, rowCount: number, within: Bitmap | null): Bitmap {
  const table = new Uint8Array(256)
  for (const index of passing) table[index + 1] = 1
  return rowsByCode(column.codes, table, rowCount, within)
}

/** Rows whose code's entry in `table` is 1. */
function rowsByCode(codes: Uint8Array, table: Uint8Array, rowCount: number, within: Bitmap | null): Bitmap {
  const words = new Uint32Array((rowCount + 31) >>> 5)
  const whole = rowCount >>> 5
  for (let w = 0, row = 0; w < whole; w++) {
    let word = 0
    for (let bit = 0; bit < 32; bit++) word |= table[codes[row++]!]! << bit
    words[w] = word
  }
  for (let row = whole << 5; row < rowCount; row++) words[row >>> 5]! |= table[codes[row]!]! << (row & 31)
  const rows = new Bitmap(rowCount, words)
  return within === null ? rows : rows.and(within)
}

/** Rows that have a value, of any type. */
export function rowsWithValue(column: Column, rowCount: number): Bitmap {
  const rows = new Bitmap(rowCount)
  switch (column.kind) {
    case 'dictionary': {
      const table = new Uint8Array(256).fill(1)
      table[0] = 0
      return rowsByCode(column.codes, table, rowCount, null)
    }
    case 'bytes':
      for (let row = 0; row < rowCount; row++) if (column.types[row] !== VALUE_ABSENT) rows.add(row)
      return rows
    case 'integer':
      for (let row = 0; row < rowCount; row++) if (!Number.isNaN(column.values[row])) rows.add(row)
      return rows
  }
}

/** Members of `within` for which `test` holds: the plain way. */
export function filterRows(count: number, within: Bitmap | null, test: (index: number) => boolean): Bitmap {
  const found = new Bitmap(count)
  if (within === null) {
    for (let index = 0; index < count; index++) if (test(index)) found.add(index)
  } else {
    for (const index of within.toArray()) if (test(index)) found.add(index)
  }
  return found
}

/** Rows of an integer column by the text of their value. */
export function filterIntegerTexts(
  values: Float64Array,
  count: number,
  within: Bitmap | null,
  test: (text: string) => boolean,
): Bitmap {
  return filterRows(count, within, (row) => {
    const value = values[row]!
    return !Number.isNaN(value) && test(String(value))
  })
}

/** Values of `list` that are null. */
export function nullsOf(list: ValueList, count: number, within: Bitmap | null): Bitmap {
  return filterRows(count, within, (index) => list.types[index] === VALUE_NULL)
}
