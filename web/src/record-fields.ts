import type { LogRecord } from './api-types.ts'
import { fieldName } from './query-syntax.ts'

/** One value of a record under the name that a query has for it. */
export interface RecordField {
  readonly name: string
  readonly value: unknown
}

export const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'] as const
export type Level = (typeof LEVELS)[number]

const FIRST = ['timestamp', 'level', 'service', 'host', 'message', 'traceId', 'spanId']
/** Of the system, not of the sender. */
const LAST = ['id', 'ingestedAt']
const FIELDS_MAX = 1000

/** Every value of a record, nested ones under their path, known fields first. Empty objects and lists are values; lists are shown whole. */
export function fieldsOf(record: LogRecord): readonly RecordField[] {
  const keys = Object.keys(record)
  const between = keys.filter((key) => !FIRST.includes(key) && !LAST.includes(key)).sort()
  const ordered = [...FIRST.filter((key) => key in record), ...between, ...LAST.filter((key) => key in record)]
  const fields: RecordField[] = []
  for (const key of ordered) collect([key], record[key], fields)
  return fields.slice(0, FIELDS_MAX)
}

function collect(keys: readonly string[], value: unknown, fields: RecordField[]): void {
  if (fields.length >= FIELDS_MAX) return
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  const entries = isObject ? Object.entries(value) : []
  if (entries.length === 0 || keys.length > 32) fields.push({ name: fieldName(keys), value })
  else for (const [key, inner] of entries) collect([...keys, key], inner, fields)
}

/** The value at a name as a query writes it: `metadata.user\.id`. */
export function valueAt(record: LogRecord, name: string): unknown {
  let value: unknown = record
  for (const key of name.match(/(?:[^.\\]|\\.)+/g) ?? []) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key.replace(/\\(.)/g, '$1')))
      return undefined
    value = (value as Record<string, unknown>)[key.replace(/\\(.)/g, '$1')]
  }
  return value
}

export function textOf(value: unknown): string {
  if (value === undefined) return ''
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** The style sheet's name of a level: `error`; `info` for what is none. */
export function levelName(level: string): string {
  return LEVELS.includes(level as Level) ? level.toLowerCase() : 'info'
}
