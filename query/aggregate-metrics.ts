import { type ColumnSource, VALUE_ABSENT, VALUE_NULL, VALUE_NUMBER, valueType } from '../base/columns.ts'
import { WeirError } from '../base/errors.ts'
import { AGGREGATE_SKETCH_BYTES_MAX } from '../base/limits.ts'
import { type Cell, cellAt } from './aggregate-groups.ts'
import type { Metric } from './ast.ts'
import { numberOfBytes } from './filter-number.ts'
import { overflowMayHold } from './row-overflow.ts'
import { timestampText } from './row-time.ts'
import { DistinctSketch, type DistinctSketchState } from './sketch-distinct.ts'
import { QuantileSketch, type QuantileSketchState } from './sketch-quantile.ts'

/** One metric of all groups. States are plain values, mergeable in any order (A1). */
export interface Accumulator {
  /** Takes `rows`; row rows[i] belongs to group groups[i]. */
  add(source: ColumnSource, rows: Uint32Array, groups: Uint32Array): void
  /** Takes so many rows of a group; only where nothing but their number matters. */
  addCount?(group: number, rows: number): void
  stateOf(group: number): unknown
  merge(group: number, state: unknown): void
  resultOf(group: number): Cell
}

export function accumulatorOf(metric: Metric): Accumulator {
  const field = metric.field ?? ''
  switch (metric.name) {
    case 'count':
      return metric.field === null ? countRows() : countValues(field)
    case 'sum':
    case 'avg':
    case 'min':
    case 'max':
      return numbers(metric.name, field)
    case 'quantile':
      return quantile(field, metric.quantile ?? 0.5)
    case 'uniq':
      return distinct(field)
  }
}

/** Zeros, as many as are asked for, that grow by themselves. */
class Tally {
  values = new Float64Array(16)

  reach(group: number): Float64Array {
    if (group >= this.values.length) {
      const grown = new Float64Array(Math.max(group + 1, this.values.length * 2))
      grown.set(this.values)
      this.values = grown
    }
    return this.values
  }

  at(group: number): number {
    return this.values[group] ?? 0
  }
}

function highest(groups: Uint32Array): number {
  let max = 0
  for (let i = 0; i < groups.length; i++) if (groups[i]! > max) max = groups[i]!
  return max
}

function countRows(): Accumulator {
  const counts = new Tally()
  return {
    add(_source, rows, groups) {
      const values = counts.reach(highest(groups))
      for (let i = 0; i < rows.length; i++) values[groups[i]!]!++
    },
    addCount(group, rows) {
      counts.reach(group)[group]! += rows
    },
    stateOf: (group) => counts.at(group),
    merge(group, state) {
      counts.reach(group)[group]! += state as number
    },
    resultOf: (group) => counts.at(group),
  }
}

/** Rows that have a value which is not null. */
function countValues(field: string): Accumulator {
  const counts = new Tally()
  return {
    add(source, rows, groups) {
      const values = counts.reach(highest(groups))
      const column = source.column(field)
      const hasOverflow = overflowMayHold(source, field)
      for (let i = 0; i < rows.length; i++) {
        const row = rows[i]!
        if (field === 'timestamp') values[groups[i]!]!++
        else if (hasOverflow) {
          if (cellAt(source, column, field, row) !== null) values[groups[i]!]!++
        } else if (column !== undefined) {
          const type = valueType(column, row)
          if (type !== VALUE_ABSENT && type !== VALUE_NULL) values[groups[i]!]!++
        }
      }
    },
    stateOf: (group) => counts.at(group),
    merge(group, state) {
      counts.reach(group)[group]! += state as number
    },
    resultOf: (group) => counts.at(group),
  }
}

/** Values of a field as numbers, by row; NaN where there is none. `timestamp` is milliseconds since the epoch. */
function numbersOf(source: ColumnSource, field: string, rows: Uint32Array): Float64Array {
  if (field === 'timestamp') return source.timeMs
  const column = source.column(field)
  if (!overflowMayHold(source, field) && column?.kind === 'integer') return column.values
  const values = new Float64Array(source.rowCount).fill(Number.NaN)
  if (overflowMayHold(source, field)) {
    for (const row of rows) {
      const cell = cellAt(source, column, field, row)
      if (typeof cell === 'number') values[row] = cell
    }
  } else if (column?.kind === 'dictionary') {
    const table = new Float64Array(256).fill(Number.NaN)
    for (let index = 0; index < column.types.length; index++) {
      if (column.types[index] !== VALUE_NUMBER) continue
      table[index + 1] = numberOfBytes(column.bytes, column.offsets[index]!, column.offsets[index + 1]!)
    }
    for (const row of rows) values[row] = table[column.codes[row]!]!
  } else if (column?.kind === 'bytes') {
    const { types, offsets, bytes } = column
    for (const row of rows) {
      if (types[row] === VALUE_NUMBER) values[row] = numberOfBytes(bytes, offsets[row]!, offsets[row + 1]!)
    }
  }
  return values
}

