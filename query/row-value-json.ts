import { isAscii } from 'node:buffer'
import {
  type Column,
  VALUE_ABSENT,
  VALUE_BOOLEAN,
  VALUE_JSON,
  VALUE_NULL,
  VALUE_NUMBER,
  VALUE_STRING,
} from '../base/columns.ts'
import { latin1Of, utf8Of, type ValueList } from './filter-scan.ts'

/** JSON text of a column's value in a row; the empty text where it is absent. */
export type ValuePrinter = (row: number) => string

/** Quote, backslash, control characters, and lone surrogates: what JSON text cannot hold as it is. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters meant
const NEEDS_ESCAPE = /["\\\u0000-\u001f\ud800-\udfff]/

/** `text` as a JSON string. */
export function quote(text: string): string {
  return NEEDS_ESCAPE.test(text) ? JSON.stringify(text) : `"${text}"`
}

/** JSON text of a value as columns hold it: strings quoted, numbers and JSON as they were written. */
export function valueJson(type: number, text: string): string {
  switch (type) {
    case VALUE_STRING:
      return quote(text)
    case VALUE_NULL:
      return 'null'
    case VALUE_NUMBER:
    case VALUE_BOOLEAN:
    case VALUE_JSON:
      return text
    default:
      return ''
  }
}

/** A printer for `column` with `prefix` (such as `"service":`) before each value that is there. */
export function valuePrinter(column: Column, prefix: string): ValuePrinter {
  switch (column.kind) {
    case 'integer': {
      const { values } = column
      return (row) => {
        const value = values[row]!
        return Number.isNaN(value) ? '' : prefix + value
      }
    }
    case 'dictionary': {
      const { codes } = column
      const texts: string[] = ['']
      return (row) => {
        const code = codes[row]!
        texts[code] ??= prefix + listValueJson(column, code - 1, utf8Of)
        return texts[code]
      }
    }
    case 'bytes': {
      const { types } = column
      // A column of ASCII is decoded by copying.
      const decode = isAscii(column.bytes) ? latin1Of : utf8Of
      return (row) => (types[row] === VALUE_ABSENT ? '' : prefix + listValueJson(column, row, decode))
    }
  }
}

function listValueJson(list: ValueList, index: number, decode: typeof utf8Of): string {
  const text = decode(list.bytes, list.offsets[index]!, list.offsets[index + 1]!)
  return valueJson(list.types[index]!, text)
}
