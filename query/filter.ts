import { assert } from '../base/assert.ts'
import { Bitmap } from '../base/bitmap.ts'
import type { CharMask } from '../base/char-mask.ts'
import { COLUMN_OVERFLOW, type ColumnSource } from '../base/columns.ts'
import { exactJson } from '../base/exact-json.ts'
import type { Filter, ValueMatch } from './ast.ts'
import { compileFieldTest } from './filter-field.ts'
import { compileTextTest } from './filter-text.ts'
import { filterRows, rowsWithValue, testColumn, type ValueTest } from './filter-value.ts'
import { charsOfMatch } from './match-chars.ts'
import { overflowMayHold, overflowOf } from './row-overflow.ts'
import { timestampText } from './row-time.ts'

/**
 * A filter made ready to run over columns. What matches is told by the docstrings of query/ast.ts; beyond them:
 * - A text match with no field looks at every field but the timestamp and our own columns; a null has no text.
 * - To a match of a whole value the text of a null is `null`: `field:null` finds it.
 * - A field exists where it has a value, null included, or where a field below it has one (`tags` for `tags.env`).
 * - Numeric ranges hold values written as numbers; text ranges hold strings, numbers and booleans.
 * - `timestamp` is the RFC 3339 text of the record's time; every record has one.
 */
export interface CompiledFilter {
  /** Filters of one key match the same. */
  readonly key: string
  /** True when the filter matches every row. */
  readonly matchesAll: boolean
  /** Exactly the rows of `source` (of `within`, when given) that match. The result may be changed by the caller. */
  evaluate(source: ColumnSource, within?: Bitmap): Bitmap
}

/** The record's time under the name that queries give it. */
const FIELD_TIMESTAMP = 'timestamp'

interface Clause {
  /** Rough cost for `source`: clauses of an AND run from the cheapest, each on what the ones before left. */
  cost(source: ColumnSource): number
  /** A new bitmap, a subset of `within` (null: all rows). */
  rows(source: ColumnSource, within: Bitmap | null): Bitmap
}

/** Throws invalid_query when a regular expression of the filter is refused. */
export function compileFilter(filter: Filter): CompiledFilter {
  const clause = compile(filter)
  return {
    key: exactJson(filter),
    matchesAll: filter.kind === 'all',
    evaluate(source, within) {
      assert(within === undefined || within.length === source.rowCount, 'a bitmap of rows has a bit for every row')
      const open = within === undefined || within.count() === source.rowCount ? null : within
      return clause.rows(source, open)
    },
  }
}

/** Rows with fromMs <= time < toMs; either may carry a fraction, down to nanoseconds. */
export function timeMask(source: ColumnSource, fromMs: number, toMs: number): Bitmap {
  const { timeMs, timeNs, rowCount } = source
  const rows = new Bitmap(rowCount)
  const { words } = rows
  // Whole milliseconds and nanoseconds apart: their sum does not fit a double, which would round the last nanosecond up.
  const fromWhole = Math.floor(fromMs)
  const fromNs = (fromMs - fromWhole) * 1e6
  const toWhole = Math.floor(toMs)
  const toNs = (toMs - toWhole) * 1e6
  for (let row = 0; row < rowCount; row++) {
    const ms = timeMs[row]!
    const isFrom = ms > fromWhole || (ms === fromWhole && timeNs[row]! >= fromNs)
    const isBefore = ms < toWhole || (ms === toWhole && timeNs[row]! < toNs)
    if (isFrom && isBefore) words[row >>> 5]! |= 1 << (row & 31)
  }
  return rows
}

function all(source: ColumnSource, within: Bitmap | null): Bitmap {
  return within === null ? Bitmap.full(source.rowCount) : within.clone()
}

function compile(filter: Filter): Clause {
  switch (filter.kind) {
    case 'all':
      return { cost: () => 0, rows: all }
    case 'and':
      return and(filter.of.map(compile))
    case 'or':
      return or(filter.of.map(compile))
    case 'not': {
      const clause = compile(filter.of)
      return {
        cost: (source) => clause.cost(source),
        rows: (source, within) => all(source, within).andNot(clause.rows(source, within)),
      }
    }
    case 'text':
      return filter.field === null
        ? textAnywhere(compileTextTest(filter.match), charsOfMatch(filter.match))
        : fieldClause(filter.field, compileTextTest(filter.match))
    case 'field':
      return filter.match.kind === 'timeRange'
        ? timeRange(filter.match)
        : fieldClause(filter.field, compileFieldTest(filter.field, filter.match))
    case 'exists':
      return exists(filter.field)
  }
}

