import {
  COLUMN_OVERFLOW,
  type Column,
  type ColumnSource,
  VALUE_ABSENT,
  VALUE_NULL,
  VALUE_NUMBER,
  VALUE_STRING,
  type ValueType,
} from '../../base/columns.ts'

/** A field's value as a column holds it: a null has the empty text. */
export interface FlatValue {
  readonly type: ValueType
  readonly text: string
}

/** A record as plainly as can be: values by canonical path. */
export interface FlatRecord {
  readonly timeMs: number
  readonly timeNs: number
  readonly fields: ReadonlyMap<string, FlatValue>
  /** Paths of `fields` that found no column (S4). */
  readonly overflow?: ReadonlySet<string>
}

export const string = (text: string): FlatValue => ({ type: VALUE_STRING, text })
export const number = (value: number | string): FlatValue => ({ type: VALUE_NUMBER, text: String(value) })

/** A record of string, number and null fields. */
export function flatRecord(
  timeMs: number,
  fields: Readonly<Record<string, string | number | null>>,
  timeNs = 0,
): FlatRecord {
  const values = Object.entries(fields).map(([path, value]): [string, FlatValue] => [
    path,
    value === null ? { type: VALUE_NULL, text: '' } : typeof value === 'number' ? number(value) : string(value),
  ])
  return { timeMs, timeNs, fields: new Map(values) }
}

/** Which kind a column should have, where its values allow it. */
export type PreferredKind = Column['kind']

/** Columns that hold `records`; each of the preferred kind where it can be, else of bytes. */
export function columnSourceOf(
  records: readonly FlatRecord[],
  prefer: (name: string) => PreferredKind = () => 'dictionary',
): ColumnSource {
  const cells = new Map<string, (FlatValue | undefined)[]>()
  const cellsOf = (name: string): (FlatValue | undefined)[] => {
    let column = cells.get(name)
    if (column === undefined) {
      column = new Array<FlatValue | undefined>(records.length).fill(undefined)
      cells.set(name, column)
    }
    return column
  }
  records.forEach((record, row) => {
    const more: string[] = []
    for (const [path, value] of record.fields) {
      if (record.overflow?.has(path) === true) more.push(`${JSON.stringify(path)}:${overflowJson(value)}`)
      else cellsOf(path)[row] = value
    }
    if (more.length > 0) cellsOf(COLUMN_OVERFLOW)[row] = string(`{${more.join(',')}}`)
  })
  const columns = new Map([...cells].map(([name, values]) => [name, columnOf(name, values, prefer(name))]))
  return {
    rowCount: records.length,
    timeMs: Float64Array.from(records, (record) => record.timeMs),
    timeNs: Uint32Array.from(records, (record) => record.timeNs),
    columnNames: [...columns.keys()],
    column: (name) => columns.get(name),
  }
}

function overflowJson(value: FlatValue): string {
  if (value.type === VALUE_STRING) return JSON.stringify(value.text)
  return value.type === VALUE_NULL ? 'null' : value.text
}

export function columnOf(name: string, values: readonly (FlatValue | undefined)[], prefer: PreferredKind): Column {
  if (prefer === 'integer' && values.every((value) => value === undefined || isInteger(value))) {
    return { kind: 'integer', name, values: Float64Array.from(values, (value) => Number(value?.text ?? NaN)) }
  }
  if (prefer === 'dictionary') {
    const keys = values.map((value) => (value === undefined ? '' : `${value.type}${value.text}`))
    const distinct = [...new Set(keys)].filter((key) => key !== '')
    if (distinct.length <= 255) {
      const codes = Uint8Array.from(keys, (key) => distinct.indexOf(key) + 1)
      const list = distinct.map((key): FlatValue => ({ type: Number(key[0]) as ValueType, text: key.slice(1) }))
      return { kind: 'dictionary', name, codes, ...listOf(list) }
    }
  }
  return { kind: 'bytes', name, ...listOf(values) }
}

function isInteger(value: FlatValue): boolean {
  const read = Number(value.text)
  return value.type === VALUE_NUMBER && Number.isSafeInteger(read) && String(read) === value.text
}

function listOf(values: readonly (FlatValue | undefined)[]): {
  types: Uint8Array
  offsets: Uint32Array
  bytes: Uint8Array
} {
  const texts = values.map((value) => Buffer.from(value?.text ?? ''))
  const offsets = new Uint32Array(values.length + 1)
  texts.forEach((text, i) => {
    offsets[i + 1] = offsets[i]! + text.length
  })
  return {
    types: Uint8Array.from(values, (value) => value?.type ?? VALUE_ABSENT),
    offsets,
    bytes: new Uint8Array(Buffer.concat(texts)),
  }
}
