import { RECORD_BYTES_MAX } from '../../base/limits.ts'
import {
  BACKSLASH,
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COLON,
  COMMA,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  StructureSkipper,
} from '../json-text.ts'
import type { DecodedBody } from './decoded-body.ts'

/**
 * Finds where members and values of JSON text stand, by quotes, braces and brackets alone. Whether what is between them is valid is for the
 * scanner to say, once it is written through.
 */

/** As long as a record may be: longer values are looked at in steps. */
const STRUCTURE_BYTES_SLICE = RECORD_BYTES_MAX

const SPACE = 1
const ENDS_SCALAR = 2
const STRUCTURE = 4
const KIND = new Uint8Array(256)
for (const byte of [0x20, 0x09, 0x0a, 0x0d]) KIND[byte] = SPACE | ENDS_SCALAR
for (const byte of [COMMA, COLON]) KIND[byte] = ENDS_SCALAR
for (const byte of [OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET, QUOTE]) KIND[byte] = ENDS_SCALAR | STRUCTURE

/** First position at or after `from` that is no white space. */
export function skipSpace(source: Uint8Array, from: number): number {
  let p = from
  while ((KIND[source[p]!]! & SPACE) !== 0) p++
  return p
}

/** Past the closing quote of the string whose quote stands at `at`, or -1 when it is not closed before `limit`. */
function stringEnd(source: Uint8Array, at: number, limit: number): number {
  for (let p = at + 1; p < limit; p++) {
    const c = source[p]!
    if (c === QUOTE) return p + 1
    if (c === BACKSLASH) p++
  }
  return -1
}

/** Past the value that begins at `at`, or -1 when it is not closed before `limit`. Nothing at all is a value of no length. */
export function valueEnd(source: Uint8Array, at: number, limit: number): number {
  const first = source[at]!
  let p = at
  if (first === QUOTE) return stringEnd(source, at, limit)
  if (first !== OPEN_BRACE && first !== OPEN_BRACKET) {
    while (p < limit && (KIND[source[p]!]! & ENDS_SCALAR) === 0) p++
    return p
  }
  for (let depth = 0; p < limit; ) {
    const c = source[p]!
    if ((KIND[c]! & STRUCTURE) === 0) p++
    else if (c === QUOTE) {
      p = stringEnd(source, p, limit)
      if (p < 0) return -1
    } else {
      p++
      if (c === OPEN_BRACE || c === OPEN_BRACKET) depth++
      else if (--depth === 0) return p
    }
  }
  return -1
}

/**
 * Past the object or array that begins at `at`, however long it is; -1 when it is not closed. Yields where a pause is due, so that none costs a
 * long slice (T2).
 */
export function* structureEnd(source: Uint8Array, at: number, into: DecodedBody): Generator<void, number> {
  const limit = Math.min(source.length, at + STRUCTURE_BYTES_SLICE)
  let end = valueEnd(source, at, limit)
  if (end >= 0 || limit === source.length) return end
  const skipper = new StructureSkipper()
  for (let p = at; p < source.length && end < 0; p += STRUCTURE_BYTES_SLICE) {
    end = skipper.step(source, p, Math.min(source.length, p + STRUCTURE_BYTES_SLICE))
    if (into.isPauseDue(p)) yield
  }
  return end
}

/** Walks over the members of one object after the other. */
export class MemberWalk {
  /** Of the member that `next` has come to: [keyStart, keyEnd) with its quotes, [start, end) the value. */
  keyStart = 0
  keyEnd = 0
  start = 0
  end = 0
  /** Members that `next` has come to. */
  count = 0
  /** What stands at `end` is not the rest of an object. */
  isBroken = false
  #source: Uint8Array = new Uint8Array(0)
  #end = 0

  /** Begins with the object source[start, end), braces included. */
  open(source: Uint8Array, start: number, end: number): void {
    this.#source = source
    this.#end = end - 1
    this.end = start + 1
    this.isBroken = false
    this.count = 0
  }

  /** Comes to the next member; false where there is none, or what is there is none. */
  next(): boolean {
    const source = this.#source
    let p = skipSpace(source, this.end)
    if (p >= this.#end) return false
    if (this.count > 0) {
      if (source[p] !== COMMA) return this.#broken(p)
      p = skipSpace(source, p + 1)
    }
    const keyEnd = source[p] === QUOTE ? stringEnd(source, p, this.#end) : -1
    const colon = keyEnd < 0 ? -1 : skipSpace(source, keyEnd)
    if (colon < 0 || source[colon] !== COLON) return this.#broken(p)
    const start = skipSpace(source, colon + 1)
    const end = valueEnd(source, start, this.#end)
    if (end <= start) return this.#broken(p)
    this.count++
    this.keyStart = p
    this.keyEnd = keyEnd
    this.start = start
    this.end = end
    return true
  }

  /** The key as it is written, without its quotes. */
  isKey(name: Uint8Array): boolean {
    const { length } = name
    if (this.keyEnd - this.keyStart !== length + 2) return false
    const at = this.keyStart + 1
    for (let i = 0; i < length; i++) if (this.#source[at + i] !== name[i]) return false
    return true
  }

  #broken(at: number): false {
    this.end = at
    this.isBroken = true
    return false
  }
}