/** State: [how many, sum, min, max]; finite numbers only. */
function numbers(name: 'sum' | 'avg' | 'min' | 'max', field: string): Accumulator {
  const counts = new Tally()
  const sums = new Tally()
  const mins = new Tally()
  const maxs = new Tally()
  const take = (group: number, count: number, sum: number, min: number, max: number): void => {
    const had = counts.reach(group)[group]!
    counts.values[group]! += count
    sums.reach(group)[group]! += sum
    const low = mins.reach(group)
    const high = maxs.reach(group)
    if (had === 0 || min < low[group]!) low[group] = min
    if (had === 0 || max > high[group]!) high[group] = max
  }
  return {
    add(source, rows, groups) {
      const values = numbersOf(source, field, rows)
      for (let i = 0; i < rows.length; i++) {
        const value = values[rows[i]!]!
        // NaN (no number here) and infinities (1e400) fail this.
        if (value - value === 0) take(groups[i]!, 1, value, value, value)
      }
    },
    stateOf: (group) => [counts.at(group), sums.at(group), mins.at(group), maxs.at(group)],
    merge(group, state) {
      const [count, sum, min, max] = state as [number, number, number, number]
      if (count > 0) take(group, count, sum, min, max)
    },
    resultOf(group) {
      if (counts.at(group) === 0) return null
      const result = {
        sum: sums.at(group),
        avg: sums.at(group) / counts.at(group),
        min: mins.at(group),
        max: maxs.at(group),
      }[name]
      return field === 'timestamp' && name !== 'sum' ? timestampText(Math.floor(result), 0) : result
    },
  }
}

function quantile(field: string, q: number): Accumulator {
  const sketches: (QuantileSketch | undefined)[] = []
  const sketchOf = (group: number): QuantileSketch => {
    sketches[group] ??= new QuantileSketch()
    return sketches[group]
  }
  return {
    add(source, rows, groups) {
      const values = numbersOf(source, field, rows)
      for (let i = 0; i < rows.length; i++) {
        const value = values[rows[i]!]!
        if (value - value === 0) sketchOf(groups[i]!).add(value)
      }
    },
    stateOf: (group) => sketches[group]?.state() ?? null,
    merge(group, state) {
      if (state !== null) sketchOf(group).merge(state as QuantileSketchState)
    },
    resultOf: (group) => sketches[group]?.quantile(q) ?? null,
  }
}

/** Looks at how much the sketches hold once in so many rows. */
const SKETCH_CHECK_ROWS = 65_536
/** What a state that is merged counts as: it may be of many. */
const MERGED_ROWS = 64

function distinct(field: string): Accumulator {
  const sketches: (DistinctSketch | undefined)[] = []
  let rowsUnchecked = 0
  const sketchOf = (group: number): DistinctSketch => {
    sketches[group] ??= new DistinctSketch()
    return sketches[group]
  }
  const checkSize = (rowCount: number): void => {
    rowsUnchecked += rowCount
    if (rowsUnchecked < SKETCH_CHECK_ROWS) return
    rowsUnchecked = 0
    let byteSize = 0
    for (const sketch of sketches) byteSize += sketch?.byteSize ?? 0
    if (byteSize <= AGGREGATE_SKETCH_BYTES_MAX) return
    throw new WeirError('result_too_large', `distinct values of "${field}" in too many groups`, { field })
  }
  return {
    add(source, rows, groups) {
      checkSize(rows.length)
      const column = source.column(field)
      if (field === 'timestamp' || overflowMayHold(source, field)) {
        for (let i = 0; i < rows.length; i++) {
          const row = rows[i]!
          const cell =
            field === 'timestamp'
              ? timestampText(source.timeMs[row]!, source.timeNs[row]!)
              : cellAt(source, column, field, row)
          if (cell !== null) sketchOf(groups[i]!).addText(String(cell))
        }
      } else if (column?.kind === 'integer') {
        for (let i = 0; i < rows.length; i++) {
          const value = column.values[rows[i]!]!
          if (!Number.isNaN(value)) sketchOf(groups[i]!).addInteger(value)
        }
      } else if (column !== undefined) {
        const { types, offsets, bytes } = column
        const codes = column.kind === 'dictionary' ? column.codes : null
        for (let i = 0; i < rows.length; i++) {
          const index = codes === null ? rows[i]! : codes[rows[i]!]! - 1
          if (index < 0 || types[index] === VALUE_ABSENT || types[index] === VALUE_NULL) continue
          sketchOf(groups[i]!).addBytes(bytes, offsets[index]!, offsets[index + 1]!)
        }
      }
    },
    stateOf: (group) => sketches[group]?.state() ?? null,
    merge(group, state) {
      if (state !== null) sketchOf(group).merge(state as DistinctSketchState)
      checkSize(MERGED_ROWS)
    },
    resultOf: (group) => sketches[group]?.count() ?? 0,
  }
}
