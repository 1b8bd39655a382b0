import { Bitmap } from '../base/bitmap.ts'
import { COLUMN_OVERFLOW, type ColumnSource, VALUE_ABSENT, valueText, valueType } from '../base/columns.ts'
import type { Filter, ValueMatch } from '../query/ast.ts'
import { FIELD_TIMESTAMP } from '../query/fields.ts'
import { compileFilter } from '../query/filter.ts'
import { compileFieldTest } from '../query/filter-field.ts'
import { compileTextTest } from '../query/filter-text.ts'
import type { ValueTest } from '../query/filter-value.ts'
import { keepRows, scratchRows } from './row-scratch.ts'
import { valuesOf } from './row-values.ts'

/** Of `rows` those that match; `rows` itself when all do. */
export type RowsTest = (source: ColumnSource, rows: Uint32Array) => Uint32Array

/** With fewer rows than this each is looked at alone: to make ready for a scan of columns costs more. */
const SINGLE_ROWS_MAX = 12

/** A filter for few rows of small sources: those that something else has picked. */
export function compileRowsTest(filter: Filter): RowsTest {
  if (filter.kind === 'all') return (_source, rows) => rows
  if (filter.kind === 'field' && filter.match.kind === 'range' && filter.field !== FIELD_TIMESTAMP)
    return rangeTest(filter.field, filter.match)
  const compiled = compileFilter(filter)
  const single = singleTest(filter)
  return (source, rows) => {
    if (single !== null && rows.length <= SINGLE_ROWS_MAX && source.column(COLUMN_OVERFLOW) === undefined)
      return singly(single, source, rows)
    if (rows.length === source.rowCount) return compiled.evaluate(source).toArray()
    const within = new Bitmap(source.rowCount)
    for (let i = 0; i < rows.length; i++) within.add(rows[i]!)
    return compiled.evaluate(source, within).toArray()
  }
}

function singly(test: SingleTest, source: ColumnSource, rows: Uint32Array): Uint32Array {
  const found = scratchRows(rows.length)
  let count = 0
  for (let i = 0; i < rows.length; i++) if (test(source, rows[i]!)) found[count++] = rows[i]!
  return keepRows(found, count)
}

/** Numbers of a field are read once for all ranges of it. */
function rangeTest(field: string, match: ValueMatch & { kind: 'range' }): RowsTest {
  const { min, minInclusive, max, maxInclusive } = match
  return (source, rows) => {
    const numberAt = valuesOf(source).numbers(field)
    const found = scratchRows(rows.length)
    let count = 0
    for (let i = 0; i < rows.length; i++) {
      const value = numberAt(rows[i]!)
      if (!(minInclusive ? value >= min : value > min) || !(maxInclusive ? value <= max : value < max)) continue
      found[count++] = rows[i]!
    }
    return keepRows(found, count)
  }
}

type SingleTest = (source: ColumnSource, row: number) => boolean

/** Null where only a scan of columns gives the answer. Rows have no overflow. */
function singleTest(filter: Filter): SingleTest | null {
  switch (filter.kind) {
    case 'all':
      return () => true
    case 'and':
    case 'or': {
      const parts = filter.of.map(singleTest)
      if (parts.some((part) => part === null)) return null
      const tests = parts as SingleTest[]
      return filter.kind === 'and'
        ? (source, row) => tests.every((test) => test(source, row))
        : (source, row) => tests.some((test) => test(source, row))
    }
    case 'not': {
      const test = singleTest(filter.of)
      return test === null ? null : (source, row) => !test(source, row)
    }
    case 'text': {
      if (filter.field === FIELD_TIMESTAMP) return null
      const test = compileTextTest(filter.match)
      return filter.field === null ? anywhere(test) : inField(filter.field, test)
    }
    case 'field':
      if (filter.field === FIELD_TIMESTAMP || filter.match.kind === 'timeRange') return null
      return inField(filter.field, compileFieldTest(filter.field, filter.match))
    case 'exists':
      return null
  }
}

function inField(field: string, test: ValueTest): SingleTest {
  return (source, row) => {
    const column = source.column(field)
    if (column === undefined) return false
    const type = valueType(column, row)
    return type !== VALUE_ABSENT && test.one(valueText(column, row)!, type)
  }
}

function anywhere(test: ValueTest): SingleTest {
  return (source, row) => {
    for (const name of source.columnNames) {
      if (name.startsWith('\\@')) continue
      const column = source.column(name)!
      const type = valueType(column, row)
      if (type !== VALUE_ABSENT && test.one(valueText(column, row)!, type)) return true
    }
    return false
  }
}
