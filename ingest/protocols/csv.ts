import { NEWLINE, QUOTE } from '../json-text.ts'
import type { DecodedBody, Decoding } from './decoded-body.ts'
import { jsonKey } from './json-writer.ts'

const CARRIAGE_RETURN = 0x0d
/** Longer runs of digits are ids rather than numbers. */
const NUMBER_BYTES_MAX = 16

/**
 * Reads rows of CSV (RFC 4180) field by field: a field that begins with a quote goes to the next quote that is not doubled, over newlines; a quote anywhere else
 * stands for itself. What follows a closing quote belongs to the field.
 */
class CsvReader {
  readonly #bytes: Buffer
  readonly #delimiter: number
  /** Where the next field begins. */
  at: number
  /** The field that `next` has read, without its quotes. */
  start = 0
  end = 0
  isQuoted = false
  /** The field holds quotes, doubled, or text after its closing quote: see `text`. */
  isEscaped = false
  /** The field is the last of its row. */
  isLast = false
  /** The field's quote is not closed before the bytes end. */
  isOpen = false

  constructor(bytes: Buffer, at: number, delimiter: number) {
    this.#bytes = bytes
    this.at = at
    this.#delimiter = delimiter
  }

  next(): void {
    const bytes = this.#bytes
    const delimiter = this.#delimiter
    let p = this.at
    this.isQuoted = bytes[p] === QUOTE
    this.isEscaped = false
    this.isOpen = false
    this.start = p
    if (this.isQuoted) {
      this.start = ++p
      for (;;) {
        const quote = bytes.indexOf(QUOTE, p)
        if (quote < 0) {
          this.end = this.at = bytes.length
          this.isLast = true
          this.isOpen = true
          return
        }
        p = quote + 1
        if (bytes[p] !== QUOTE) break
        this.isEscaped = true
        p++
      }
      this.end = p - 1
    }
    while (p < bytes.length && bytes[p] !== delimiter && bytes[p] !== NEWLINE) p++
    this.isLast = bytes[p] !== delimiter
    let end = p
    if (this.isLast && end > this.start && bytes[end - 1] === CARRIAGE_RETURN) end--
    if (!this.isQuoted) this.end = end
    else if (end > this.end + 1) {
      this.isEscaped = true
      this.end = end
    }
    this.at = Math.min(p + 1, bytes.length)
  }

  /** The text of an escaped field. */
  text(): string {
    const raw = this.#bytes.toString('utf8', this.start, this.end)
    return raw.replace(/""|"/g, (quotes) => (quotes.length === 2 ? '"' : ''))
  }

  string(): string {
    return this.isEscaped ? this.text() : this.#bytes.toString('utf8', this.start, this.end)
  }
}

/**
 * The fields of the row at `start`, as names of columns, and where the next row begins; undefined when the row does not end, or one name is not UTF-8. A column
 * without a name is called `column_` and its number, from 1.
 */
export function decodeCsvHeader(
  bytes: Buffer,
  start: number,
  delimiter: number,
): { readonly names: readonly string[]; readonly end: number } | undefined {
  const reader = new CsvReader(bytes, start, delimiter)
  const names: string[] = []
  do {
    reader.next()
    const name = reader.string().trim()
    if (name.includes('\ufffd')) return undefined
    names.push(name === '' ? `column_${names.length + 1}` : name)
  } while (!reader.isLast)
  if (reader.isOpen) return undefined
  return start === bytes.length ? undefined : { names, end: reader.at }
}

export interface CsvColumns {
  readonly delimiter: number
  /** Of the columns, in order: keys of the records. */
  readonly names: readonly string[]
}

/**
 * Decodes rows of CSV without their header: each but empty ones becomes a record, its fields under the names of the columns. A field that is written as a number
 * is one, every other is text; one without text is absent. A row that has more fields than there are columns is refused.
 */
export function* decodeCsvRows(source: Buffer, into: DecodedBody, { delimiter, names }: CsvColumns): Decoding {
  const { json } = into
  const keys = names.map(jsonKey)
  const tooMany = {
    code: 'invalid_record',
    reason: `The row has more fields than the ${names.length} columns`,
  } as const
  const notEnded = { code: 'invalid_record', reason: 'A quoted field of the row does not end' } as const
  const reader = new CsvReader(source, 0, delimiter)
  while (reader.at < source.length) {
    if (into.isPauseDue(reader.at)) yield
    const start = reader.at
    if (source[start] === NEWLINE || (source[start] === CARRIAGE_RETURN && source[start + 1] === NEWLINE)) {
      reader.at = source[start] === NEWLINE ? start + 1 : start + 2
      continue
    }
    into.begin()
    let column = 0
    do {
      reader.next()
      const key = keys[column++]
      const { start: from, end } = reader
      if (key === undefined || (end === from && !reader.isQuoted)) continue
      json.key(key)
      if (reader.isEscaped) json.string(reader.text())
      else if (!reader.isQuoted && isNumber(source, from, end)) json.jsonLine(source, from, end)
      else json.text(source, from, end)
    } while (!reader.isLast)
    const end = reader.at
    if (reader.isOpen) into.refuse(start, end, notEnded)
    else if (column > keys.length) into.refuse(start, end, tooMany)
    else into.end(start, end)
  }
}

/** Whether the text is a number that JSON writes likewise: no plus, no leading zero, no exponent. */
function isNumber(bytes: Uint8Array, start: number, end: number): boolean {
  let p = start
  if (bytes[p] === 0x2d) p++
  const first = p
  if (end - p > NUMBER_BYTES_MAX || !isDigit(bytes[p])) return false
  while (p < end && isDigit(bytes[p])) p++
  if (bytes[first] === 0x30 && p - first > 1) return false
  if (p === end) return true
  if (bytes[p++] !== 0x2e || p === end) return false
  while (p < end && isDigit(bytes[p])) p++
  return p === end
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39
}
