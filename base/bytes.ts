import { WeirError } from './errors.ts'

const utf8 = new TextEncoder()
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** Bytes of `text` in UTF-8. */
export function utf8Bytes(text: string): Uint8Array {
  return utf8.encode(text)
}

/** Text of bytes[start, end); malformed sequences become U+FFFD, a leading byte-order mark is kept. */
export function utf8Text(bytes: Uint8Array, start = 0, end = bytes.length): string {
  return decoder.decode(bytes.subarray(start, end))
}

const NAME_BYTES_MAX = 64
const KNOWN_NAMES = 512
/** Names by a few bits of their hash. */
const knownNames: string[] = new Array(KNOWN_NAMES).fill('')

/** The same of texts that come again and again, such as names of columns: found where they were seen before, 3 to 10 times as fast. */
export function nameText(bytes: Uint8Array, start: number, end: number): string {
  const length = end - start
  if (length > NAME_BYTES_MAX) return utf8Text(bytes, start, end)
  let hash = length
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193)
  const slot = (hash ^ (hash >>> 15)) & (KNOWN_NAMES - 1)
  const known = knownNames[slot]!
  if (known.length === length) {
    // Equal to the units of a text only where all are ASCII.
    let i = 0
    while (i < length && known.charCodeAt(i) === bytes[start + i] && bytes[start + i]! < 0x80) i++
    if (i === length) return known
  }
  const text = utf8Text(bytes, start, end)
  knownNames[slot] = text
  return text
}

export function corruptData(what: string, details: Record<string, string | number | boolean | null> = {}): WeirError {
  return new WeirError('corrupt_data', what, details)
}

/** Builds a small structure: little-endian numbers, LEB128 variable-length integers, texts led by their length. */
export class ByteWriter {
  #bytes = new Uint8Array(256)
  #view = new DataView(this.#bytes.buffer)
  #length = 0

  get length(): number {
    return this.#length
  }

  u8(value: number): this {
    this.#reserve(1)
    this.#bytes[this.#length++] = value
    return this
  }

  u32(value: number): this {
    this.#reserve(4)
    this.#view.setUint32(this.#length, value, true)
    this.#length += 4
    return this
  }

  f64(value: number): this {
    this.#reserve(8)
    this.#view.setFloat64(this.#length, value, true)
    this.#length += 8
    return this
  }

  /** A safe integer from 0, seven bits a byte, lowest first. */
  varint(value: number): this {
    this.#reserve(8)
    let rest = value
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#bytes[this.#length++] = rest
    return this
  }

  text(value: string): this {
    const start = this.#length
    this.varint(value.length).#reserve(value.length)
    // TextEncoder makes an array for each text, ten times the cost of a name's bytes.
    for (let i = 0; i < value.length; i++) {
      const unit = value.charCodeAt(i)
      if (unit >= 0x80) {
        this.#length = start
        const bytes = utf8.encode(value)
        return this.varint(bytes.length).raw(bytes)
      }
      this.#bytes[this.#length++] = unit
    }
    return this
  }

  raw(bytes: Uint8Array): this {
    this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.#length)
    this.#length += bytes.length
    return this
  }

  /** What was written, copied. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + count))
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
    this.#view = new DataView(grown.buffer)
  }
}

/** Reads what a ByteWriter wrote. Every read past the end and every value out of its range throws corrupt_data. */
export class ByteReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #offset: number
  readonly #end: number

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    if (start > end || end > bytes.length) throw corruptData('structure ends early')
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#offset = start
    this.#end = end
  }

  get offset(): number {
    return this.#offset
  }

  get remaining(): number {
    return this.#end - this.#offset
  }

  u8(): number {
    return this.#bytes[this.#advance(1)]!
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4), true)
  }

  f64(): number {
    return this.#view.getFloat64(this.#advance(8), true)
  }

  /** A variable-length integer of at most `max`. */
  varint(max = Number.MAX_SAFE_INTEGER): number {
    let value = 0
    let scale = 1
    for (let i = 0; i < 8; i++) {
      const byte = this.u8()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (value > max) break
        return value
      }
      scale *= 0x80
    }
    throw corruptData('number out of range', { max })
  }

  text(bytesMax: number): string {
    const length = this.varint(bytesMax)
    const start = this.#advance(length)
    return nameText(this.#bytes, start, start + length)
  }

  /** The next `length` bytes, not copied. */
  raw(length: number): Uint8Array {
    const start = this.#advance(length)
    return this.#bytes.subarray(start, start + length)
  }

  /** Throws corrupt_data unless everything was read. */
  finish(): void {
    if (this.#offset !== this.#end) throw corruptData('structure has bytes left over', { count: this.remaining })
  }

  #advance(count: number): number {
    const start = this.#offset
    if (count > this.#end - start) throw corruptData('structure ends early')
    this.#offset = start + count
    return start
  }
}
