import type { TextParser } from './parsed-fields.ts'

export interface CsvOptions {
  /** Names of the columns in order; one that is empty is passed over. */
  readonly columns: readonly string[]
  /** One character. */
  readonly delimiter: string
  /** One character. */
  readonly quote: string
  readonly detectsTypes: boolean
  /** Values beyond the columns are passed over; else they are a failure. */
  readonly ignoresRest: boolean
}

const UNCLOSED = 'a quote is not closed'
const AFTER_QUOTE = 'something follows a closing quote'
const TOO_MANY = 'there are more values than columns'

/**
 * One record of RFC 4180: values between delimiters; a quoted one may hold delimiters, newlines, and quotes that are doubled. Missing values at
 * the end are absent. A trailing newline belongs to no value.
 */
export function csvParser(options: CsvOptions): TextParser {
  const { columns, delimiter, quote, detectsTypes, ignoresRest } = options
  return (text, into) => {
    let end = text.length
    if (end > 0 && text.charCodeAt(end - 1) === 0x0a) end--
    if (end > 0 && text.charCodeAt(end - 1) === 0x0d) end--
    let at = 0
    for (let column = 0; ; column++) {
      if (column >= columns.length) return ignoresRest ? undefined : TOO_MANY
      const name = columns[column]!
      if (text[at] === quote && at < end) {
        let from = at + 1
        let value = ''
        for (;;) {
          const close = text.indexOf(quote, from)
          if (close < 0 || close >= end) return UNCLOSED
          value += text.slice(from, close)
          from = close + 1
          if (text[from] !== quote || from >= end) break
          value += quote
          from++
        }
        if (name !== '') into.text(name, value)
        if (from >= end) return undefined
        if (text[from] !== delimiter) return AFTER_QUOTE
        at = from + 1
        continue
      }
      let next = text.indexOf(delimiter, at)
      if (next < 0 || next > end) next = end
      if (name !== '') {
        const value = text.slice(at, next)
        if (detectsTypes) into.bare(name, value)
        else into.text(name, value)
      }
      if (next >= end) return undefined
      at = next + 1
    }
  }
}
