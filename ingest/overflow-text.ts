import { VALUE_NULL, VALUE_STRING, type ValueType } from '../base/columns.ts'
import { STAGE_SLACK_BYTES } from './row-stage.ts'

const BYTES_INITIAL = 4096
const BYTES_KEPT_MAX = 2 * 1024 * 1024
const textEncoder = new TextEncoder()
const NULL_TEXT = textEncoder.encode('null')
const HEX = textEncoder.encode('0123456789abcdef')

/** Builds the value of COLUMN_OVERFLOW for one row: {"canonical.path": value, …} as JSON text. */
export class OverflowText {
  bytes = new Uint8Array(BYTES_INITIAL + STAGE_SLACK_BYTES)
  view = new DataView(this.bytes.buffer)
  #used = 0
  #length = 0

  get isEmpty(): boolean {
    return this.#used === 0
  }

  /** Length of the text that `take` closed. */
  get length(): number {
    return this.#length
  }

  add(path: string, type: ValueType, bytes: Uint8Array, start: number, end: number): void {
    const key = textEncoder.encode(JSON.stringify(path))
    // An escaped byte takes at most six.
    this.#reserve(key.length + (end - start) * 6 + 16)
    this.bytes[this.#used] = this.#used === 0 ? 0x7b : 0x2c
    this.#used++
    this.#raw(key, 0, key.length)
    this.bytes[this.#used++] = 0x3a
    if (type === VALUE_STRING) this.#quoted(bytes, start, end)
    else if (type === VALUE_NULL) this.#raw(NULL_TEXT, 0, 4)
    else this.#raw(bytes, start, end)
  }

  /** Closes the object and begins the next; the text is this.bytes[0, length) until the next `add`. */
  take(): this {
    this.bytes[this.#used] = 0x7d
    this.#length = this.#used + 1
    this.#used = 0
    return this
  }

  #raw(bytes: Uint8Array, start: number, end: number): void {
    this.bytes.set(bytes.subarray(start, end), this.#used)
    this.#used += end - start
  }

  #quoted(bytes: Uint8Array, start: number, end: number): void {
    const to = this.bytes
    let at = this.#used
    to[at++] = 0x22
    for (let i = start; i < end; i++) {
      const byte = bytes[i]!
      if (byte < 0x20) {
        to.set([0x5c, 0x75, 0x30, 0x30, HEX[byte >> 4]!, HEX[byte & 15]!], at)
        at += 6
      } else {
        if (byte === 0x22 || byte === 0x5c) to[at++] = 0x5c
        to[at++] = byte
      }
    }
    to[at++] = 0x22
    this.#used = at
  }

  #reserve(more: number): void {
    const needed = this.#used + more + STAGE_SLACK_BYTES
    if (this.#used === 0 && this.bytes.length > BYTES_KEPT_MAX && needed < BYTES_KEPT_MAX) this.#resize(BYTES_INITIAL)
    if (needed > this.bytes.length) this.#resize(needed * 2)
  }

  #resize(size: number): void {
    const grown = new Uint8Array(size)
    grown.set(this.bytes.subarray(0, this.#used))
    this.bytes = grown
    this.view = new DataView(grown.buffer)
  }
}
