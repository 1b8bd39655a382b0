import { VALUE_ABSENT } from '../base/columns.ts'

/**
 * Identifiers such as trace ids and UUIDs: values of one length that differ only in lower-case hexadecimal digits at the same places.
 * They are stored as a template and two digits a byte, which is half their size and needs no compression when they are random.
 */
export interface HexTemplate {
  /** The text of every value but for the digits, which are 0 here. */
  readonly literal: Uint8Array
  /** Places of the digits, ascending. */
  readonly places: Uint8Array
}

const LENGTH_MIN = 8
/** Longer values are texts. */
export const HEX_LENGTH_MAX = 128
const ROWS_MIN = 16
const PLACES_MIN = 6

const NOT_HEX = 16
const HEX_VALUE = new Uint8Array(256).fill(NOT_HEX)
for (let digit = 0; digit < 16; digit++) HEX_VALUE[digit.toString(16).charCodeAt(0)] = digit
const HEX_DIGIT = Uint8Array.from({ length: 16 }, (_, digit) => digit.toString(16).charCodeAt(0))

/** The template that all of the values bytes[i × length, (i + 1) × length) fit; undefined when there is none worth it. */
export function hexTemplate(bytes: Uint8Array, length: number, count: number): HexTemplate | undefined {
  if (length < LENGTH_MIN || length > HEX_LENGTH_MAX || count < ROWS_MIN) return undefined
  // A quick look at a few values spares most other columns the full pass.
  if (placesOf(bytes, length, ROWS_MIN) === undefined) return undefined
  const places = placesOf(bytes, length, count)
  if (places === undefined || places.length < PLACES_MIN) return undefined
  const literal = bytes.slice(0, length)
  for (const place of places) literal[place] = 0x30
  return { literal: new Uint8Array(literal), places }
}

/** Places where some of the first `count` values differ; undefined when one of them holds no hexadecimal digit. */
function placesOf(bytes: Uint8Array, length: number, count: number): Uint8Array | undefined {
  const differs = new Uint8Array(length)
  const worst = new Uint8Array(length)
  for (let i = 0, at = 0; i < count; i++) {
    for (let place = 0; place < length; place++, at++) {
      const byte = bytes[at]!
      differs[place]! |= byte ^ bytes[place]!
      worst[place]! |= HEX_VALUE[byte]!
    }
  }
  const places: number[] = []
  for (let place = 0; place < length; place++) {
    if (differs[place] === 0) continue
    if (worst[place]! >= NOT_HEX) return undefined
    places.push(place)
  }
  return Uint8Array.from(places)
}

/** Bytes of one packed value. */
export function packedLength(template: HexTemplate): number {
  return (template.places.length + 1) >>> 1
}

/** The digits of `count` values, high half first; an odd last one is followed by 0. */
export function packHex(template: HexTemplate, bytes: Uint8Array, count: number): Uint8Array {
  const { places, literal } = template
  const packed = new Uint8Array(packedLength(template) * count)
  const pairs = places.length >>> 1
  let to = 0
  for (let i = 0, from = 0; i < count; i++, from += literal.length) {
    for (let pair = 0; pair < pairs; pair++)
      packed[to++] =
        (HEX_VALUE[bytes[from + places[pair * 2]!]!]! << 4) | HEX_VALUE[bytes[from + places[pair * 2 + 1]!]!]!
    if ((places.length & 1) === 1) packed[to++] = HEX_VALUE[bytes[from + places[places.length - 1]!]!]! << 4
  }
  return packed
}

/** Inverse of `packHex`. */
export function unpackHex(template: HexTemplate, packed: Uint8Array, count: number): Uint8Array {
  const { places, literal } = template
  const bytes = new Uint8Array(literal.length * count)
  const stride = packedLength(template)
  for (let i = 0, to = 0; i < count; i++, to += literal.length) {
    const from = i * stride
    bytes.set(literal, to)
    for (let p = 0; p < places.length; p++) {
      const pair = packed[from + (p >>> 1)]!
      bytes[to + places[p]!] = HEX_DIGIT[(p & 1) === 0 ? pair >>> 4 : pair & 15]!
    }
  }
  return bytes
}

/** Length that all values present have, or -1. Rows of type null count as values. */
export function uniformLength(types: Uint8Array, offsets: Uint32Array, rowCount: number): number {
  let length = -1
  for (let row = 0; row < rowCount; row++) {
    if (types[row] === VALUE_ABSENT) continue
    const own = offsets[row + 1]! - offsets[row]!
    if (length < 0) length = own
    else if (own !== length) return -1
  }
  return length
}
