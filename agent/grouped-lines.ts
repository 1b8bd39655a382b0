import type { Clock } from '../base/clock.ts'
import type { LineTaker } from './line-splitter.ts'
import { type LineWrapper, unwrap, WrappedLine } from './line-wrapper.ts'
import type { FilePlace } from './place.ts'
import type { LineFacts, RecordWriter } from './record-writer.ts'

/** Which lines belong together: `start` begins a record, or `continuation` goes on with the one before. */
export interface MultilineRule {
  readonly start?: RegExp
  readonly continuation?: RegExp
  readonly linesMax: number
}

export interface GroupedLinesOptions {
  readonly writer: RecordWriter
  readonly clock: Clock
  readonly wrapper: LineWrapper
  readonly multiline?: MultilineRule
  /** A record of several lines is no longer. */
  readonly bytesMax: number
  /** Where the source stood before: records that had not ended are gathered anew, and what was shipped by then is not shipped again. */
  readonly place?: FilePlace
}

/** A record that has begun. */
interface Open {
  /** Where its first line begins in the source. */
  readonly offset: number
  readonly facts: LineFacts
  readonly parts: Buffer[]
  bytes: number
  lines: number
  /** Monotonic ms. */
  lastMs: number
  /** Its last line goes on in the next. */
  isPartial: boolean
}

/** Characters of a line that a rule looks at. */
const LOOKED_AT_BYTES = 1024
const NEWLINE = Buffer.from('\n')
const END = Buffer.from('\n\0\0\0\0\0\0\0')
const STREAM_MEMBERS = new Map(['stdout', 'stderr'].map((stream) => [stream, Buffer.from(`"stream":"${stream}"`)]))

/** Lines of which several may make one record: those of a stack trace, and those that a container runtime has cut. Each stream by itself. */
export class GroupedLines implements LineTaker {
  readonly #options: GroupedLinesOptions
  readonly #open = new Map<string, Open>()
  readonly #wrapped = new WrappedLine()

  constructor(options: GroupedLinesOptions) {
    this.#options = options
  }

  line(bytes: Buffer, start: number, end: number, offset: number, isText: boolean): void {
    const { writer, wrapper, multiline, place } = this.#options
    const line = this.#wrapped
    if (wrapper === 'container') unwrap(bytes, start, end, line)
    else {
      line.bytes = bytes
      line.start = start
      line.end = end
    }
    const { stream } = line
    // Of what is read once more, only the lines of records that had not ended.
    if (place !== undefined && offset < place.offset && offset < (place.pending?.[stream] ?? place.offset)) return
    const open = this.#open.get(stream)
    if (open?.isPartial) {
      this.#add(open, line, false)
      if (multiline === undefined && !line.isPartial) this.#close(stream, open)
      return
    }
    if (multiline === undefined && !line.isPartial) {
      if (line.end === line.start) return
      if (isText) writer.write(line.bytes, line.start, line.end, offset, this.#facts(line))
      else writer.writeAnyBytes(line.bytes, line.start, line.end, offset, this.#facts(line))
      return
    }
    if (open !== undefined && multiline !== undefined && !begins(line, multiline) && open.lines < multiline.linesMax) {
      this.#add(open, line, true)
      return
    }
    if (open !== undefined) this.#close(stream, open)
    const begun: Open = {
      offset,
      facts: this.#facts(line),
      parts: [],
      bytes: 0,
      lines: 0,
      lastMs: 0,
      isPartial: false,
    }
    this.#open.set(stream, begun)
    this.#add(begun, line, true)
  }

  cutLine(bytes: Buffer, start: number, end: number, offset: number): void {
    const open = this.#open.get('')
    if (open !== undefined) this.#close('', open)
    this.#options.writer.writeTruncated(bytes, start, end, offset)
  }

  pending(): Readonly<Record<string, number>> | undefined {
    if (this.#open.size === 0) return undefined
    return Object.fromEntries([...this.#open].map(([stream, { offset }]) => [stream, offset]))
  }

  flush(untilMs: number): boolean {
    let hasWritten = false
    for (const [stream, open] of this.#open) {
      if (open.lastMs > untilMs) continue
      this.#close(stream, open)
      hasWritten = true
    }
    return hasWritten
  }

  /** Adds a line, or with `isNew` false the rest of one. What is too long is left out. */
  #add(open: Open, { bytes, start, end, isPartial }: WrappedLine, isNew: boolean): void {
    const { bytesMax, clock } = this.#options
    if (isNew && open.lines > 0 && open.bytes < bytesMax) {
      open.parts.push(NEWLINE)
      open.bytes++
    }
    const kept = Math.min(end - start, bytesMax - open.bytes)
    if (kept > 0) {
      open.parts.push(Buffer.from(bytes.subarray(start, start + kept)))
      open.bytes += kept
    }
    if (isNew) open.lines++
    open.isPartial = isPartial
    open.lastMs = clock.monotonicMs()
  }

  #close(stream: string, { parts, offset, facts }: Open): void {
    this.#open.delete(stream)
    const bytes = Buffer.concat([...parts, END])
    const end = bytes.length - END.length
    if (end > 0) this.#options.writer.writeAnyBytes(bytes, 0, end, offset, facts)
  }

  #facts({ stream, timestamp }: WrappedLine): LineFacts {
    const members = STREAM_MEMBERS.get(stream)
    return { ...(timestamp === undefined ? {} : { timestamp }), ...(members === undefined ? {} : { members }) }
  }
}

function begins({ bytes, start, end }: WrappedLine, { start: rule, continuation }: MultilineRule): boolean {
  const text = bytes.toString('utf8', start, Math.min(end, start + LOOKED_AT_BYTES))
  return rule === undefined ? continuation?.test(text) !== true : rule.test(text)
}
