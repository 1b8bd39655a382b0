import { JsonObjectReader } from './json-object.ts'
import { ParsedFields } from './parsed-fields.ts'

/** One line of a container's log file. A line that is longer than the runtime's buffer (16 KiB) comes in several parts. */
export interface ContainerLine {
  /** RFC 3339 with nanoseconds. */
  readonly time: string
  /** `stdout` or `stderr`. */
  readonly stream: string
  readonly text: string
  /** More of the same line follows. */
  readonly isPartial: boolean
}

/** `time stream P|F text` of containerd and CRI-O; undefined when it is none. P: a part; F: the last part, or the whole line. */
export function criLine(line: string): ContainerLine | undefined {
  const timeEnd = line.indexOf(' ')
  // 2016-10-06T00:17:09.669794202Z, or with an offset.
  if (timeEnd < 20 || timeEnd > 35 || line[4] !== '-' || line[10] !== 'T') return undefined
  const streamEnd = line.indexOf(' ', timeEnd + 1)
  const stream = line.slice(timeEnd + 1, streamEnd)
  if (stream !== 'stdout' && stream !== 'stderr') return undefined
  // Tags are separated by colons, of which only the first is defined.
  const textStart = line.indexOf(' ', streamEnd + 1)
  const tags = textStart < 0 ? line.slice(streamEnd + 1) : line.slice(streamEnd + 1, textStart)
  const tag = tags.split(':', 1)[0]
  if (tag !== 'P' && tag !== 'F') return undefined
  const text = textStart < 0 ? '' : line.slice(textStart + 1)
  return { time: line.slice(0, timeEnd), stream, text, isPartial: tag === 'P' }
}

const reader = new JsonObjectReader()
const fields = new ParsedFields()

/** `{"log":"text\n","stream":"stdout","time":"…"}` of Docker's json-file driver; undefined when it is none. Without a newline at its end, `log` is a part. */
export function dockerLine(line: string): ContainerLine | undefined {
  fields.reset()
  if (line.charCodeAt(0) !== 0x7b || reader.members(line, fields) !== undefined) return undefined
  let log: string | undefined
  let stream = ''
  let time = ''
  for (let i = 0; i < fields.count; i++) {
    const name = fields.names[i]!
    if (name !== 'log' && name !== 'stream' && name !== 'time') continue
    const json = fields.values[i]!
    if (json.charCodeAt(0) !== 0x22) return undefined
    const text = JSON.parse(json) as string
    if (name === 'log') log = text
    else if (name === 'stream') stream = text
    else time = text
  }
  if (log === undefined || time === '') return undefined
  const isPartial = !log.endsWith('\n')
  return { time, stream, text: isPartial ? log : log.slice(0, -1), isPartial }
}
