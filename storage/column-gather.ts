import { assert, present } from '../base/assert.ts'
import { utf8Text } from '../base/bytes.ts'
import type { BytesColumn, Column, DictionaryColumn, IntegerColumn } from '../base/columns.ts'
import { VALUE_ABSENT, VALUE_NUMBER } from '../base/columns.ts'
import type { ColumnArrays } from './column-arrays.ts'
import { freshArrays } from './column-arrays.ts'
import { constantTypes, uniformType } from './constant-types.ts'
import { DictionaryBuilder } from './dictionary-builder.ts'
import { writeInteger } from './token-collector.ts'

/** One part's share of a column: undefined when none of its rows has the field. */
export interface ColumnPart {
  readonly column: Column | undefined
  readonly rowCount: number
}

const builder = new DictionaryBuilder()
const MINUS = 0x2d
const ZERO = 0x30
const CANONICAL_INTEGER = /^(0|-?[1-9][0-9]{0,15})$/

/**
 * One column of all parts' rows, in their order. Integers stay integers; few distinct values make a dictionary; anything else, and a mixture,
 * makes a bytes column. Bulk copies: about 0.03 µs a record of 11 fields.
 */
export function concatColumns(
  name: string,
  parts: readonly ColumnPart[],
  rowCount: number,
  arrays: ColumnArrays = freshArrays,
): Column {
  const kinds = new Set<string>()
  for (const { column } of parts) if (column !== undefined) kinds.add(column.kind)
  if (kinds.has('integer') && !kinds.has('bytes')) {
    const integers = concatIntegers(name, parts, rowCount, arrays)
    if (integers !== undefined) return integers
  }
  if (kinds.size === 1 && kinds.has('dictionary')) {
    // Of numbers, sections have dictionaries where their rows are few; together they may have too many values for one.
    const joined = concatDictionaries(name, parts, rowCount, arrays) ?? concatIntegers(name, parts, rowCount, arrays)
    if (joined !== undefined) return joined
  }
  return concatBytes(name, parts, rowCount, arrays)
}

/** Undefined when a dictionary holds something else than integers. */
function concatIntegers(
  name: string,
  parts: readonly ColumnPart[],
  rowCount: number,
  arrays: ColumnArrays,
): IntegerColumn | undefined {
  const values = arrays.values(rowCount)
  let from = 0
  for (const { column, rowCount: count } of parts) {
    if (column === undefined) values.fill(NaN, from, from + count)
    else if (column.kind === 'integer') values.set(firstOf(column.values, count), from)
    else if (column.kind === 'dictionary') {
      const numbers = integersOf(column)
      if (numbers === undefined) return undefined
      for (let row = 0; row < count; row++) values[from + row] = numbers[column.codes[row]!]!
    } else return undefined
    from += count
  }
  return { kind: 'integer', name, values }
}

/** The integer of each code, NaN for code 0; undefined when some value is no canonical integer. */
function integersOf(column: DictionaryColumn): Float64Array | undefined {
  const numbers = new Float64Array(column.types.length + 1).fill(NaN)
  for (let i = 0; i < column.types.length; i++) {
    if (column.types[i] !== VALUE_NUMBER) return undefined
    const text = utf8Text(column.bytes, column.offsets[i]!, column.offsets[i + 1]!)
    const value = Number(text)
    if (!CANONICAL_INTEGER.test(text) || !Number.isSafeInteger(value)) return undefined
    numbers[i + 1] = value
  }
  return numbers
}

/** Undefined when the parts together hold too many values. */
function concatDictionaries(
  name: string,
  parts: readonly ColumnPart[],
  rowCount: number,
  arrays: ColumnArrays,
): DictionaryColumn | undefined {
  builder.reset()
  const codes = arrays.octets(rowCount)
  const remap = new Uint8Array(256)
  let from = 0
  for (const { column, rowCount: count } of parts) {
    if (column === undefined) codes.fill(0, from, from + count)
    else {
      assert(column.kind === 'dictionary', 'only dictionaries are joined as such')
      let same = true
      for (let i = 0; i < column.types.length; i++) {
        const code = builder.code(column.types[i]!, column.bytes, column.offsets[i]!, column.offsets[i + 1]!)
        if (code === 0) return undefined
        remap[i + 1] = code
        if (code !== i + 1) same = false
      }
      if (same) codes.set(firstOf(column.codes, count), from)
      else for (let row = 0; row < count; row++) codes[from + row] = remap[column.codes[row]!]!
    }
    from += count
  }
  return builder.column(name, codes)
}

