import { RECORD_BYTES_MAX } from '../../base/limits.ts'

const NEWLINE = 0x0a
/** A batch is closed when it has so much; the last line may exceed it by a record. */
const BATCH_BYTES = 1024 * 1024
const BATCH_LINES_MAX = 8192

export interface Batch {
  readonly body: Buffer
  /** Of each line in it, from 1 in the source. */
  readonly lineNumbers: readonly number[]
  /** How much of the source has been read when the batch is stored. */
  readonly sourceBytes: number
}

export interface OversizedLine {
  readonly line: number
  readonly bytes: number
}

/**
 * Cuts bytes into batches of whole lines; blank lines are left out, lines beyond the limit of a record are told of and left out. `isEager`: a batch
 * is whatever has come when the next is wanted; else each is full but the last, and where it ends depends on the bytes alone.
 */
export class LineBatches {
  readonly #isEager: boolean
  readonly #onOversized: (line: OversizedLine) => void
  /** Of a line that has not ended. */
  #parts: Buffer[] = []
  #partBytes = 0
  #lines: Buffer[] = []
  #numbers: number[] = []
  #bytes = 0
  #line = 1
  #sourceBytes = 0
  #isEnded = false
  #failure: { readonly error: unknown } | undefined
  #wakeTaker: (() => void) | undefined
  #wakeFeeder: (() => void) | undefined

  constructor(isEager: boolean, onOversized: (line: OversizedLine) => void, signal: AbortSignal) {
    this.#isEager = isEager
    this.#onOversized = onOversized
    signal.addEventListener('abort', () => this.#end(signal.reason), { once: true })
  }

  /** Takes all that the source gives, at the pace at which batches are taken. */
  async feed(source: AsyncIterable<Buffer>, positionOf: (read: number) => number): Promise<void> {
    let read = 0
    try {
      for await (const chunk of source) {
        read += chunk.length
        let begin = 0
        for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, begin)) {
          this.#part(chunk.subarray(begin, end))
          this.#endLine()
          begin = end + 1
          if (this.#isFull) await this.#room()
        }
        this.#part(chunk.subarray(begin))
        this.#sourceBytes = positionOf(read)
        if (this.#isEager && this.#lines.length > 0) this.#wakeTaker?.()
      }
      this.#endLine()
      this.#end()
    } catch (error) {
      this.#end(error)
    }
  }

  #end(error?: unknown): void {
    if (error !== undefined) this.#failure ??= { error }
    this.#isEnded = true
    this.#wakeTaker?.()
  }

  /** The next batch; undefined after the last. Throws what the source failed with, or the reason of the signal, after all before it. */
  async next(): Promise<Batch | undefined> {
    while (!this.#isReady) {
      await new Promise<void>((resolve) => {
        this.#wakeTaker = resolve
      })
    }
    this.#wakeTaker = undefined
    if (this.#lines.length === 0) {
      if (this.#failure !== undefined) throw this.#failure.error
      return undefined
    }
    const batch = { body: Buffer.concat(this.#lines), lineNumbers: this.#numbers, sourceBytes: this.#sourceBytes }
    this.#lines = []
    this.#numbers = []
    this.#bytes = 0
    this.#wakeFeeder?.()
    return batch
  }

  get #isReady(): boolean {
    return this.#isEnded || this.#isFull || (this.#isEager && this.#lines.length > 0)
  }

  get #isFull(): boolean {
    return this.#bytes >= BATCH_BYTES || this.#numbers.length >= BATCH_LINES_MAX
  }

  async #room(): Promise<void> {
    this.#wakeTaker?.()
    await new Promise<void>((resolve) => {
      this.#wakeFeeder = resolve
    })
    this.#wakeFeeder = undefined
  }

  #part(part: Buffer): void {
    this.#partBytes += part.length
    // Of a line that is too long nothing is kept.
    if (this.#partBytes > RECORD_BYTES_MAX) this.#parts = []
    else if (part.length > 0) this.#parts.push(part)
  }

  #endLine(): void {
    const line = this.#line++
    const bytes = this.#partBytes
    const parts = this.#parts
    this.#parts = []
    this.#partBytes = 0
    if (bytes > RECORD_BYTES_MAX) this.#onOversized({ line, bytes })
    if (bytes > RECORD_BYTES_MAX || parts.every(isBlank)) return
    this.#lines.push(...parts, LINE_END)
    this.#numbers.push(line)
    this.#bytes += bytes + 1
  }
}

const LINE_END = Buffer.from('\n')

function isBlank(part: Buffer): boolean {
  return part.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d)
}
