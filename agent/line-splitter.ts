import { isUtf8 } from 'node:buffer'
import type { Clock } from '../base/clock.ts'
import type { AgentCounts } from './agent-metrics.ts'
import type { Batcher } from './batcher.ts'
import type { RecordWriter } from './record-writer.ts'

/** What becomes of the lines of one source. */
export interface LineTaker {
  /**
   * The line bytes[start, end), without its end, begins at `offset` of the source. bytes[end] is a control byte with seven readable bytes after it.
   * `isText`: it is known to be UTF-8.
   */
  line(bytes: Buffer, start: number, end: number, offset: number, isText: boolean): void
  /** The beginning of a line that is too long for a record; the rest does not come. */
  cutLine(bytes: Buffer, start: number, end: number, offset: number): void
  /** By stream: where records begin whose end has not come; undefined for none. */
  pending(): Readonly<Record<string, number>> | undefined
  /** Writes what waits for a further line since before `untilMs` (monotonic); Infinity: all of it. True when it wrote something. */
  flush(untilMs: number): boolean
}

const NEWLINE = 0x0a
const RETURN = 0x0d

/** Every line is a record of its own. */
export class SingleLines implements LineTaker {
  readonly #writer: RecordWriter

  constructor(writer: RecordWriter) {
    this.#writer = writer
  }

  line(bytes: Buffer, start: number, end: number, offset: number, isText: boolean): void {
    if (isText) this.#writer.write(bytes, start, end, offset)
    else this.#writer.writeAnyBytes(bytes, start, end, offset)
  }

  cutLine(bytes: Buffer, start: number, end: number, offset: number): void {
    this.#writer.writeTruncated(bytes, start, end, offset)
  }

  pending(): undefined {}

  flush(): boolean {
    return false
  }
}

export interface LineSplitterOptions {
  readonly taker: LineTaker
  /** Where the taker writes. */
  readonly writer: RecordWriter
  readonly clock: Clock
  readonly batcher: Batcher
  readonly counts: AgentCounts
  /** Of longer lines only the beginning is kept. */
  readonly lineBytesMax: number
}

/** Finds the lines in the bytes of a source. Empty lines are nothing. */
export class LineSplitter {
  /** The beginning of a line that was too long has been taken, and its end has not come. */
  isSkipping = false
  readonly #options: LineSplitterOptions

  constructor(options: LineSplitterOptions) {
    this.#options = options
  }

  /**
   * Takes whole lines of bytes[start, end), which begin at `offset` of the source, until the batch is full; gives where it came to. `isEnd`: nothing
   * follows, so the last line needs no newline; then bytes[end] must be writable. Eight bytes after `end` must be readable.
   */
  take(bytes: Buffer, start: number, end: number, offset: number, isEnd: boolean): number {
    const { taker, writer, clock, batcher, counts, lineBytesMax } = this.#options
    writer.readAt(clock.nowMs())
    const wholeEnd = isEnd ? end : bytes.lastIndexOf(NEWLINE, end - 1) + 1
    let p = start
    if (wholeEnd > start) {
      const isText = isUtf8(bytes.subarray(start, wholeEnd))
      if (isEnd) bytes[end] = NEWLINE
      let lines = 0
      while (p < wholeEnd && !batcher.isFull) {
        const newline = bytes.indexOf(NEWLINE, p)
        if (this.isSkipping) this.isSkipping = false
        else {
          const lineEnd = newline > p && bytes[newline - 1] === RETURN ? newline - 1 : newline
          if (lineEnd - p > lineBytesMax) {
            counts.linesTruncated++
            taker.cutLine(bytes, p, p + lineBytesMax, offset + p - start)
          } else if (lineEnd > p) taker.line(bytes, p, lineEnd, offset + p - start, isText)
          lines++
        }
        p = newline + 1
      }
      counts.linesRead += lines
      // At the end the newline is ours.
      p = Math.min(p, end)
    }
    if (p >= wholeEnd && end - p > lineBytesMax && !batcher.isFull) {
      if (!this.isSkipping) {
        counts.linesTruncated++
        counts.linesRead++
        taker.cutLine(bytes, p, p + lineBytesMax, offset + p - start)
        this.isSkipping = true
      }
      p = end
    } else if (this.isSkipping && p >= wholeEnd) p = end
    counts.bytesRead += p - start
    return p
  }
}