function concatBytes(name: string, parts: readonly ColumnPart[], rowCount: number, arrays: ColumnArrays): BytesColumn {
  let length = 0
  for (const part of parts) length += textLength(part)
  const types = arrays.octets(rowCount)
  const offsets = arrays.offsets(rowCount + 1)
  const bytes = arrays.bytes(length)
  let from = 0
  let end = 0
  for (const { column, rowCount: count } of parts) {
    if (column?.kind !== 'bytes') types.fill(VALUE_ABSENT, from, from + count)
    if (column === undefined) offsets.fill(end, from, from + count)
    else if (column.kind === 'bytes') {
      const base = column.offsets[0]!
      types.set(firstOf(column.types, count), from)
      for (let row = 0; row < count; row++) offsets[from + row] = end + column.offsets[row]! - base
      const upTo = column.offsets[count]!
      bytes.set(base === 0 && upTo === column.bytes.length ? column.bytes : column.bytes.subarray(base, upTo), end)
      end += upTo - base
    } else {
      for (let row = 0; row < count; row++) {
        offsets[from + row] = end
        end =
          column.kind === 'integer'
            ? copyInteger(column, row, types, from, bytes, end)
            : copyCoded(column, row, types, from, bytes, end)
      }
    }
    from += count
  }
  offsets[rowCount] = end
  return { kind: 'bytes', name, types, offsets, bytes: bytes.subarray(0, end) }
}

function copyInteger(
  column: IntegerColumn,
  row: number,
  types: Uint8Array,
  from: number,
  bytes: Uint8Array,
  at: number,
): number {
  const value = column.values[row]!
  if (Number.isNaN(value)) return at
  types[from + row] = VALUE_NUMBER
  return writeInteger(value, bytes, at)
}

function copyCoded(
  column: DictionaryColumn,
  row: number,
  types: Uint8Array,
  from: number,
  bytes: Uint8Array,
  at: number,
): number {
  const code = column.codes[row]!
  if (code === 0) return at
  types[from + row] = column.types[code - 1]!
  let end = at
  for (let i = column.offsets[code - 1]!; i < column.offsets[code]!; i++) bytes[end++] = column.bytes[i]!
  return end
}

/** Bytes that the values of a part take as text; for integers an upper bound. */
function textLength({ column, rowCount }: ColumnPart): number {
  if (column === undefined) return 0
  switch (column.kind) {
    case 'bytes':
      return column.offsets[rowCount]! - column.offsets[0]!
    case 'integer':
      return rowCount * 17
    case 'dictionary': {
      let length = 0
      for (let row = 0; row < rowCount; row++) {
        const code = column.codes[row]!
        if (code !== 0) length += column.offsets[code]! - column.offsets[code - 1]!
      }
      return length
    }
  }
}

/** The rows that `order` lists, in its order. */
export function takeRows(column: Column, order: Uint32Array, arrays: ColumnArrays = freshArrays): Column {
  const { name } = column
  const count = order.length
  switch (column.kind) {
    case 'integer': {
      const values = arrays.values(count)
      for (let i = 0; i < count; i++) values[i] = column.values[order[i]!]!
      return { kind: 'integer', name, values }
    }
    case 'dictionary': {
      const codes = arrays.octets(count)
      for (let i = 0; i < count; i++) codes[i] = column.codes[order[i]!]!
      return { ...column, codes }
    }
    case 'bytes':
      return takeBytes(column, order, arrays)
  }
}

/** Longer runs of neighbouring rows are copied at once. */
const BULK_COPY_BYTES_MIN = 128

