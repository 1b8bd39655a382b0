import { utf8Bytes, utf8Text } from '../base/bytes.ts'
import type { BytesColumn, Column, ColumnSource } from '../base/columns.ts'
import {
  COLUMN_OVERFLOW,
  VALUE_ABSENT,
  VALUE_JSON,
  VALUE_NULL,
  VALUE_STRING,
  valueText,
  valueType,
} from '../base/columns.ts'

/**
 * S4: the values of `names`, columns that a block has no room for, as one overflow column over the rows of all `sources`; what is in
 * their own overflow columns stays in it. A row's text is {"canonical.path": value, …}.
 */
export function overflowColumn(sources: readonly ColumnSource[], names: readonly string[]): BytesColumn {
  const texts: (string | undefined)[] = []
  for (const source of sources) {
    const from = texts.length
    texts.length = from + source.rowCount
    const own = source.column(COLUMN_OVERFLOW)
    if (own !== undefined)
      for (let row = 0; row < source.rowCount; row++) texts[from + row] = valueText(own, row)?.slice(1, -1)
    for (const name of names) {
      const column = source.column(name)
      if (column === undefined) continue
      const key = JSON.stringify(name)
      for (let row = 0; row < source.rowCount; row++) {
        const json = valueJson(column, row)
        if (json === undefined) continue
        const before = texts[from + row]
        texts[from + row] = `${before === undefined ? '' : `${before},`}${key}:${json}`
      }
    }
  }
  return columnOfObjects(texts)
}

function columnOfObjects(texts: readonly (string | undefined)[]): BytesColumn {
  const encoded = texts.map((text) => (text === undefined ? undefined : utf8Bytes(`{${text}}`)))
  const types = new Uint8Array(texts.length)
  const offsets = new Uint32Array(texts.length + 1)
  for (let row = 0; row < texts.length; row++) {
    types[row] = encoded[row] === undefined ? VALUE_ABSENT : VALUE_JSON
    offsets[row + 1] = offsets[row]! + (encoded[row]?.length ?? 0)
  }
  const bytes = new Uint8Array(offsets[texts.length]!)
  for (let row = 0; row < texts.length; row++) if (encoded[row] !== undefined) bytes.set(encoded[row]!, offsets[row])
  return { kind: 'bytes', name: COLUMN_OVERFLOW, types, offsets, bytes }
}

/** The value of a row as JSON text; undefined when absent. */
function valueJson(column: Column, row: number): string | undefined {
  const text = valueText(column, row)
  if (text === undefined) return undefined
  const type = valueType(column, row)
  if (type === VALUE_STRING) return JSON.stringify(text)
  return type === VALUE_NULL ? 'null' : text
}

/** One field of a row's overflow text. `text` is what a column of the field would hold: the decoded string, else the JSON text. */
export interface OverflowField {
  readonly path: string
  readonly isString: boolean
  readonly text: string
}

/** The fields in the text of an overflow value; none when it is not a JSON object. */
export function overflowFields(bytes: Uint8Array, start: number, end: number): OverflowField[] {
  const fields: OverflowField[] = []
  let object: unknown
  const numbers: { holder: unknown; key: string; source: string }[] = []
  const keepNumber = function (this: unknown, key: string, value: unknown, context?: { source?: string }): unknown {
    // Numbers are searched for by their own text, which the parsed value does not keep.
    if (typeof value === 'number' && context?.source !== undefined)
      numbers.push({ holder: this, key, source: context.source })
    return value
  }
  try {
    object = JSON.parse(utf8Text(bytes, start, end), keepNumber)
  } catch {
    return fields // The writer made it; if it is broken, the verifier finds no field in it either.
  }
  if (typeof object !== 'object' || object === null) return fields
  const sources = new Map<string, string>()
  for (const { holder, key, source } of numbers) if (holder === object) sources.set(key, source)
  for (const [path, value] of Object.entries(object)) {
    if (typeof value === 'string') fields.push({ path, isString: true, text: value })
    else if (typeof value === 'number') fields.push({ path, isString: false, text: sources.get(path) ?? String(value) })
    else fields.push({ path, isString: false, text: JSON.stringify(value) })
  }
  return fields
}
