import { NESTING_DEPTH_MAX } from '../base/limits.ts'

/**
 * The slower parts of reading JSON text: what is not on the way of an ordinary record. Functions read beyond their end
 * only into the slack that follows; a byte 0 there (or anywhere) ends every loop, because no JSON text may hold one raw.
 */

export const QUOTE = 0x22
export const BACKSLASH = 0x5c
export const COMMA = 0x2c
export const COLON = 0x3a
export const OPEN_BRACE = 0x7b
export const CLOSE_BRACE = 0x7d
export const OPEN_BRACKET = 0x5b
export const CLOSE_BRACKET = 0x5d
export const NEWLINE = 0x0a

/** JSON's white space; records that are lines may not hold a newline between their tokens. */
export const SPACE_IN_DOCUMENT = spaces([0x20, 0x09, 0x0a, 0x0d])
export const SPACE_IN_LINE = spaces([0x20, 0x09, 0x0d])

function spaces(bytes: readonly number[]): Uint8Array {
  const table = new Uint8Array(256)
  for (const byte of bytes) table[byte] = 1
  return table
}

const HEX = new Int8Array(256).fill(-1)
for (let i = 0; i < 16; i++) {
  HEX['0123456789abcdef'.charCodeAt(i)] = i
  HEX['0123456789ABCDEF'.charCodeAt(i)] = i
}

/** Byte after the backslash → the byte it stands for; 0 for none (u among them). */
const ESCAPED = new Uint8Array(256)
for (const [letter, text] of ['""', '\\\\', '//', 'b\b', 'f\f', 'n\n', 'r\r', 't\t'])
  ESCAPED[letter!.charCodeAt(0)] = text!.charCodeAt(0)

/** Position of the first quote, backslash or control byte at or after `at`. */
function skipPlain(view: DataView, at: number): number {
  let p = at
  for (;;) {
    const x = view.getInt32(p, true)
    const q = x ^ 0x22222222
    const b = x ^ 0x5c5c5c5c
    const m = (((q - 0x01010101) & ~q) | ((b - 0x01010101) & ~b) | ((x - 0x20202020) & ~x)) & -0x7f7f7f80
    if (m !== 0) return p + ((31 - Math.clz32(m & -m)) >>> 3)
    p += 4
  }
}

/** A decoder of strings that hold escapes; keeps where the two ends of its work were. */
export class StringDecoder {
  /** After `decode`: just past the closing quote; or where the string is wrong. */
  position = 0
  /** After `decode`: end of the decoded bytes. */
  end = 0

  /**
   * Decodes the string whose content begins at `from` into `bytes` at `to`; false when it is not valid JSON. Escaped
   * surrogates that make no pair become U+FFFD. The decoded text is never longer than the encoded one.
   */
  decode(bytes: Uint8Array, view: DataView, from: number, to: number): boolean {
    let p = from
    let out = to
    for (;;) {
      const stop = skipPlain(view, p)
      for (let i = p; i < stop; i += 4) view.setInt32(out + i - p, view.getInt32(i, true), true)
      out += stop - p
      p = stop
      const c = bytes[p]!
      if (c === QUOTE) {
        this.position = p + 1
        this.end = out
        return true
      }
      if (c !== BACKSLASH) break
      const plain = ESCAPED[bytes[p + 1]!]!
      if (plain !== 0) {
        bytes[out++] = plain
        p += 2
        continue
      }
      const unit = codeUnit(bytes, p)
      if (unit < 0) break
      p += 6
      let point = unit
      if (unit >= 0xd800 && unit <= 0xdfff) {
        const low = unit <= 0xdbff ? codeUnit(bytes, p) : -1
        if (low >= 0xdc00 && low <= 0xdfff) {
          point = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00)
          p += 6
        } else point = 0xfffd
      }
      if (point < 0x80) bytes[out++] = point
      else if (point < 0x800) {
        bytes[out++] = 0xc0 | (point >> 6)
        bytes[out++] = 0x80 | (point & 63)
      } else if (point < 0x10000) {
        bytes[out++] = 0xe0 | (point >> 12)
        bytes[out++] = 0x80 | ((point >> 6) & 63)
        bytes[out++] = 0x80 | (point & 63)
      } else {
        bytes[out++] = 0xf0 | (point >> 18)
        bytes[out++] = 0x80 | ((point >> 12) & 63)
        bytes[out++] = 0x80 | ((point >> 6) & 63)
        bytes[out++] = 0x80 | (point & 63)
      }
    }
    this.position = p
    return false
  }
}

