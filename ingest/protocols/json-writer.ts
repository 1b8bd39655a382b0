import { assert } from '../../base/assert.ts'

/** Where buffers come from and go back to; `acquire` may refuse (overloaded, body_too_large) and gives at least so many bytes. */
export interface ByteRoom {
  acquire(bytes: number): Buffer
  release(buffer: Buffer): void
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const SPACE = 0x20
const NEWLINE = 0x0a
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
/** Written beyond what is asked for: a word at a time, separators. */
const SLACK_BYTES = 16
/** Fewer are copied faster one by one. */
const COPIED_BYTES_MIN = 48
/** Longest escape: \u001f. */
const ESCAPE_BYTES = 6

const HEX = Buffer.from('0123456789abcdef')
/** Byte → its two digits, the first in the high half. */
const HEX_PAIRS = Uint16Array.from({ length: 256 }, (_, byte) => (HEX[byte >> 4]! << 8) | HEX[byte & 15]!)
/** Byte → the letter after a backslash; 0: none, the byte stands for itself or needs \u00XX. */
const LETTER = new Uint8Array(256)
for (const [byte, letter] of ['""', '\\\\', '\bb', '\ff', '\nn', '\rr', '\tt']) {
  LETTER[byte!.charCodeAt(0)] = letter!.charCodeAt(0)
}

/** A key that is written often: `"name":` as bytes. */
export function jsonKey(name: string): Buffer {
  return Buffer.from(`${JSON.stringify(name)}:`)
}

/**
 * Writes JSON text straight as bytes, without a string or object a value. Separators come by themselves: keys and values are written one
 * after the other, and `open`, `close` around members. Nothing is checked but the room: text that is not UTF-8, or JSON that is none, comes out
 * as it went in, and the scanner refuses that record.
 *
 * What it writes holds no newline but those of `newline`, whatever the values are.
 */
export class JsonWriter {
  readonly #room: ByteRoom
  #buffer: Buffer
  #view: DataView
  /** Bytes that may be written without a look at the room. */
  #end: number
  #at = 0
  #needsComma = false
  /** The bytes that `text` has copied from last. */
  #from: Uint8Array | undefined
  #fromView: DataView = new DataView(new ArrayBuffer(0))

  /** `expectedBytes` is a guess of all that will be written. */
  constructor(room: ByteRoom, expectedBytes: number) {
    this.#room = room
    this.#buffer = room.acquire(expectedBytes + SLACK_BYTES)
    this.#view = viewOf(this.#buffer)
    this.#end = this.#buffer.length - SLACK_BYTES
  }

  get length(): number {
    return this.#at
  }

  /** What has been written; a view that is good until more is written, or `release`. */
  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#at)
  }

  /** Hands over what has been written so far, and goes on after it in a buffer of the same size. */
  take(): Buffer {
    const taken = this.bytes()
    this.#buffer = this.#room.acquire(this.#buffer.length)
    this.#view = viewOf(this.#buffer)
    this.#end = this.#buffer.length - SLACK_BYTES
    this.#at = 0
    return taken
  }

  /** Gives the buffer back; nothing may read the bytes any more, and nothing more is written. */
  release(): void {
    this.#room.release(this.#buffer)
    this.#buffer = Buffer.alloc(0)
    this.#view = viewOf(this.#buffer)
    this.#at = 0
    this.#end = -SLACK_BYTES
  }

