import { IpTable } from './enrich/ip-address.ts'
import { FieldTarget } from './field-target.ts'
import { CsvTableError, csvTable } from './parse/csv-table.ts'
import { ParsedFields } from './parse/parsed-fields.ts'
import type { Failure, StepKind } from './step.ts'
import type { StepParameters } from './step-parameters.ts'

const ROWS_MAX = 50_000
const COLUMNS_MAX = 64
const CSV_CHARS_MAX = 1_000_000
const NOT_FOUND: Failure = { reason: 'the table has no such key' }
const found = new ParsedFields()

/** Fields of one row: names with strings, or with JSON text. */
type Row = readonly { readonly name: string; readonly value: string; readonly isJson: boolean }[]

/**
 * `{"type":"lookup","field":"clientIp","by":"cidr","table":{"10.0.0.0/8":{"site":"hq"}}}`, or `csv` with a header: adds the fields of the row whose key is the
 * value of `field`. A key that is not there adds those of `default`; it is a failure where `required`.
 */
export const lookupStep: StepKind = {
  type: 'lookup',
  onError: 'continue',
  compile(parameters) {
    const field = parameters.field('field')
    const by = parameters.choice('by', ['key', 'cidr'], 'key')
    const ignoresCase = parameters.boolean('ignoreCase', false)
    const isRequired = parameters.boolean('required', false)
    const fallback = parameters.value('default')
    const missing = fallback === undefined ? undefined : jsonRow(parameters, 'default', fallback)
    const rows = parameters.has('csv') ? csvRows(parameters) : tableRows(parameters)
    const target = new FieldTarget(parameters, true)
    const keyOf = (text: string) => (ignoresCase ? text.toLowerCase() : text)
    const byKey = new Map<string, Row>()
    const networks = new IpTable<Row>()
    for (const { name, key, row } of rows) {
      if (by === 'key') byKey.set(keyOf(key), row)
      else if (!networks.add(key.trim(), row))
        throw parameters.error(name, 'has a key that is no network', 'Such as `10.0.0.0/8` or `2001:db8::/32`.')
    }
    return {
      apply(record) {
        const text = record.text(field)?.trim()
        const row = text === undefined ? undefined : by === 'key' ? byKey.get(keyOf(text)) : networks.find(text)
        if (row === undefined && isRequired && missing === undefined) return NOT_FOUND
        const fields = row ?? missing
        if (fields === undefined) return 'next'
        found.reset()
        for (const { name, value, isJson } of fields) {
          if (isJson) found.json(name, value)
          else found.text(name, value)
        }
        return target.put(record, found) ?? 'next'
      },
    }
  },
}

interface KeyedRow {
  /** Where it stands in the definition. */
  readonly name: string
  readonly key: string
  readonly row: Row
}

function tableRows(parameters: StepParameters): KeyedRow[] {
  parameters.value('csv')
  return parameters.entries('table', ROWS_MAX).map(([key, value]) => {
    const name = `table/${key}`
    return { name, key, row: jsonRow(parameters, name, value) }
  })
}

function jsonRow(parameters: StepParameters, name: string, value: unknown): Row {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw parameters.error(name, 'must be an object', 'Names of fields with their values.')
  const entries = Object.entries(value)
  if (entries.length > COLUMNS_MAX) throw parameters.error(name, `has more than ${COLUMNS_MAX} fields`)
  return entries.map(([field, one]) => {
    parameters.fieldOf(`${name}/${field}`, field)
    return { name: field, value: JSON.stringify(one), isJson: true }
  })
}

/** The first row names the fields; the column `keyColumn` (default: the first) holds the keys. */
function csvRows(parameters: StepParameters): KeyedRow[] {
  if (parameters.has('table')) throw parameters.error('csv', 'stands beside `table`', 'Give one of `csv` and `table`.')
  const delimiter = parameters.optionalText('delimiter', 1) ?? ','
  let rows: string[][]
  try {
    rows = csvTable(parameters.text('csv', CSV_CHARS_MAX), delimiter, ROWS_MAX)
  } catch (error) {
    if (error instanceof CsvTableError) throw parameters.error('csv', 'is no table', error.message)
    throw error
  }
  const [header, ...rest] = rows
  if (header === undefined || header.length < 2 || header.length > COLUMNS_MAX)
    throw parameters.error('csv', 'has no header', `2 to ${COLUMNS_MAX} names of columns in the first row.`)
  header.forEach((name) => {
    if (name !== '') parameters.fieldOf('csv', name)
  })
  const keyColumn = parameters.optionalText('keyColumn') ?? header[0]!
  const keyAt = header.indexOf(keyColumn)
  if (keyAt < 0) throw parameters.error('keyColumn', 'is no column of the table')
  return rest.map((cells, i) => {
    if (cells.length > header.length) throw parameters.error('csv', `has more cells than columns in row ${i + 2}`)
    const row = header.flatMap((name, column) => {
      const value = cells[column] ?? ''
      return column === keyAt || name === '' || value === '' ? [] : [{ name, value, isJson: false }]
    })
    return { name: 'csv', key: cells[keyAt] ?? '', row }
  })
}