/** The code unit of `\uXXXX` at `at`, or -1. */
function codeUnit(bytes: Uint8Array, at: number): number {
  if (bytes[at] !== BACKSLASH || bytes[at + 1] !== 0x75) return -1
  const a = HEX[bytes[at + 2]!]!
  const b = HEX[bytes[at + 3]!]!
  const c = HEX[bytes[at + 4]!]!
  const d = HEX[bytes[at + 5]!]!
  if ((a | b | c | d) < 0) return -1
  return (a << 12) | (b << 8) | (c << 4) | d
}

/** End of the valid string whose content begins at `at` (just past its quote), or -1 - (position of the fault). */
function skipString(bytes: Uint8Array, view: DataView, at: number): number {
  let p = at
  for (;;) {
    p = skipPlain(view, p)
    const c = bytes[p]!
    if (c === QUOTE) return p + 1
    if (c !== BACKSLASH) return -1 - p
    if (ESCAPED[bytes[p + 1]!] !== 0) p += 2
    else if (codeUnit(bytes, p) >= 0) p += 6
    else return -1 - p
  }
}

/** End of the number that begins at `at` with a digit or `-`, or -1 - (position of the fault). */
export function skipNumber(bytes: Uint8Array, at: number): number {
  let p = at
  if (bytes[p] === 0x2d) p++
  let c = bytes[p]!
  if (c === 0x30) c = bytes[++p]!
  else if (c >= 0x31 && c <= 0x39) {
    do c = bytes[++p]!
    while (c >= 0x30 && c <= 0x39)
  } else return -1 - p
  if (c === 0x2e) {
    c = bytes[++p]!
    if (c < 0x30 || c > 0x39) return -1 - p
    do c = bytes[++p]!
    while (c >= 0x30 && c <= 0x39)
  }
  if ((c | 0x20) === 0x65) {
    c = bytes[++p]!
    if (c === 0x2b || c === 0x2d) c = bytes[++p]!
    if (c < 0x30 || c > 0x39) return -1 - p
    do c = bytes[++p]!
    while (c >= 0x30 && c <= 0x39)
  }
  return p
}

/** End of `true`, `false` or `null` at `at`, or -1 - at. */
export function skipLiteral(view: DataView, bytes: Uint8Array, at: number): number {
  const word = view.getInt32(at, true)
  if (word === 0x65757274 || word === 0x6c6c756e) return at + 4
  if (word === 0x736c6166 && bytes[at + 4] === 0x65) return at + 5
  return -1 - at
}

/** Why `ArraySkipper.skip` stopped. */
const SKIP_SYNTAX = 1
export const SKIP_DEPTH = 2

/** Checks an array, or any other value, that is kept as JSON text. */
export class ValueSkipper {
  /** After a skip that failed: where, and SKIP_SYNTAX or SKIP_DEPTH. */
  faultAt = 0
  fault = 0

