import { WeirError } from '../../base/errors.ts'
import { TYPED_ARRAYS, WIRE_DEPTH_MAX } from './wire-values.ts'

/** Types of MessagePack extensions that cross between nodes: undefined, a big integer, a set, a typed array (msgpackr's), and ours. */
const UNDEFINED = 0x00
const BIG_INTEGER = 0x42
const SET = 0x73
const TYPED_ARRAY = 0x74
export const ESCAPE = 0x01

/** Code of an ArrayBuffer among those of typed arrays. */
const ARRAY_BUFFER = 16
const BIG_INTEGER_BYTES_MAX = 64 * 1024

/**
 * Throws corrupt_data unless `bytes`, from `start` to the end, are one value as wire-codec.ts writes it: every length within the bytes,
 * objects keyed by text, no deeper than WIRE_DEPTH_MAX, no extension but ours. So the decoder behind it, which knows many
 * more, is never led to allocate what did not arrive, to recurse without end, or to make code or references out of a message.
 */
export function checkWire(bytes: Uint8Array, start: number): void {
  const check = new WireCheck(bytes, start)
  check.value(0)
  check.end()
}

class WireCheck {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at: number

  constructor(bytes: Uint8Array, start: number) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#at = start
  }

  value(depth: number): void {
    // An escape is a pair around its payload.
    if (depth > WIRE_DEPTH_MAX + 2) throw this.#corrupt('values nested too deep')
    const token = this.#uint8()
    if (token < 0x80 || token >= 0xe0) return
    if (token < 0x90) this.#object(token & 0x0f, depth)
    else if (token < 0xa0) this.#array(token & 0x0f, depth)
    else if (token < 0xc0) this.#skip(token & 0x1f)
    else this.#longer(token, depth)
  }

  /** What a token does not say alone. */
  #longer(token: number, depth: number): void {
    switch (token) {
      case 0xc0: // null, false, true
      case 0xc2:
      case 0xc3:
        break
      case 0xcc: // integers of 1, 2, 4 bytes, without a sign and with
      case 0xd0:
        this.#skip(1)
        break
      case 0xcd:
      case 0xd1:
        this.#skip(2)
        break
      case 0xce:
      case 0xd2:
        this.#skip(4)
        break
      case 0xcb: // a double; integers of 8 bytes
      case 0xcf:
      case 0xd3:
        this.#skip(8)
        break
      case 0xd9: // text
        this.#skip(this.#uint8())
        break
      case 0xda:
        this.#skip(this.#uint16())
        break
      case 0xdb:
        this.#skip(this.#uint32())
        break
      case 0xdc:
        this.#array(this.#uint16(), depth)
        break
      case 0xdd:
        this.#array(this.#uint32(), depth)
        break
      case 0xde:
        this.#object(this.#uint16(), depth)
        break
      case 0xdf:
        this.#object(this.#uint32(), depth)
        break
      case 0xd4:
        this.#smallExtension(depth)
        break
      case 0xd5:
        this.#extension(2)
        break
      case 0xd6:
        this.#extension(4)
        break
      case 0xd7:
        this.#extension(8)
        break
      case 0xd8:
        this.#extension(16)
        break
      case 0xc7:
        this.#extension(this.#uint8())
        break
      case 0xc8:
        this.#extension(this.#uint16())
        break
      case 0xc9:
        this.#extension(this.#uint32())
        break
      default:
        throw this.#corrupt('a byte that begins no value')
    }
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw this.#corrupt('bytes after the value')
  }

  #array(length: number, depth: number): void {
    if (length > this.#bytes.length - this.#at) throw this.#corrupt('a list longer than its bytes')
    for (let i = 0; i < length; i++) this.value(depth + 1)
  }

  #object(length: number, depth: number): void {
    if (length * 2 > this.#bytes.length - this.#at) throw this.#corrupt('an object larger than its bytes')
    for (let i = 0; i < length; i++) {
      const token = this.#bytes[this.#at]!
      if ((token < 0xa0 || token > 0xbf) && (token < 0xd9 || token > 0xdb)) throw this.#corrupt('a key that is no text')
      this.value(depth + 1)
      this.value(depth + 1)
    }
  }

  /** One byte of payload; for a set and for an escape the payload is the value that follows. */
  #smallExtension(depth: number): void {
    const type = this.#uint8()
    this.#skip(1)
    const next = this.#bytes[this.#at]!
    switch (type) {
      case UNDEFINED:
      case BIG_INTEGER:
        break
      case SET:
        if (next !== 0xdc && next !== 0xdd && (next & 0xf0) !== 0x90) throw this.#corrupt('a set that is no list')
        this.value(depth)
        break
      case ESCAPE:
        if (next !== 0x92) throw this.#corrupt('an escape that is no pair')
        this.value(depth)
        break
      default:
        throw this.#corrupt('an extension of an unknown type')
    }
  }

  #extension(length: number): void {
    const type = this.#uint8()
    const from = this.#at
    this.#skip(length)
    if (type === BIG_INTEGER && length > 0 && length <= BIG_INTEGER_BYTES_MAX) return
    if (type === TYPED_ARRAY && length > 0) {
      const code = this.#bytes[from]!
      if (code === ARRAY_BUFFER) return
      const size = TYPED_ARRAYS[code]?.BYTES_PER_ELEMENT
      if (size !== undefined && (length - 1) % size === 0) return
    }
    throw this.#corrupt('an extension of an unknown type')
  }

  #skip(length: number): void {
    if (length > this.#bytes.length - this.#at) throw this.#corrupt('a value longer than its bytes')
    this.#at += length
  }

  #uint8(): number {
    const value = this.#bytes[this.#at]
    if (value === undefined) throw this.#corrupt('a value that is cut off')
    this.#at++
    return value
  }

  #uint16(): number {
    this.#skip(2)
    return this.#view.getUint16(this.#at - 2)
  }

  #uint32(): number {
    this.#skip(4)
    return this.#view.getUint32(this.#at - 4)
  }

  #corrupt(what: string): WeirError {
    return new WeirError('corrupt_data', `a message of another node holds ${what}`, { at: this.#at })
  }
}
