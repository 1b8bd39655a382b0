import {
  type Column,
  type ColumnSource,
  VALUE_ABSENT,
  VALUE_BOOLEAN,
  VALUE_NULL,
  VALUE_NUMBER,
} from '../base/columns.ts'
import { WeirError } from '../base/errors.ts'
import type { GroupKey } from './ast.ts'
import { textOf } from './filter-scan.ts'
import { overflowMayHold, overflowOf } from './row-overflow.ts'
import { timestampText } from './row-time.ts'

/** A value of a table: what JSON has. A null or absent field is null; numbers that a double cannot hold stay text. */
export type Cell = string | number | boolean | null

/** The value that stands for a field's value in a group and in a table. */
export function cellOf(type: number, text: string): Cell {
  switch (type) {
    case VALUE_ABSENT:
    case VALUE_NULL:
      return null
    case VALUE_BOOLEAN:
      return text === 'true'
    case VALUE_NUMBER: {
      const value = Number(text)
      return Number.isFinite(value) && (Math.abs(value) <= Number.MAX_SAFE_INTEGER || !/^-?\d+$/.test(text))
        ? value
        : text
    }
    default:
      return text
  }
}

/** Values of one key seen so far, numbered. */
class KeyValues {
  readonly cells: Cell[] = []
  readonly #ids = new Map<Cell, number>()

  idOf(cell: Cell): number {
    let id = this.#ids.get(cell)
    if (id === undefined) {
      id = this.cells.length
      this.#ids.set(cell, id)
      this.cells.push(cell)
    }
    return id
  }
}

/** Rows' values of one key as codes 0 … size - 1 of this source, by place in the list of rows. */
interface Codes {
  readonly codes: Uint32Array
  readonly size: number
  cellOf(code: number): Cell
}

/** A table of so many slots is cheaper than a map. */
const DENSE_SLOTS_MAX = 1 << 18

/** Numbers the groups of rows: one for each combination of values of the keys. */
export class Groups {
  readonly keys: readonly GroupKey[]
  readonly #max: number
  readonly #values: readonly KeyValues[]
  /** For the second key and on: (group of the keys before, value) → group. */
  readonly #combined: readonly Map<number, number>[]
  /** Of each group, the ids of its values. */
  readonly #members: number[][] = []

  constructor(keys: readonly GroupKey[], groupsMax: number) {
    this.keys = keys
    this.#max = groupsMax
    this.#values = keys.map(() => new KeyValues())
    this.#combined = keys.map(() => new Map())
  }

  get size(): number {
    return this.#members.length
  }

  /** Values of the keys of a group. */
  cellsOf(group: number): Cell[] {
    return this.#members[group]!.map((id, key) => this.#values[key]!.cells[id]!)
  }

  /** The group of these values. Throws result_too_large. */
  groupOf(cells: readonly Cell[]): number {
    const ids = cells.map((cell, key) => this.#values[key]!.idOf(cell))
    // Ids of pairs are chained: those of the first two keys, of that pair and the third, and so on.
    let group = 0
    for (let key = 0; key < ids.length; key++) {
      const pairs = this.#combined[key]!
      const pair = group * 2 ** 26 + ids[key]!
      let next = pairs.get(pair)
      if (next === undefined) {
        next = pairs.size
        pairs.set(pair, next)
      }
      group = next
    }
    if (group === this.#members.length) {
      if (group >= this.#max) throw this.#tooMany()
      this.#members.push(ids)
    }
    return group
  }

  /** The group of each of `rows`, in order. */
  assign(source: ColumnSource, rows: Uint32Array): Uint32Array {
    const groups = new Uint32Array(rows.length)
    if (rows.length === 0) return groups
    if (this.keys.length === 0) {
      this.groupOf([])
      return groups
    }
    const codes = this.keys.map((key) => codesOf(source, key, rows))
    let slots = codes[0]!.codes
    let size = codes[0]!.size
    for (const next of codes.slice(1)) [slots, size] = combine(slots, size, next)
    const groupOfSlot = new Int32Array(size).fill(-1)
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i]!
      let group = groupOfSlot[slot]!
      if (group < 0) {
        group = this.#groupAt(codes, i)
        groupOfSlot[slot] = group
      }
      groups[i] = group
    }
    return groups
  }

  /** Apart from the loop: a closure over its counter would cost an allocation a row. */
  #groupAt(codes: readonly Codes[], at: number): number {
    return this.groupOf(codes.map((key) => key.cellOf(key.codes[at]!)))
  }

  #tooMany(): WeirError {
    let widest = 0
    this.#values.forEach((values, key) => {
      if (values.cells.length > this.#values[widest]!.cells.length) widest = key
    })
    const key = this.keys[widest]
    const field = key === undefined ? '' : key.kind === 'field' ? key.field : 'timestamp'
    return new WeirError('result_too_large', `more than ${this.#max} groups: "${field}" has too many values`, {
      field,
      limit: this.#max,
    })
  }
}

