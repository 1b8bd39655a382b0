import type { Column } from '../base/columns.ts'
import { VALUE_ABSENT } from '../base/columns.ts'

/** Columns that few rows have are stored for those rows alone. */

/** Rows of the first `rowCount` that have a value. */
export function countPresent(column: Column, rowCount: number): number {
  let present = 0
  switch (column.kind) {
    case 'dictionary':
      for (let row = 0; row < rowCount; row++) if (column.codes[row] !== 0) present++
      break
    case 'bytes':
      for (let row = 0; row < rowCount; row++) if (column.types[row] !== VALUE_ABSENT) present++
      break
    case 'integer':
      for (let row = 0; row < rowCount; row++) if (!Number.isNaN(column.values[row]!)) present++
      break
  }
  return present
}

/** Those rows, ascending; there are `present` of them. */
export function presentRows(column: Column, rowCount: number, present: number): Uint32Array {
  const rows = new Uint32Array(present)
  let count = 0
  for (let row = 0; row < rowCount; row++) {
    const absent =
      column.kind === 'integer'
        ? Number.isNaN(column.values[row]!)
        : (column.kind === 'bytes' ? column.types[row]! : column.codes[row]!) === VALUE_ABSENT
    if (!absent) rows[count++] = row
  }
  return rows
}

/** The column of `rowCount` rows of which `rows` have the values of `column`, in order, and the others none. */
export function spreadColumn(column: Column, rows: Uint32Array, rowCount: number): Column {
  const { name } = column
  switch (column.kind) {
    case 'dictionary': {
      const codes = new Uint8Array(rowCount)
      for (let i = 0; i < rows.length; i++) codes[rows[i]!] = column.codes[i]!
      return { ...column, codes }
    }
    case 'integer': {
      const values = new Float64Array(rowCount).fill(NaN)
      for (let i = 0; i < rows.length; i++) values[rows[i]!] = column.values[i]!
      return { kind: 'integer', name, values }
    }
    case 'bytes': {
      const types = new Uint8Array(rowCount)
      const offsets = new Uint32Array(rowCount + 1)
      let next = 0
      for (let row = 0; row < rowCount; row++) {
        offsets[row] = column.offsets[next]!
        if (rows[next] === row) types[row] = column.types[next++]!
      }
      offsets[rowCount] = column.offsets[next]!
      return { kind: 'bytes', name, types, offsets, bytes: column.bytes }
    }
  }
}
