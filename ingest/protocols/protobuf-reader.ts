import { WeirError } from '../../base/errors.ts'

/** Wire types (Protocol Buffers, "Encoding"). Groups, 3 and 4, are refused: nobody writes them any more. */
export const WIRE_VARINT = 0
export const WIRE_FIXED64 = 1
export const WIRE_BYTES = 2
export const WIRE_FIXED32 = 5

const TWO_32 = 2 ** 32

/** What `tag` is for a field of this number and wire type. */
export function tagOf(field: number, wire: number): number {
  return field * 8 + wire
}

const PAIR_NAME = tagOf(1, WIRE_BYTES)
const PAIR_VALUE = tagOf(2, WIRE_BYTES)

/**
 * Reads the fields of messages off the wire one after the other, without an object a field: what was read stands in the members. The bytes of a
 * nested message are a value like any other; to read it, `at` is set to its `start` and `next` is asked up to its `end`, and afterwards
 * `at` stands there. Fields that nobody asks for are passed over. Every read is checked against its limit; throws invalid_body.
 */
export class ProtobufReader {
  readonly #bytes: Uint8Array
  /** Where the next field begins. */
  at = 0
  /** Field number × 8 + wire type. A field of an unexpected wire type is an unknown field. */
  tag = 0
  /** The value's bytes, of WIRE_BYTES only. */
  start = 0
  end = 0
  /** The halves of any other value, unsigned; `high` is 0 for WIRE_FIXED32. */
  low = 0
  high = 0
  /** After `pair`: the bytes of its name and of its value; an end of -1 where it has none. */
  nameStart = 0
  nameEnd = -1
  valueStart = 0
  valueEnd = -1

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** Reads a field of the message that ends at `limit`; false at its end. */
  next(limit: number): boolean {
    if (this.at >= limit) {
      if (this.at > limit) throw cutOff()
      return false
    }
    const bytes = this.#bytes
    const first = bytes[this.at]!
    if (first < 0x80) {
      this.at++
      this.tag = first
    } else {
      this.#varint(limit)
      if (this.high !== 0) throw malformed('a field number is too large')
      this.tag = this.low
    }
    if (this.tag < 8) throw malformed('a field has number 0')
    switch (this.tag & 7) {
      case WIRE_VARINT:
        this.#varint(limit)
        return true
      case WIRE_FIXED64:
        if (limit - this.at < 8) throw cutOff()
        this.low = uint32(bytes, this.at)
        this.high = uint32(bytes, this.at + 4)
        this.at += 8
        return true
      case WIRE_BYTES: {
        let p = this.at
        let length = p < limit ? bytes[p++]! : 0x80
        if (length >= 0x80) {
          this.#varint(limit)
          if (this.high !== 0) throw cutOff()
          length = this.low
          p = this.at
        }
        if (length > limit - p) throw cutOff()
        this.start = p
        this.end = this.at = p + length
        return true
      }
      case WIRE_FIXED32:
        if (limit - this.at < 4) throw cutOff()
        this.low = uint32(bytes, this.at)
        this.high = 0
        this.at += 4
        return true
      default:
        throw malformed('a field has a wire type that is not in use')
    }
  }

  /**
   * Reads the message [start, end) as a pair: field 1 its name, field 2 its value, both of WIRE_BYTES; of several the last. `at` stands at `end`
   * afterwards.
   */
  pair(start: number, end: number): void {
    if (this.#isPlainPair(start, end)) return
    this.nameEnd = this.valueEnd = -1
    this.at = start
    while (this.next(end)) {
      if (this.tag === PAIR_NAME) {
        this.nameStart = this.start
        this.nameEnd = this.end
      } else if (this.tag === PAIR_VALUE) {
        this.valueStart = this.start
        this.valueEnd = this.end
      }
    }
  }

  /** As all libraries write it: a short name, then a value of at most 16,383 bytes, and no more. */
  #isPlainPair(start: number, end: number): boolean {
    const bytes = this.#bytes
    if (end - start < 4 || bytes[start] !== PAIR_NAME) return false
    const nameLength = bytes[start + 1]!
    const nameEnd = start + 2 + nameLength
    if (nameLength >= 0x80 || nameEnd + 2 > end || bytes[nameEnd] !== PAIR_VALUE) return false
    let p = nameEnd + 1
    let valueLength = bytes[p++]!
    if (valueLength >= 0x80) {
      if (p === end || bytes[p]! >= 0x80) return false
      valueLength = (valueLength & 0x7f) | (bytes[p++]! << 7)
    }
    if (p + valueLength !== end) return false
    this.nameStart = start + 2
    this.nameEnd = nameEnd
    this.valueStart = p
    this.valueEnd = this.at = end
    return true
  }

  /** The value as int64: exact while it is a safe integer. */
  int64(): number {
    return (this.high | 0) * TWO_32 + this.low
  }

  /** The value as int64, exact. */
  bigInt64(): bigint {
    return (BigInt(this.high | 0) << 32n) | BigInt(this.low)
  }

  #varint(limit: number): void {
    const bytes = this.#bytes
    let p = this.at
    if (p < limit && bytes[p]! < 0x80) {
      this.low = bytes[p]!
      this.high = 0
      this.at = p + 1
      return
    }
    let low = 0
    let high = 0
    for (let shift = 0; ; shift += 7) {
      if (p >= limit) throw cutOff()
      if (shift > 63) throw malformed('a varint has more than ten bytes')
      const byte = bytes[p++]!
      const bits = byte & 0x7f
      if (shift < 28) low |= bits << shift
      else if (shift === 28) {
        low |= bits << 28
        high = bits >>> 4
      } else high |= bits << (shift - 32)
      if (byte < 0x80) break
    }
    this.at = p
    this.low = low >>> 0
    this.high = high >>> 0
  }
}

function uint32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
}

function cutOff(): WeirError {
  return malformed('a field ends behind the message that it is in')
}

function malformed(what: string): WeirError {
  return new WeirError('invalid_body', `The body is not the protobuf message of this call: ${what}`)
}