function takeBytes(column: BytesColumn, order: Uint32Array, arrays: ColumnArrays): BytesColumn {
  const count = order.length
  const from = column.offsets
  const offsets = arrays.offsets(count + 1)
  let length = 0
  for (let i = 0; i < count; i++) {
    offsets[i] = length
    length += from[order[i]! + 1]! - from[order[i]!]!
  }
  offsets[count] = length
  const source = column.bytes
  const bytes = arrays.bytes(length)
  for (let i = 0; i < count; ) {
    let last = i
    while (last + 1 < count && order[last + 1] === order[last]! + 1) last++
    const start = from[order[i]!]!
    const end = from[order[last]! + 1]!
    let at = offsets[i]!
    if (end - start >= BULK_COPY_BYTES_MIN) bytes.set(source.subarray(start, end), at)
    else for (let j = start; j < end; j++) bytes[at++] = source[j]!
    i = last + 1
  }
  const uniform = column.types.length > 0 ? uniformType(column.types, column.types.length) : VALUE_ABSENT
  let types: Uint8Array
  if (uniform > VALUE_ABSENT) types = constantTypes(uniform as 1, count)
  else {
    types = arrays.octets(count)
    for (let i = 0; i < count; i++) types[i] = column.types[order[i]!]!
  }
  return { kind: 'bytes', name: column.name, types, offsets, bytes }
}

/** The same values as a dictionary, where there are few enough, or else as integers; and a dictionary without values that no row has. */
export function compacted(column: Column, rowCount: number, arrays: ColumnArrays = freshArrays): Column {
  if (column.kind === 'bytes') return toDictionary(column, rowCount) ?? toIntegers(column, rowCount, arrays) ?? column
  if (column.kind === 'integer') return column
  const used = new Uint8Array(256)
  for (let row = 0; row < rowCount; row++) used[column.codes[row]!] = 1
  let usedCount = 0
  for (let code = 1; code <= column.types.length; code++) usedCount += used[code]!
  if (usedCount === column.types.length) return column
  builder.reset()
  const remap = new Uint8Array(256)
  for (let code = 1; code <= column.types.length; code++) {
    if (used[code] === 1)
      remap[code] = builder.code(
        column.types[code - 1]!,
        column.bytes,
        column.offsets[code - 1]!,
        column.offsets[code]!,
      )
  }
  const codes = new Uint8Array(rowCount)
  for (let row = 0; row < rowCount; row++) codes[row] = remap[column.codes[row]!]!
  return builder.column(column.name, codes)
}

/** Most columns that are no dictionary show it by then. */
const TRIED_ROWS = 512

/** Gives up at the 256th distinct value, which for ids is the 256th row. */
function toDictionary(column: BytesColumn, rowCount: number): DictionaryColumn | undefined {
  builder.reset()
  let codes = new Uint8Array(Math.min(rowCount, TRIED_ROWS))
  for (let row = 0; row < rowCount; row++) {
    const type = column.types[row]!
    if (row === codes.length) {
      const all = new Uint8Array(rowCount)
      all.set(codes)
      codes = all
    }
    if (type === VALUE_ABSENT) continue
    const code = builder.code(type, column.bytes, column.offsets[row]!, column.offsets[row + 1]!)
    if (code === 0) return undefined
    codes[row] = code
  }
  return builder.column(column.name, codes)
}

/** More digits would not all be safe integers. */
const SAFE_DIGITS = 15

/** Undefined when some value is no canonical integer. */
function toIntegers(column: BytesColumn, rowCount: number, arrays: ColumnArrays): IntegerColumn | undefined {
  const { types, offsets, bytes } = column
  const values = arrays.values(rowCount)
  for (let row = 0; row < rowCount; row++) {
    if (types[row] === VALUE_ABSENT) {
      values[row] = NaN
      continue
    }
    if (types[row] !== VALUE_NUMBER) return undefined
    const end = offsets[row + 1]!
    const isNegative = bytes[offsets[row]!] === MINUS
    const start = isNegative ? offsets[row]! + 1 : offsets[row]!
    const digits = end - start
    if (digits < 1 || digits > SAFE_DIGITS) return undefined
    if (bytes[start] === ZERO && (digits > 1 || isNegative)) return undefined
    let value = 0
    for (let i = start; i < end; i++) {
      const digit = bytes[i]! - ZERO
      if (digit < 0 || digit > 9) return undefined
      value = value * 10 + digit
    }
    values[row] = isNegative ? -value : value
  }
  return { kind: 'integer', name: column.name, values }
}

function firstOf<T extends Uint8Array | Float64Array>(values: T, count: number): T {
  assert(values.length >= count, 'a column has an entry for every row')
  return values.length === count ? values : (present(values.subarray(0, count), 'rows') as T)
}
