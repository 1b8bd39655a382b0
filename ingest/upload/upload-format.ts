import { WeirError } from '../../base/errors.ts'
import { COMMA, NEWLINE, QUOTE } from '../json-text.ts'
import { decodeCsvHeader } from '../protocols/csv.ts'

export const UPLOAD_FORMATS = ['ndjson', 'json', 'csv', 'text'] as const
export type UploadFormat = (typeof UPLOAD_FORMATS)[number]

export type FileCompression = 'identity' | 'gzip' | 'zstd'

/** How a file is to be cut and read. */
export type FileLayout =
  | { readonly kind: 'ndjson' | 'text'; readonly start: number }
  /** Records one after the other, over any lines. */
  | { readonly kind: 'json-objects'; readonly start: number }
  /** `start` is that of the first element. */
  | { readonly kind: 'json-array'; readonly start: number; readonly isEnvelope: boolean }
  /** `start` is that of the first row after the header. */
  | { readonly kind: 'csv'; readonly start: number; readonly delimiter: number; readonly names: readonly string[] }

/** What is known of a file beside its bytes. */
export interface FileHints {
  readonly format?: UploadFormat | undefined
  readonly name: string
  readonly type: string
}

/** By the first bytes alone: names and types lie. */
export function sniffCompression(first: Uint8Array): FileCompression {
  if (first[0] === 0x1f && first[1] === 0x8b && first[2] === 0x08) return 'gzip'
  if (first[0] === 0x28 && first[1] === 0xb5 && first[2] === 0x2f && first[3] === 0xfd) return 'zstd'
  // A skippable frame of zstd (RFC 8878, 3.1.2), as parallel compressors begin with.
  const isSkippable = (first[0]! & 0xf0) === 0x50 && first[1] === 0x2a && first[2] === 0x4d && first[3] === 0x18
  return isSkippable ? 'zstd' : 'identity'
}

const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const SNIFFED_ROWS = 5
/** A name of a column, as programs give them; lines of prose are not taken for headers. */
const COLUMN_NAME = /^[\p{L}_@][\p{L}\p{N}_@./ -]{0,63}$/u

/**
 * The layout of a file, by its first bytes, inflated: `head` is all of it, or UPLOAD_HEAD_BYTES. What is said of the file goes first, what it begins
 * with comes next, its name decides between the rest. Throws invalid_body for what is not UTF-8, or no CSV where that was said.
 */
export function detectLayout(head: Buffer, { format, name, type }: FileHints): FileLayout {
  if ((head[0] === 0xff && head[1] === 0xfe) || (head[0] === 0xfe && head[1] === 0xff)) {
    throw new WeirError('invalid_body', 'The file is UTF-16; records are read as UTF-8')
  }
  const start = head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf ? 3 : 0
  const first = skipSpace(head, start)
  switch (format) {
    case 'ndjson':
    case 'text':
      return { kind: format, start }
    case 'csv':
      return csvLayout(head, start, delimiterOf(head, start))
    case 'json':
      return jsonLayout(head, first)
    case undefined:
  }
  if (head[first] === OPEN_BRACE)
    return looksLikeLines(head, first) ? { kind: 'ndjson', start } : jsonLayout(head, first)
  if (head[first] === OPEN_BRACKET) {
    const next = head[skipSpace(head, first + 1)]
    if (next === OPEN_BRACE || next === CLOSE_BRACKET) return jsonLayout(head, first)
  }
  const extension = /\.([a-z0-9]+)(?:\.(?:gz|zst|zstd))?$/i.exec(name)?.[1]?.toLowerCase() ?? ''
  const mediaType = type.split(';')[0]!.trim().toLowerCase()
  if (extension === 'csv' || extension === 'tsv' || mediaType === 'text/csv') {
    return csvLayout(head, start, extension === 'tsv' ? 0x09 : delimiterOf(head, start))
  }
  if (['ndjson', 'jsonl', 'json'].includes(extension) || /[/+](?:x-)?(?:nd)?json(?:l|lines)?$/.test(mediaType)) {
    return { kind: 'ndjson', start }
  }
  if (['log', 'txt', 'text'].includes(extension)) return { kind: 'text', start }
  return sniffCsv(head, start) ?? { kind: 'text', start }
}

/** A line that ends in a brace, with another object on the next line or nothing. An envelope on one line is none. */
function looksLikeLines(head: Buffer, first: number): boolean {
  if (envelopeLength(head, first) > 0) return false
  const newline = head.indexOf(NEWLINE, first)
  if (newline < 0) return true
  let last = newline - 1
  while (last > first && isSpace(head[last]!)) last--
  const next = skipSpace(head, newline)
  return head[last] === CLOSE_BRACE && (next === head.length || head[next] === OPEN_BRACE)
}

function jsonLayout(head: Buffer, first: number): FileLayout {
  if (head[first] === OPEN_BRACKET) return { kind: 'json-array', start: first + 1, isEnvelope: false }
  const envelope = envelopeLength(head, first)
  if (envelope > 0) return { kind: 'json-array', start: first + envelope, isEnvelope: true }
  return { kind: 'json-objects', start: first }
}

/** Length of `{"logs":[` at `first`, with any white space; 0 when it is not there. */
function envelopeLength(head: Buffer, first: number): number {
  const text = head.toString('latin1', first, first + 256)
  return /^\{\s*"logs"\s*:\s*\[/.exec(text)?.[0].length ?? 0
}

function csvLayout(head: Buffer, start: number, delimiter: number): FileLayout {
  const header = decodeCsvHeader(head, start, delimiter)
  if (header === undefined) throw new WeirError('invalid_body', 'The file has no header row that can be read')
  return { kind: 'csv', start: header.end, delimiter, names: header.names }
}

/** The separator that the first line has most of. */
function delimiterOf(head: Buffer, start: number): number {
  const newline = head.indexOf(NEWLINE, start)
  const counts = new Map([
    [COMMA, 0],
    [0x3b, 0],
    [0x09, 0],
    [0x7c, 0],
  ])
  let isQuoted = false
  for (let p = start; p < (newline < 0 ? head.length : newline); p++) {
    const c = head[p]!
    if (c === QUOTE) isQuoted = !isQuoted
    else if (!isQuoted && counts.has(c)) counts.set(c, counts.get(c)! + 1)
  }
  return [...counts].reduce((best, next) => (next[1] > best[1] ? next : best))[0]
}

/** CSV where the first line is names of columns, two or more, and the next lines have as many fields. */
function sniffCsv(head: Buffer, start: number): FileLayout | undefined {
  const delimiter = delimiterOf(head, start)
  const header = decodeCsvHeader(head, start, delimiter)
  if (header === undefined || header.names.length < 2) return undefined
  const { names, end } = header
  if (new Set(names).size !== names.length || !names.every((name) => COLUMN_NAME.test(name))) return undefined
  let at = end
  for (let row = 0; row < SNIFFED_ROWS && at < head.length; row++) {
    const next = decodeCsvHeader(head, at, delimiter)
    // The last row may be cut off.
    if (next === undefined || (next.end === head.length && row > 0)) break
    if (next.names.length !== names.length) return undefined
    at = next.end
  }
  return at === end ? undefined : { kind: 'csv', start: end, delimiter, names }
}

function skipSpace(bytes: Uint8Array, from: number): number {
  let p = from
  while (p < bytes.length && isSpace(bytes[p]!)) p++
  return p
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d)
}
