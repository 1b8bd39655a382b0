import { type ColumnSource, VALUE_NUMBER } from '../base/columns.ts'
import { type Cell, cellAt, cellReader } from '../query/aggregate-groups.ts'
import { numberOfBytes } from '../query/filter-number.ts'
import { overflowMayHold } from '../query/row-overflow.ts'
import type { AlertSample } from './partial.ts'
import { sampleReader } from './sample.ts'

let latest: RowValues | undefined

/** Of the source that is being counted, which comes once for each rule. */
export function valuesOf(source: ColumnSource): RowValues {
  if (latest?.source !== source) latest = new RowValues(source)
  return latest
}

/** Readers of the values of one source, each made when first asked for. */
class RowValues {
  readonly source: ColumnSource
  readonly #cells = new Map<string, (row: number) => Cell>()
  readonly #numbers = new Map<string, (row: number) => number>()
  #sample: ((row: number) => AlertSample) | undefined

  constructor(source: ColumnSource) {
    this.source = source
  }

  /** The value of a field as it is grouped by. */
  cells(field: string): (row: number) => Cell {
    let reader = this.#cells.get(field)
    if (reader === undefined) {
      reader = cellReader(this.source, field)
      this.#cells.set(field, reader)
    }
    return reader
  }

  /** The value of a field as a number; NaN where it is none, an infinity where no double holds it. */
  numbers(field: string): (row: number) => number {
    let reader = this.#numbers.get(field)
    if (reader === undefined) {
      reader = numberReader(this.source, field)
      this.#numbers.set(field, reader)
    }
    return reader
  }

  sample(row: number): AlertSample {
    this.#sample ??= sampleReader(this.source)
    return this.#sample(row)
  }
}

function numberReader(source: ColumnSource, field: string): (row: number) => number {
  const column = source.column(field)
  if (overflowMayHold(source, field)) {
    return (row) => {
      const cell = cellAt(source, column, field, row)
      return typeof cell === 'number' ? cell : Number.NaN
    }
  }
  switch (column?.kind) {
    case undefined:
      return () => Number.NaN
    case 'integer': {
      const { values } = column
      return (row) => values[row]!
    }
    case 'dictionary': {
      const { codes, types, offsets, bytes } = column
      const table = new Float64Array(types.length + 1).fill(Number.NaN)
      for (let index = 0; index < types.length; index++) {
        if (types[index] === VALUE_NUMBER) table[index + 1] = numberOfBytes(bytes, offsets[index]!, offsets[index + 1]!)
      }
      return (row) => table[codes[row]!]!
    }
    case 'bytes': {
      const { types, offsets, bytes } = column
      return (row) =>
        types[row] === VALUE_NUMBER ? numberOfBytes(bytes, offsets[row]!, offsets[row + 1]!) : Number.NaN
    }
  }
}