function and(clauses: readonly Clause[]): Clause {
  return {
    cost: (source) => clauses.reduce((sum, clause) => sum + clause.cost(source), 0),
    rows(source, within) {
      const costs = new Map(clauses.map((clause) => [clause, clause.cost(source)]))
      let rest = within
      for (const clause of clauses.toSorted((a, b) => costs.get(a)! - costs.get(b)!)) {
        rest = clause.rows(source, rest)
        if (rest.isEmpty()) break
      }
      return rest === null || rest === within ? all(source, within) : rest
    },
  }
}

function or(clauses: readonly Clause[]): Clause {
  return {
    cost: (source) => clauses.reduce((sum, clause) => sum + clause.cost(source), 0),
    rows(source, within) {
      const costs = new Map(clauses.map((clause) => [clause, clause.cost(source)]))
      const found = new Bitmap(source.rowCount)
      const open = all(source, within)
      for (const clause of clauses.toSorted((a, b) => costs.get(a)! - costs.get(b)!)) {
        const rows = clause.rows(source, open)
        found.or(rows)
        if (open.andNot(rows).isEmpty()) break
      }
      return found
    },
  }
}

/** Names of the columns that hold senders' fields. */
function fieldColumns(source: ColumnSource): string[] {
  return source.columnNames.filter((name) => !name.startsWith('\\@'))
}

function textAnywhere(test: ValueTest, chars: CharMask): Clause {
  return {
    cost: (source) => test.cost * source.columnNames.length,
    rows(source, within) {
      const found = new Bitmap(source.rowCount)
      const open = all(source, within)
      for (const name of fieldColumns(source)) {
        if (source.mayHold?.(name, chars) === false) continue
        const column = source.column(name)
        if (column === undefined) continue
        const rows = testColumn(test, column, source.rowCount, open)
        found.or(rows)
        if (open.andNot(rows).isEmpty()) return found
      }
      if (source.column(COLUMN_OVERFLOW) === undefined) return found
      return found.or(
        filterRows(source.rowCount, open, (row) =>
          overflowOf(source, row).some((entry) => test.one(entry.text, entry.type)),
        ),
      )
    },
  }
}

/** Costs of columns that are nearly always dictionaries. */
const CHEAP_FIELDS = new Set(['level', 'service', 'host'])

function fieldClause(field: string, test: ValueTest): Clause {
  if (field === FIELD_TIMESTAMP) {
    return {
      cost: () => test.cost * 10,
      rows: (source, within) =>
        filterRows(source.rowCount, within, (row) =>
          test.one(timestampText(source.timeMs[row]!, source.timeNs[row]!), 1),
        ),
    }
  }
  return {
    cost: () => (CHEAP_FIELDS.has(field) ? 1 : test.cost),
    rows(source, within) {
      const column = source.column(field)
      const found =
        column === undefined ? new Bitmap(source.rowCount) : testColumn(test, column, source.rowCount, within)
      if (!overflowMayHold(source, field)) return found
      return found.or(
        filterRows(source.rowCount, within, (row) =>
          overflowOf(source, row).some((entry) => entry.path === field && test.one(entry.text, entry.type)),
        ),
      )
    },
  }
}

function exists(field: string): Clause {
  if (field === FIELD_TIMESTAMP) return { cost: () => 0, rows: all }
  const below = `${field}.`
  const isHere = (path: string): boolean => path === field || path.startsWith(below)
  return {
    cost: () => 2,
    rows(source, within) {
      const found = new Bitmap(source.rowCount)
      for (const name of source.columnNames) {
        const column = isHere(name) ? source.column(name) : undefined
        if (column !== undefined) found.or(rowsWithValue(column, source.rowCount))
      }
      if (overflowMayHold(source, field)) {
        found.or(
          filterRows(source.rowCount, within, (row) => overflowOf(source, row).some((entry) => isHere(entry.path))),
        )
      }
      return within === null ? found : found.and(within)
    },
  }
}

function timeRange(range: ValueMatch & { kind: 'timeRange' }): Clause {
  const { fromMs, fromNs, fromInclusive, toMs, toNs, toInclusive } = range
  return {
    cost: () => 2,
    rows: (source, within) =>
      filterRows(source.rowCount, within, (row) => {
        const ms = source.timeMs[row]!
        const ns = source.timeNs[row]!
        const afterFrom = ms - fromMs || ns - fromNs
        const beforeTo = toMs - ms || toNs - ns
        return (fromInclusive ? afterFrom >= 0 : afterFrom > 0) && (toInclusive ? beforeTo >= 0 : beforeTo > 0)
      }),
  }
}
