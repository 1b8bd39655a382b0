import { isUtf8 } from 'node:buffer'
import { jsonKey } from '../ingest/protocols/json-writer.ts'
import type { Batcher } from './batcher.ts'
import { HAS_HOST, HAS_SERVICE, HAS_TIMESTAMP, JsonLine } from './json-line.ts'

/** `auto`: a line that is a JSON object stays one, any other is the message of a record. */
export type LineFormat = 'auto' | 'plain'

/** What every record of a source says beside its line. */
export interface SourceLabels {
  /** For lines that name none. */
  readonly service: string | undefined
  readonly host: string | undefined
  /** Top-level fields, such as {"file": "/var/log/x"}; a JSON line's own field of that name stands. */
  readonly fields: Readonly<Record<string, unknown>>
}

/** Masks bytes[start, end) as a line of text: the masked copy, or undefined where there was nothing to mask. */
export type LineMask = (bytes: Buffer, start: number, end: number) => Buffer | undefined

export interface RecordWriterOptions {
  readonly batcher: Batcher
  readonly labels: SourceLabels
  readonly format: LineFormat
  /** Whether records say where in the source their line begins. */
  readonly offsets: boolean
  readonly mask?: LineMask
}

/** What the wrapper around a line says (a container runtime's). */
export interface LineFacts {
  /** JSON text, such as `"2026-11-21T10:00:00.123456789Z"` with its quotes. */
  readonly timestamp?: Buffer
  /** Members as JSON text, such as `"stream":"stderr"`. */
  readonly members?: Buffer
}

const KEY_MESSAGE = jsonKey('message')
const KEY_OFFSET = jsonKey('offset')
const KEY_TIMESTAMP = jsonKey('timestamp')
const TRUNCATED = Buffer.from('"truncated":true')
/** Behind the end of a line that is no part of a larger buffer: what ends it for those who look ahead. */
const END = Buffer.from('\n\0\0\0\0\0\0\0')
const DIGIT_0 = 0x30
const DIGIT_9 = 0x39
const NS_DIGITS = 6

/**
 * Writes lines as records of the batch that is being gathered. Lines of one read have one time; to stay in order they are a nanosecond apart, as the
 * nodes order by time.
 */
export class RecordWriter {
  readonly #batcher: Batcher
  readonly #format: LineFormat
  readonly #offsets: boolean
  readonly #mask: LineMask | undefined
  readonly #service: Buffer | undefined
  readonly #host: Buffer | undefined
  readonly #fields: Buffer | undefined
  readonly #json = new JsonLine()
  /** Nanoseconds since the epoch as digits; counts up by itself. */
  readonly #stamp = Buffer.alloc(13 + NS_DIGITS)
  #stampMs = 0

  constructor({ batcher, labels, format, offsets, mask }: RecordWriterOptions) {
    this.#batcher = batcher
    this.#format = format
    this.#offsets = offsets
    this.#mask = mask
    this.#service = membersOf(labels.service === undefined ? {} : { service: labels.service })
    this.#host = membersOf(labels.host === undefined ? {} : { host: labels.host })
    this.#fields = membersOf(labels.fields)
  }

  /** Records without a time of their own have this one from now on. */
  readAt(nowMs: number): void {
    // Not back behind what was counted up; several sources may be read within one millisecond.
    if (nowMs === this.#stampMs) return
    this.#stampMs = nowMs
    this.#stamp.write(`${String(nowMs).padStart(13, '0')}${'0'.repeat(NS_DIGITS)}`, 'latin1')
  }

  /**
   * Writes the line bytes[start, end) of UTF-8 that begins at `offset` of its source. bytes[end] must be a control byte with seven readable bytes after it.
   */
  write(bytes: Buffer, start: number, end: number, offset: number, facts?: LineFacts): void {
    const masked = this.#mask?.(bytes, start, end)
    if (masked === undefined) this.#write(bytes, start, end, offset, facts, false)
    else this.#write(Buffer.concat([masked, END]), 0, masked.length, offset, facts, false)
  }

  /** The same for bytes of any kind: what is not UTF-8 is replaced. */
  writeAnyBytes(bytes: Buffer, start: number, end: number, offset: number, facts?: LineFacts): void {
    const line = bytes.subarray(start, end)
    if (isUtf8(line)) this.write(bytes, start, end, offset, facts)
    else {
      const text = Buffer.from(`${line.toString('utf8')}${END.toString('latin1')}`)
      this.write(text, 0, text.length - END.length, offset, facts)
    }
  }

  /** The beginning of a line that is longer than a line may be. */
  writeTruncated(bytes: Buffer, start: number, end: number, offset: number): void {
    // Not in the middle of a character.
    let cut = end
    while (cut > start && (bytes[cut]! & 0xc0) === 0x80) cut--
    const text = Buffer.from(`${bytes.toString('utf8', start, cut)}${END.toString('latin1')}`)
    const masked = this.#mask?.(text, 0, text.length - END.length)
    const line = masked === undefined ? text : Buffer.concat([masked, END])
    this.#write(line, 0, line.length - END.length, offset, undefined, true)
  }

  #write(
    bytes: Buffer,
    start: number,
    end: number,
    offset: number,
    facts: LineFacts | undefined,
    isCut: boolean,
  ): void {
    const { json } = this.#batcher
    const line = this.#json
    const isJson = this.#format === 'auto' && !isCut && line.check(bytes, start, end)
    const has = isJson ? line.has : 0
    json.openObject()
    if (this.#service !== undefined && (has & HAS_SERVICE) === 0) json.jsonLine(this.#service, 0, this.#service.length)
    if (this.#host !== undefined && (has & HAS_HOST) === 0) json.jsonLine(this.#host, 0, this.#host.length)
    if (this.#fields !== undefined) json.jsonLine(this.#fields, 0, this.#fields.length)
    if (facts?.members !== undefined) json.jsonLine(facts.members, 0, facts.members.length)
    if (isCut) json.jsonLine(TRUNCATED, 0, TRUNCATED.length)
    if (this.#offsets) {
      json.key(KEY_OFFSET)
      json.number(offset)
    }
    if ((has & HAS_TIMESTAMP) === 0) {
      json.key(KEY_TIMESTAMP)
      if (facts?.timestamp !== undefined) json.jsonLine(facts.timestamp, 0, facts.timestamp.length)
      else {
        json.jsonLine(this.#stamp, 0, this.#stamp.length)
        this.#countUp()
      }
    }
    // Last, because the last of several equal keys counts: what the line says itself stands.
    if (!isJson) {
      json.key(KEY_MESSAGE)
      json.text(bytes, start, end)
    } else if (line.end > line.start) json.jsonLine(bytes, line.start, line.end)
    json.closeObject()
    json.newline()
    this.#batcher.records++
  }

  /** A nanosecond later; the time does not pass the millisecond that was read at. */
  #countUp(): void {
    const stamp = this.#stamp
    let at = stamp.length - 1
    const first = stamp.length - NS_DIGITS
    while (at >= first && stamp[at] === DIGIT_9) at--
    if (at < first) return
    stamp[at]!++
    stamp.fill(DIGIT_0, at + 1)
  }
}

/** Members of an object as JSON text, without its braces; undefined for none. */
function membersOf(fields: Readonly<Record<string, unknown>>): Buffer | undefined {
  const text = JSON.stringify(fields)
  return text === '{}' ? undefined : Buffer.from(text.slice(1, -1))
}
