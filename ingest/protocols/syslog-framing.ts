import { assert } from '../../base/assert.ts'

const NEWLINE = 0x0a
const SPACE = 0x20
const LESS_THAN = 0x3c
const DIGIT_0 = 0x30
const DIGIT_9 = 0x39
/** A gigabyte less one; longer numbers begin a line. */
const COUNT_DIGITS_MAX = 9
const BUFFER_FIRST = 4096

/** Takes the message bytes[start, end); `isCut`: it is longer than messages may be, and this is its beginning. */
type TakeMessage = (bytes: Buffer, start: number, end: number, isCut: boolean) => void

/**
 * Finds the messages in the bytes of one connection (RFC 6587): a message begins with its length in bytes and a space ("octet counting"), or it
 * is a line. The two are told apart message by message: a number, a space and a `<` begin a counted one. Holds one message at most.
 */
export class SyslogFramer {
  readonly #bytesMax: number
  readonly #take: TakeMessage
  /** The message that has not ended. */
  #held: Buffer = Buffer.alloc(0)
  #heldBytes = 0
  /** Bytes of a line that hold no newline for sure. */
  #searched = 0
  /** The rest of a message that was cut. */
  #skipBytes = 0
  #skipsLine = false

  /** `bytesMax`: of a message. */
  constructor(bytesMax: number, take: TakeMessage) {
    this.#bytesMax = bytesMax
    this.#take = take
  }

  /** Bytes of the message that has begun. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  feed(chunk: Buffer): void {
    if (this.#heldBytes === 0) {
      this.#hold(chunk, this.#split(chunk, chunk.length))
      return
    }
    this.#append(chunk, 0)
    const end = this.#heldBytes
    const from = this.#split(this.#held, end)
    this.#held.copyWithin(0, from, end)
    this.#heldBytes = end - from
  }

  /** The connection has ended: what there is of the last message is all of it. */
  end(): void {
    const bytes = this.#heldBytes
    const start = this.#countedStart(this.#held, 0, bytes)
    if (bytes > 0) this.#take(this.#held, start > bytes ? 0 : start, bytes, false)
    this.#heldBytes = 0
    this.#held = Buffer.alloc(0)
  }

  #hold(chunk: Buffer, from: number): void {
    if (from < chunk.length) this.#append(chunk, from)
    else if (this.#held.length > BUFFER_FIRST) this.#held = Buffer.alloc(0)
  }

  #append(chunk: Buffer, from: number): void {
    const bytes = this.#heldBytes + chunk.length - from
    if (bytes > this.#held.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(bytes, this.#held.length * 2, BUFFER_FIRST))
      this.#held.copy(larger, 0, 0, this.#heldBytes)
      this.#held = larger
    }
    chunk.copy(this.#held, this.#heldBytes, from)
    this.#heldBytes = bytes
  }

  /** Takes all messages that are whole; returns where the first that is not begins. */
  #split(bytes: Buffer, end: number): number {
    let p = 0
    while (p < end) {
      if (this.#skipBytes > 0) {
        const skipped = Math.min(this.#skipBytes, end - p)
        this.#skipBytes -= skipped
        p += skipped
        continue
      }
      if (this.#skipsLine) {
        const newline = indexOfNewline(bytes, p, end)
        if (newline < 0) return end
        this.#skipsLine = false
        p = newline + 1
        continue
      }
      // Between messages: some add a newline to a counted one, some end lines with CR LF or a zero byte.
      const c = bytes[p]!
      if (c === NEWLINE || c === 0x0d || c === 0) {
        p++
        continue
      }
      const next = this.#message(bytes, p, end)
      if (next < 0) break
      this.#searched = 0
      p = next
    }
    return p
  }

  /** Takes the message at `p`; returns where the next begins, -1 when the message has not ended. */
  #message(bytes: Buffer, p: number, end: number): number {
    const start = this.#countedStart(bytes, p, end)
    if (start > end) return -1
    const max = this.#bytesMax
    if (start > p) {
      const count = countOf(bytes, p, start - 1)
      if (count > max) {
        if (end - start < max) return -1
        this.#take(bytes, start, start + max, true)
        this.#skipBytes = count - max
        return start + max
      }
      if (end - start < count) return -1
      this.#take(bytes, start, start + count, false)
      return start + count
    }
    const newline = indexOfNewline(bytes, p + this.#searched, end)
    if (newline < 0 ? end - p > max : newline - p > max) {
      this.#take(bytes, p, p + max, true)
      this.#skipsLine = true
      return p + max
    }
    if (newline < 0) {
      this.#searched = end - p
      return -1
    }
    this.#take(bytes, p, newline, false)
    return newline + 1
  }

  /** Where the message begins whose count stands at `p`; `p` when there is no count, beyond `end` when more bytes must tell. */
  #countedStart(bytes: Buffer, p: number, end: number): number {
    let at = p
    if (bytes[at] === DIGIT_0) return p
    while (at < end && bytes[at]! >= DIGIT_0 && bytes[at]! <= DIGIT_9) at++
    const digits = at - p
    if (digits === 0 || digits > COUNT_DIGITS_MAX) return p
    if (at === end) return end + 1
    if (bytes[at] !== SPACE) return p
    if (at + 1 === end) return end + 1
    return bytes[at + 1] === LESS_THAN ? at + 1 : p
  }
}

function countOf(bytes: Buffer, start: number, end: number): number {
  let count = 0
  for (let p = start; p < end; p++) count = count * 10 + bytes[p]! - DIGIT_0
  assert(count > 0, 'a count has no leading zero')
  return count
}

function indexOfNewline(bytes: Buffer, from: number, end: number): number {
  const at = bytes.indexOf(NEWLINE, from)
  return at < end ? at : -1
}
