import type { Bitmap } from '../base/bitmap.ts'
import type { ColumnSource } from '../base/columns.ts'
import { type Cell, Groups } from './aggregate-groups.ts'
import { accumulatorOf } from './aggregate-metrics.ts'
import { tallyRows } from './aggregate-tally.ts'
import type { GroupKey, Metric } from './ast.ts'

export interface AggregationSpec {
  readonly metrics: readonly Metric[]
  readonly by: readonly GroupKey[]
  /** More groups are an error (base/limits.ts: AGGREGATE_GROUPS_MAX). */
  readonly groupsMax: number
}

/** What one leaf knows of the groups it saw: plain values that survive msgpack and structured clone. */
export interface AggregationPartial {
  /** Of each group, the values of the keys. */
  readonly keys: readonly (readonly Cell[])[]
  /** Of each group, a state of each metric. */
  readonly states: readonly (readonly unknown[])[]
}

export interface Table {
  readonly columns: readonly string[]
  readonly rows: readonly TableRow[]
}

export type TableRow = Readonly<Record<string, Cell>>

/**
 * Metrics of groups of rows. Leaves add rows and hand over partials; whoever merges them absorbs partials and finishes.
 * Count by a dictionary and a bucket of time: 8 ns a row (bench/micro/filter.ts).
 */
export interface Aggregation {
  /** Takes the rows of a bitmap. Throws result_too_large. */
  add(source: ColumnSource, rows: Bitmap): void
  absorb(partial: AggregationPartial): void
  partial(): AggregationPartial
  /**
   * A row for each group, in the order of its keys (null last); with no keys, always one row. Numbers of nothing are null, counts of
   * nothing 0.
   */
  finish(): Table
}

export function createAggregation(spec: AggregationSpec): Aggregation {
  const groups = new Groups(spec.by, spec.groupsMax)
  const accumulators = spec.metrics.map(accumulatorOf)
  const countsOnly = accumulators.every((accumulator) => accumulator.addCount !== undefined)
  const count = (group: number, rows: number) => {
    for (const accumulator of accumulators) accumulator.addCount!(group, rows)
  }
  return {
    add(source, rows) {
      if (rows.isEmpty() || (countsOnly && tallyRows(source, rows, groups, count))) return
      const list = rows.toArray()
      if (list.length === 0) return
      const assigned = groups.assign(source, list)
      for (const accumulator of accumulators) accumulator.add(source, list, assigned)
    },
    absorb(partial) {
      partial.keys.forEach((cells, i) => {
        const group = groups.groupOf(cells)
        accumulators.forEach((accumulator, m) => {
          accumulator.merge(group, partial.states[i]![m])
        })
      })
    },
    partial() {
      const numbers = Array.from({ length: groups.size }, (_, group) => group)
      return {
        keys: numbers.map((group) => groups.cellsOf(group)),
        states: numbers.map((group) => accumulators.map((accumulator) => accumulator.stateOf(group))),
      }
    },
    finish() {
      if (spec.by.length === 0) groups.groupOf([])
      const names = spec.by.map((key) => key.as)
      const sorted = Array.from({ length: groups.size }, (_, group) => ({ group, cells: groups.cellsOf(group) }))
      sorted.sort((a, b) => compareCellLists(a.cells, b.cells))
      return {
        columns: [...names, ...spec.metrics.map((metric) => metric.as)],
        rows: sorted.map(({ group, cells }) => {
          const row: [string, Cell][] = names.map((name, key) => [name, cells[key]!])
          accumulators.forEach((accumulator, m) => {
            row.push([spec.metrics[m]!.as, accumulator.resultOf(group)])
          })
          // fromEntries defines own properties, so that a column named __proto__ is one.
          return Object.fromEntries(row)
        }),
      }
    },
  }
}

/** The table of partials of several leaves. Throws result_too_large. */
export function mergePartials(spec: AggregationSpec, partials: readonly AggregationPartial[]): Aggregation {
  const merged = createAggregation(spec)
  for (const partial of partials) merged.absorb(partial)
  return merged
}

function compareCellLists(a: readonly Cell[], b: readonly Cell[]): number {
  for (let i = 0; i < a.length; i++) {
    const order = compareCells(a[i]!, b[i]!)
    if (order !== 0) return order
  }
  return 0
}

/** Order of cells: numbers by value, then text, then booleans, then null. */
export function compareCells(a: Cell, b: Cell): number {
  const rank = rankOf(a) - rankOf(b)
  if (rank !== 0) return rank
  if (typeof a === 'number') return a - (b as number)
  return a === b ? 0 : String(a) < String(b) ? -1 : 1
}

function rankOf(cell: Cell): number {
  if (cell === null) return 3
  return typeof cell === 'number' ? 0 : typeof cell === 'string' ? 1 : 2
}
