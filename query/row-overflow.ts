import { corruptData } from '../base/bytes.ts'
import {
  COLUMN_OVERFLOW,
  type ColumnSource,
  VALUE_BOOLEAN,
  VALUE_JSON,
  VALUE_NULL,
  VALUE_NUMBER,
  VALUE_STRING,
  type ValueType,
  valueText,
} from '../base/columns.ts'
import { indexOfIn } from './filter-scan.ts'

/** A field that found no column of its own (S4). `text` as a column would hold it: escapes decoded, numbers as written, null empty. */
export interface OverflowEntry {
  readonly path: string
  readonly type: ValueType
  readonly text: string
}

/** The overflow fields of a row of `source`, in order. */
export function overflowOf(source: ColumnSource, row: number): readonly OverflowEntry[] {
  const column = source.column(COLUMN_OVERFLOW)
  const text = column === undefined ? undefined : valueText(column, row)
  return text === undefined || text === '' ? [] : parseOverflow(text)
}

/** Names that JSON text and canonical paths write as they are. */
const PLAIN_PATH = /^[A-Za-z0-9_.@-]+$/

/** False when no row keeps `path`, or a field below it, in its overflow. True when one may. */
export function overflowMayHold(source: ColumnSource, path: string): boolean {
  const column = source.column(COLUMN_OVERFLOW)
  if (column === undefined) return false
  return column.kind === 'integer' || !PLAIN_PATH.test(path) || indexOfIn(column.bytes, path) !== -1
}

/**
 * Entries of {"canonical.path": value}. Values are cut out of the text rather than parsed, so that numbers and JSON keep their
 * own text. Throws corrupt_data.
 */
function parseOverflow(text: string): OverflowEntry[] {
  const entries: OverflowEntry[] = []
  let i = skipSpace(text, 0)
  if (text[i] !== '{') throw corruptData('overflow is not an object')
  i = skipSpace(text, i + 1)
  while (text[i] !== '}') {
    const keyEnd = endOfString(text, i)
    const path = JSON.parse(text.slice(i, keyEnd)) as string
    i = skipSpace(text, keyEnd)
    if (text[i] !== ':') throw corruptData('overflow lacks a colon')
    i = skipSpace(text, i + 1)
    const end = endOfValue(text, i)
    entries.push(entryOf(path, text.slice(i, end)))
    i = skipSpace(text, end)
    if (text[i] === ',') i = skipSpace(text, i + 1)
    else if (text[i] !== '}') throw corruptData('overflow lacks a comma')
  }
  return entries
}

function entryOf(path: string, json: string): OverflowEntry {
  switch (json[0]) {
    case '"':
      return { path, type: VALUE_STRING, text: JSON.parse(json) as string }
    case 't':
    case 'f':
      return { path, type: VALUE_BOOLEAN, text: json }
    case 'n':
      return { path, type: VALUE_NULL, text: '' }
    case '[':
    case '{':
      return { path, type: VALUE_JSON, text: json }
    default:
      return { path, type: VALUE_NUMBER, text: json }
  }
}

function skipSpace(text: string, from: number): number {
  let i = from
  while (text[i] === ' ' || text[i] === '\n' || text[i] === '\t' || text[i] === '\r') i++
  return i
}

function endOfString(text: string, from: number): number {
  if (text[from] !== '"') throw corruptData('overflow lacks a quote')
  for (let i = from + 1; i < text.length; i++) {
    if (text[i] === '\\') i++
    else if (text[i] === '"') return i + 1
  }
  throw corruptData('overflow ends early')
}

function endOfValue(text: string, from: number): number {
  let depth = 0
  for (let i = from; i < text.length; i++) {
    const c = text[i]!
    if (c === '"') {
      i = endOfString(text, i) - 1
      if (depth === 0) return i + 1
    } else if (c === '{' || c === '[') depth++
    else if (c === '}' || c === ']') {
      if (depth === 0) return i
      if (--depth === 0) return i + 1
    } else if (depth === 0 && (c === ',' || c === ' ' || c === '\n' || c === '\t' || c === '\r')) return i
  }
  throw corruptData('overflow ends early')
}