  /**
   * End of the value at `at`, which stands at nesting `depth` (a record's own object is 1), or -1. `space` is the table
   * of white space.
   */
  skip(bytes: Uint8Array, view: DataView, at: number, depth: number, space: Uint8Array): number {
    let p = at
    let open = 0
    /** Bit i: container i levels up is an object. */
    let objects = 0
    for (;;) {
      let c = bytes[p]!
      if (c === OPEN_BRACE || c === OPEN_BRACKET) {
        open++
        if (depth + open > NESTING_DEPTH_MAX) return this.#fail(p, SKIP_DEPTH)
        objects = (objects << 1) | (c === OPEN_BRACE ? 1 : 0)
        p++
        while (space[bytes[p]!] === 1) p++
        c = bytes[p]!
        if (c !== ((objects & 1) === 1 ? CLOSE_BRACE : CLOSE_BRACKET)) {
          if ((objects & 1) === 1) {
            p = this.#key(bytes, view, p, space)
            if (p < 0) return -1
          }
          continue
        }
      } else {
        let end: number
        if (c === QUOTE) end = skipString(bytes, view, p + 1)
        else if (c === 0x2d || (c >= 0x30 && c <= 0x39)) end = skipNumber(bytes, p)
        else end = skipLiteral(view, bytes, p)
        if (end < 0) return this.#fail(-1 - end, SKIP_SYNTAX)
        if (open === 0) return end
        p = end
      }
      // A value has ended, or an empty container stands before its close.
      for (;;) {
        while (space[bytes[p]!] === 1) p++
        c = bytes[p]!
        if (c === COMMA) {
          p++
          while (space[bytes[p]!] === 1) p++
          if ((objects & 1) === 1) {
            p = this.#key(bytes, view, p, space)
            if (p < 0) return -1
          }
          break
        }
        if (c !== ((objects & 1) === 1 ? CLOSE_BRACE : CLOSE_BRACKET)) return this.#fail(p, SKIP_SYNTAX)
        p++
        open--
        objects >>= 1
        if (open === 0) return p
      }
    }
  }

  /** From a key's quote to the first byte of its value. */
  #key(bytes: Uint8Array, view: DataView, at: number, space: Uint8Array): number {
    if (bytes[at] !== QUOTE) return this.#fail(at, SKIP_SYNTAX)
    let p = skipString(bytes, view, at + 1)
    if (p < 0) return this.#fail(-1 - p, SKIP_SYNTAX)
    while (space[bytes[p]!] === 1) p++
    if (bytes[p] !== COLON) return this.#fail(p, SKIP_SYNTAX)
    p++
    while (space[bytes[p]!] === 1) p++
    return p
  }

  #fail(at: number, fault: number): -1 {
    this.faultAt = at
    this.fault = fault
    return -1
  }
}

/**
 * Finds the end of a damaged value by its braces, brackets and quotes alone. Works in steps, so that a value of any
 * length costs no long slice.
 */
export class StructureSkipper {
  #depth = 0
  #isInString = false
  #isEscaped = false
  #isFirst = true

  /**
   * Goes on from `from`, at most to `limit`. Returns the position after the brace or bracket that closes the value, or
   * that of the separator after a value without any; -1 when `limit` came first (call again from there).
   */
  step(bytes: Uint8Array, from: number, limit: number): number {
    let depth = this.#depth
    let isInString = this.#isInString
    let isEscaped = this.#isEscaped
    for (let p = from; p < limit; p++) {
      const c = bytes[p]!
      if (isEscaped) isEscaped = false
      else if (isInString) {
        if (c === QUOTE) isInString = false
        else if (c === BACKSLASH) isEscaped = true
      } else if (c === QUOTE) isInString = true
      else if (c === OPEN_BRACE || c === OPEN_BRACKET) depth++
      else if (c === CLOSE_BRACE || c === CLOSE_BRACKET) {
        if (depth === 0 && !this.#isFirst) return p
        depth--
        if (depth <= 0) return p + 1
      } else if (c === COMMA && depth === 0) return this.#isFirst ? p + 1 : p
      this.#isFirst = false
    }
    this.#depth = depth
    this.#isInString = isInString
    this.#isEscaped = isEscaped
    return -1
  }
}