function combine(slots: Uint32Array, size: number, next: Codes): [slots: Uint32Array, size: number] {
  if (next.size === 1) return [slots, size]
  if (size === 1) return [next.codes, next.size]
  const combined = new Uint32Array(slots.length)
  if (size * next.size <= DENSE_SLOTS_MAX) {
    for (let i = 0; i < slots.length; i++) combined[i] = slots[i]! * next.size + next.codes[i]!
    return [combined, size * next.size]
  }
  const ids = new Map<number, number>()
  for (let i = 0; i < slots.length; i++) {
    const pair = slots[i]! * next.size + next.codes[i]!
    let id = ids.get(pair)
    if (id === undefined) {
      id = ids.size
      ids.set(pair, id)
    }
    combined[i] = id
  }
  return [combined, ids.size]
}

function codesOf(source: ColumnSource, key: GroupKey, rows: Uint32Array): Codes {
  if (key.kind === 'bucket') return bucketCodes(source, key.widthMs, rows)
  if (key.field === 'timestamp') {
    return internedCodes(rows, (row) => timestampText(source.timeMs[row]!, source.timeNs[row]!))
  }
  const column = source.column(key.field)
  if (overflowMayHold(source, key.field)) {
    return internedCodes(rows, (row) => cellAt(source, column, key.field, row))
  }
  if (column === undefined) return { codes: new Uint32Array(rows.length), size: 1, cellOf: () => null }
  switch (column.kind) {
    case 'dictionary': {
      let codes: Uint32Array
      if (rows.length === source.rowCount) codes = Uint32Array.from(column.codes)
      else {
        codes = new Uint32Array(rows.length)
        for (let i = 0; i < rows.length; i++) codes[i] = column.codes[rows[i]!]!
      }
      return {
        codes,
        size: column.types.length + 1,
        cellOf: (code) => (code === 0 ? null : cellOf(column.types[code - 1]!, textOf(column, code - 1))),
      }
    }
    case 'integer':
      return internedCodes(rows, (row) => {
        const value = column.values[row]!
        return Number.isNaN(value) ? null : value
      })
    case 'bytes':
      return internedCodes(rows, (row) => cellOf(column.types[row]!, textOf(column, row)))
  }
}

function internedCodes(rows: Uint32Array, cellAtRow: (row: number) => Cell): Codes {
  const values = new KeyValues()
  const codes = new Uint32Array(rows.length)
  for (let i = 0; i < rows.length; i++) codes[i] = values.idOf(cellAtRow(rows[i]!))
  return { codes, size: values.cells.length, cellOf: (code) => values.cells[code]! }
}

function bucketCodes(source: ColumnSource, widthMs: number, rows: Uint32Array): Codes {
  const { timeMs } = source
  let min = Number.POSITIVE_INFINITY
  let max = Number.NEGATIVE_INFINITY
  for (let i = 0; i < rows.length; i++) {
    const ms = timeMs[rows[i]!]!
    if (ms < min) min = ms
    if (ms > max) max = ms
  }
  const first = Math.floor(min / widthMs)
  const size = Math.floor(max / widthMs) - first + 1
  if (size > DENSE_SLOTS_MAX) {
    return internedCodes(rows, (row) => timestampText(Math.floor(timeMs[row]! / widthMs) * widthMs, 0))
  }
  const codes = new Uint32Array(rows.length)
  const start = first * widthMs
  if (size > 1) for (let i = 0; i < rows.length; i++) codes[i] = (timeMs[rows[i]!]! - start) / widthMs
  return { codes, size, cellOf: (code) => timestampText((first + code) * widthMs, 0) }
}

/** A field's cell where some rows keep it in the overflow. */
export function cellAt(source: ColumnSource, column: Column | undefined, field: string, row: number): Cell {
  for (const entry of overflowOf(source, row)) if (entry.path === field) return cellOf(entry.type, entry.text)
  if (column === undefined) return null
  switch (column.kind) {
    case 'dictionary': {
      const code = column.codes[row]!
      return code === 0 ? null : cellOf(column.types[code - 1]!, textOf(column, code - 1))
    }
    case 'integer':
      return Number.isNaN(column.values[row]) ? null : column.values[row]!
    case 'bytes':
      return cellOf(column.types[row]!, textOf(column, row))
  }
}

/** Reads a field's cells; `timestamp` is the record's time as RFC 3339. */
export function cellReader(source: ColumnSource, field: string): (row: number) => Cell {
  if (field === 'timestamp') return (row) => timestampText(source.timeMs[row]!, source.timeNs[row]!)
  const column = source.column(field)
  if (column?.kind === 'dictionary' && !overflowMayHold(source, field)) {
    const cells: Cell[] = [null]
    for (let index = 0; index < column.types.length; index++) {
      cells.push(cellOf(column.types[index]!, textOf(column, index)))
    }
    return (row) => cells[column.codes[row]!]!
  }
  return (row) => cellAt(source, column, field, row)
}
