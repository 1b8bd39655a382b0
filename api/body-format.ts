import { WeirError } from '../base/errors.ts'

export type BodyEncoding = 'identity' | 'gzip' | 'zstd' | 'deflate'
export type BodyFormat = 'json' | 'ndjson'

const NDJSON_TYPES: ReadonlySet<string> = new Set([
  'application/x-ndjson',
  'application/ndjson',
  'application/stream+json',
  'application/jsonl',
  'application/x-jsonlines',
  'application/json-lines',
])
/** What clients send when nobody told them what they send; curl says form-urlencoded. */
const UNSAID_TYPES: ReadonlySet<string> = new Set([
  'application/x-www-form-urlencoded',
  'application/octet-stream',
  'text/plain',
])

/**
 * The encoding of a body. Throws unsupported_media_type for an unknown one and for chains: nobody sends those but to see how
 * often they are inflated.
 */
export function bodyEncoding(contentEncoding: string | undefined): BodyEncoding {
  if (contentEncoding === undefined) return 'identity'
  switch (contentEncoding.trim().toLowerCase()) {
    case '':
    case 'identity':
      return 'identity'
    case 'gzip':
    case 'x-gzip':
      return 'gzip'
    case 'zstd':
      return 'zstd'
    case 'deflate':
      return 'deflate'
    default:
      throw new WeirError('unsupported_media_type', 'Content-Encoding must be one of gzip, zstd, deflate, identity')
  }
}

/** The format that a Content-Type names; undefined when the body itself must tell. Throws unsupported_media_type. */
export function declaredFormat(contentType: string | undefined): BodyFormat | undefined {
  if (contentType === undefined) return undefined
  const semicolon = contentType.indexOf(';')
  const type = (semicolon < 0 ? contentType : contentType.slice(0, semicolon)).trim().toLowerCase()
  if (semicolon >= 0) refuseForeignCharset(contentType.slice(semicolon + 1))
  if (type === 'application/json') return 'json'
  if (NDJSON_TYPES.has(type)) return 'ndjson'
  if (type === '' || UNSAID_TYPES.has(type)) return undefined
  if (type.endsWith('+json')) return 'json'
  throw new WeirError('unsupported_media_type', `Records come as JSON or NDJSON, not as ${type.slice(0, 100)}`)
}

/** Whether a request says that its body is JSON, without doubt. */
export function declaresJson(contentType: string | undefined): boolean {
  return contentType !== undefined && /^\s*application\/json\s*(?:;|$)/i.test(contentType)
}

function refuseForeignCharset(parameters: string): void {
  const charset = /(?:^|;)\s*charset\s*=\s*"?([^\s;"]+)/i.exec(parameters)?.[1]?.toLowerCase()
  if (charset !== undefined && charset !== 'utf-8' && charset !== 'utf8' && charset !== 'us-ascii') {
    throw new WeirError('unsupported_media_type', 'Bodies are UTF-8')
  }
}

const NEWLINE = 0x0a
const BRACE_OPEN = 0x7b
const BRACE_CLOSE = 0x7d
const BRACKET_OPEN = 0x5b

/**
 * The format of a body that did not say. A `[` begins an array. A `{` begins NDJSON when its first line ends in `}` and the next
 * one begins with `{`; else it is one value, perhaps over several lines. Anything else goes by lines, so that each is rejected with its
 * own reason.
 */
export function sniffFormat(body: Uint8Array): BodyFormat {
  const first = skipSpace(body, 0)
  if (body[first] === BRACKET_OPEN) return 'json'
  if (body[first] !== BRACE_OPEN) return 'ndjson'
  const newline = body.indexOf(NEWLINE, first)
  if (newline < 0) return 'json'
  let last = newline - 1
  while (last > first && isSpace(body[last]!)) last--
  return body[last] === BRACE_CLOSE && body[skipSpace(body, newline)] === BRACE_OPEN ? 'ndjson' : 'json'
}

/** Whether a body is lines of text, each a message: it says that it is plain text, and does not begin as JSON objects do. */
export function isTextOfLines(contentType: string | undefined, body: Uint8Array): boolean {
  if (contentType === undefined || !/^\s*text\/plain\s*(?:;|$)/i.test(contentType)) return false
  const first = skipSpace(body, 0)
  const at = body[first] === BRACKET_OPEN ? skipSpace(body, first + 1) : first
  return body[at] !== BRACE_OPEN
}

/** `body` without a byte order mark. */
export function withoutMark(body: Buffer): Buffer {
  return body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf ? body.subarray(3) : body
}

function skipSpace(body: Uint8Array, from: number): number {
  let i = from
  while (i < body.length && isSpace(body[i]!)) i++
  return i
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d)
}
