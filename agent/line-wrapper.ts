/** A line as a container runtime has wrapped it. One is used again and again. */
export class WrappedLine {
  /** The content is bytes[start, end); bytes[end] is a control byte with seven readable bytes behind it. */
  bytes: Buffer = Buffer.alloc(0)
  start = 0
  end = 0
  /** `stdout`, `stderr`, or empty. */
  stream = ''
  /** JSON text. */
  timestamp: Buffer | undefined
  /** The line goes on in the next one of its stream. */
  isPartial = false
}

export type LineWrapper = 'none' | 'container'

const SPACE = 0x20
const OPEN_BRACE = 0x7b
const NEWLINE = 0x0a
const LETTER_P = 0x50
const COLON = 0x3a
/** 2026-11-21T10:00:00.123456789+01:00 */
const TIME_BYTES_MAX = 40
const SLACK = '\n\0\0\0\0\0\0\0'

/**
 * Takes the wrapper off bytes[start, end): that of the container runtime interface (`<time> stdout F <content>`), or that of Docker's json-file driver
 * (`{"log":"…\n","stream":"…","time":"…"}`). A line with neither is its own content.
 */
export function unwrap(bytes: Buffer, start: number, end: number, into: WrappedLine): void {
  into.bytes = bytes
  into.start = start
  into.end = end
  into.stream = ''
  into.timestamp = undefined
  into.isPartial = false
  if (bytes[start] === OPEN_BRACE) unwrapDocker(into)
  else unwrapCri(into)
}

function unwrapCri(into: WrappedLine): void {
  const { bytes, start, end } = into
  const timeEnd = bytes.indexOf(SPACE, start)
  if (timeEnd < 0 || timeEnd - start > TIME_BYTES_MAX || timeEnd + 9 > end) return
  // `stdout` and `stderr` have six letters; behind their tag there is a space, also before nothing.
  const streamEnd = timeEnd + 7
  const stream = bytes.toString('latin1', timeEnd + 1, streamEnd)
  if ((stream !== 'stdout' && stream !== 'stderr') || bytes[streamEnd] !== SPACE) return
  const tag = bytes[streamEnd + 1]
  const tagEnd = bytes.indexOf(SPACE, streamEnd + 1)
  const contentStart = tagEnd < 0 || tagEnd > end ? end : tagEnd + 1
  const time = bytes.toString('latin1', start, timeEnd)
  if (!/^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)$/.test(time)) return
  into.timestamp = Buffer.from(`"${time}"`, 'latin1')
  into.stream = stream
  into.isPartial = tag === LETTER_P && (bytes[streamEnd + 2] === SPACE || bytes[streamEnd + 2] === COLON)
  into.start = contentStart
}

function unwrapDocker(into: WrappedLine): void {
  let value: { readonly log?: unknown; readonly stream?: unknown; readonly time?: unknown }
  try {
    value = JSON.parse(into.bytes.toString('utf8', into.start, into.end))
  } catch {
    return
  }
  const { log, stream, time } = value
  if (typeof log !== 'string' || typeof time !== 'string') return
  const isWhole = log.charCodeAt(log.length - 1) === NEWLINE
  const content = Buffer.from((isWhole ? log.slice(0, -1) : log) + SLACK)
  into.bytes = content
  into.start = 0
  into.end = content.length - SLACK.length
  if (content[into.end - 1] === 0x0d) content[--into.end] = NEWLINE
  into.stream = typeof stream === 'string' ? stream : ''
  into.timestamp = Buffer.from(JSON.stringify(time))
  into.isPartial = !isWhole
}