  /** Forgets all that was written after the first `length` bytes, at the end of a line. */
  truncate(length: number): void {
    assert(length <= this.#at, 'only what was written can be forgotten')
    this.#at = length
    this.#needsComma = false
  }

  openObject(): void {
    this.#open(OPEN_BRACE)
  }

  closeObject(): void {
    this.#close(CLOSE_BRACE)
  }

  openArray(): void {
    this.#open(OPEN_BRACKET)
  }

  closeArray(): void {
    this.#close(CLOSE_BRACKET)
  }

  /** A key made by `jsonKey`; its value comes next. */
  key(key: Uint8Array): void {
    const { length } = key
    this.#reserve(length + 1)
    const buffer = this.#buffer
    let at = this.#at
    if (this.#needsComma) buffer[at++] = COMMA
    for (let i = 0; i < length; i++) buffer[at++] = key[i]!
    this.#at = at
    this.#needsComma = false
  }

  /** A key that is the text bytes[start, end); its value comes next. */
  keyText(bytes: Uint8Array, start: number, end: number): void {
    this.text(bytes, start, end)
    this.#reserve(1)
    this.#buffer[this.#at++] = 0x3a
    this.#needsComma = false
  }

  /** A string: the text bytes[start, end) in UTF-8, with escapes where JSON needs them. */
  text(bytes: Uint8Array, start: number, end: number): void {
    if (bytes !== this.#from) {
      this.#from = bytes
      this.#fromView = viewOf(bytes)
    }
    const from = this.#fromView
    this.#reserve(end - start + 2)
    let buffer = this.#buffer
    let view = this.#view
    let at = this.#at
    if (this.#needsComma) buffer[at++] = COMMA
    buffer[at++] = QUOTE
    let p = start
    for (;;) {
      // Four bytes a step while none of them is a quote, a backslash or a control byte.
      while (p + 4 <= end) {
        const x = from.getInt32(p, true)
        const q = x ^ 0x22222222
        const b = x ^ 0x5c5c5c5c
        if ((((q - 0x01010101) & ~q) | ((b - 0x01010101) & ~b) | ((x - 0x20202020) & ~x)) & -0x7f7f7f80) break
        view.setInt32(at, x, true)
        at += 4
        p += 4
      }
      if (p >= end) break
      const c = bytes[p++]!
      if (c >= SPACE && c !== QUOTE && c !== BACKSLASH) {
        buffer[at++] = c
        continue
      }
      this.#at = at
      this.#reserve(end - p + ESCAPE_BYTES + 2)
      buffer = this.#buffer
      view = this.#view
      buffer[at++] = BACKSLASH
      const letter = LETTER[c]!
      if (letter !== 0) buffer[at++] = letter
      else {
        buffer[at] = 0x75
        buffer[at + 1] = buffer[at + 2] = 0x30
        buffer[at + 3] = HEX[c >> 4]!
        buffer[at + 4] = HEX[c & 15]!
        at += 5
      }
    }
    buffer[at++] = QUOTE
    this.#at = at
    this.#needsComma = true
  }

  /** A string. */
  string(text: string): void {
    this.#write(JSON.stringify(text))
  }

  /** A string of two hexadecimal digits for each of bytes[start, end). */
  hex(bytes: Uint8Array, start: number, end: number): void {
    this.#reserve((end - start) * 2 + 3)
    const buffer = this.#buffer
    let at = this.#at
    if (this.#needsComma) buffer[at++] = COMMA
    buffer[at++] = QUOTE
    const view = this.#view
    for (let p = start; p < end; p++, at += 2) view.setUint16(at, HEX_PAIRS[bytes[p]!]!)
    buffer[at++] = QUOTE
    this.#at = at
    this.#needsComma = true
  }

  /** A number that is safe or a fraction; what JSON has no number for is null. */
  number(value: number | bigint): void {
    if (typeof value === 'number' && value === (value | 0) && value >= 0) {
      this.#integer(value)
      return
    }
    this.#write(typeof value === 'bigint' || Number.isFinite(value) ? String(value) : 'null')
  }

  boolean(value: boolean): void {
    this.#write(value ? 'true' : 'false')
  }

  null(): void {
    this.#write('null')
  }

  /** Any value that JSON.stringify takes; for what is rare. */
  value(value: unknown): void {
    this.#write(JSON.stringify(value) ?? 'null')
  }

  /** A value that is JSON text already, as one may stand in a document over several lines; its newlines become spaces. */
  json(bytes: Buffer, start: number, end: number): void {
    this.jsonLine(bytes, start, end)
    const written = this.#buffer.subarray(this.#at - (end - start), this.#at)
    for (let at = written.indexOf(NEWLINE); at >= 0; at = written.indexOf(NEWLINE, at)) written[at] = SPACE
  }

  /** The same, of bytes that hold no newline; also members, where an object is open. */
  jsonLine(bytes: Buffer, start: number, end: number): void {
    const length = end - start
    this.#reserve(length + 1)
    if (this.#needsComma) this.#buffer[this.#at++] = COMMA
    const at = this.#at
    if (length > COPIED_BYTES_MIN) bytes.copy(this.#buffer, at, start, end)
    else {
      const buffer = this.#buffer
      for (let i = 0; i < length; i++) buffer[at + i] = bytes[start + i]!
    }
    this.#at = at + length
    this.#needsComma = true
  }

  /** The same, of text. */
  jsonText(json: string): void {
    this.#write(json)
  }

  /** The end of a line. `padding` spaces come before it. */
  newline(padding = 0): void {
    this.#reserve(padding + 1)
    if (padding > 0) this.#buffer.fill(SPACE, this.#at, this.#at + padding)
    this.#at += padding
    this.#buffer[this.#at++] = NEWLINE
    this.#needsComma = false
  }

  /** A number of at most ten digits. */
  #integer(value: number): void {
    this.#reserve(11)
    const buffer = this.#buffer
    let at = this.#at
    if (this.#needsComma) buffer[at++] = COMMA
    let digits = 1
    for (let power = 10; digits < 10 && value >= power; power *= 10) digits++
    let rest = value
    for (let i = at + digits - 1; i >= at; i--) {
      const next = (rest / 10) | 0
      buffer[i] = 0x30 + rest - next * 10
      rest = next
    }
    this.#at = at + digits
    this.#needsComma = true
  }

  #open(byte: number): void {
    this.#reserve(2)
    if (this.#needsComma) this.#buffer[this.#at++] = COMMA
    this.#buffer[this.#at++] = byte
    this.#needsComma = false
  }

  #close(byte: number): void {
    this.#reserve(1)
    this.#buffer[this.#at++] = byte
    this.#needsComma = true
  }

  #write(text: string): void {
    // UTF-8 takes at most three bytes for a code unit.
    this.#reserve(text.length * 3 + 1)
    if (this.#needsComma) this.#buffer[this.#at++] = COMMA
    this.#at += this.#buffer.write(text, this.#at)
    this.#needsComma = true
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#end) return
    const larger = this.#room.acquire(Math.max(this.#at + bytes + SLACK_BYTES, this.#at * 2))
    this.#buffer.copy(larger, 0, 0, this.#at)
    this.#room.release(this.#buffer)
    this.#buffer = larger
    this.#view = viewOf(larger)
    this.#end = larger.length - SLACK_BYTES
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
