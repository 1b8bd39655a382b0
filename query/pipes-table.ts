import { compareCells, type Table, type TableRow } from './aggregate.ts'
import type { Cell } from './aggregate-groups.ts'
import type { Pipe } from './ast.ts'
import { conditionHolds } from './pipes-condition.ts'

/** Pipes that work on a table as they do on rows. */
export type TablePipe = Extract<Pipe, { kind: 'where' | 'sort' | 'limit' | 'fields' | 'dedup' }>

/** Runs pipes over a whole table, one after the other. */
export function runTablePipes(table: Table, pipes: readonly TablePipe[]): Table {
  return pipes.reduce(runTablePipe, table)
}

function runTablePipe(table: Table, pipe: TablePipe): Table {
  const { columns, rows } = table
  switch (pipe.kind) {
    case 'where':
      return { columns, rows: rows.filter((row) => conditionHolds(pipe.condition, (field) => cell(row, field))) }
    case 'sort':
      return {
        columns,
        rows: rows.toSorted((a, b) =>
          compareBySort(
            pipe.keys,
            (f) => cell(a, f),
            (f) => cell(b, f),
          ),
        ),
      }
    case 'limit':
      return { columns, rows: rows.slice(0, pipe.count) }
    case 'fields':
      return {
        columns: pipe.fields,
        rows: rows.map((row) => Object.fromEntries(pipe.fields.map((field) => [field, cell(row, field)]))),
      }
    case 'dedup': {
      const seen = new Set<string>()
      return { columns, rows: rows.filter((row) => isNew(seen, pipe.fields, (field) => cell(row, field))) }
    }
  }
}

function cell(row: TableRow, field: string): Cell {
  return Object.hasOwn(row, field) ? row[field]! : null
}

export type SortKeys = Extract<Pipe, { kind: 'sort' }>['keys']

/** Order by keys; nulls last whichever way a key goes. */
export function compareBySort(keys: SortKeys, a: (field: string) => Cell, b: (field: string) => Cell): number {
  for (const { field, descending } of keys) {
    const [x, y] = [a(field), b(field)]
    if (x === null || y === null) {
      if (x !== y) return x === null ? 1 : -1
      continue
    }
    const order = compareCells(x, y)
    if (order !== 0) return descending ? -order : order
  }
  return 0
}

/** True for the first row with these values of `fields`. */
export function isNew(seen: Set<string>, fields: readonly string[], cellOf: (field: string) => Cell): boolean {
  const key = dedupKey(fields, cellOf)
  if (seen.has(key)) return false
  seen.add(key)
  return true
}

/** Says two rows apart that differ in `fields`. */
export function dedupKey(fields: readonly string[], cellOf: (field: string) => Cell): string {
  return JSON.stringify(fields.map(cellOf))
}
