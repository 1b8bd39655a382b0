import { VALUE_ABSENT } from '../base/columns.ts'
import { BATCH_BYTES, BlockKernel, HEX_FIXED, HEX_LITERAL, HEX_PLACES, TEXT } from './kernel/block-kernel.ts'

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

const ZERO = 0x30
const NOT_HEX = 16
const HEX_VALUE = new Uint8Array(256).fill(NOT_HEX)
for (let digit = 0; digit < 16; digit++) HEX_VALUE[digit.toString(16).charCodeAt(0)] = digit
const HEX_DIGIT = Uint8Array.from({ length: 16 }, (_, digit) => digit.toString(16).charCodeAt(0))

export interface PackedHex {
  readonly template: HexTemplate
  readonly packed: Uint8Array
}

/** Values that the template is first guessed from. */
const SAMPLE_ROWS = 256

/** The values bytes[i × length, (i + 1) × length) packed; undefined when they are not of that kind. 0.4 ns a byte, 1.1 where dashes or the like stand between the digits. */
export function packHexValues(bytes: Uint8Array, length: number, count: number): PackedHex | undefined {
  if (length < LENGTH_MIN || length > HEX_LENGTH_MAX || count < ROWS_MIN) return undefined
  // A few values spare most other columns the full pass; and what the sample shows is mostly true of all.
  for (const rows of new Set([ROWS_MIN, Math.min(count, SAMPLE_ROWS), count])) {
    const places = placesOf(bytes, length, rows)
    if (places === undefined) return undefined
    if (rows === ROWS_MIN && rows < count) continue
    if (places.length < PLACES_MIN) continue
    const literal = new Uint8Array(bytes.subarray(0, length))
    for (const place of places) literal[place] = ZERO
    const packed = packHex({ literal, places }, bytes, count)
    if (packed !== undefined) return { template: { literal, places }, packed }
  }
  return undefined
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

/** One for all blocks of the thread: nothing is kept in it between calls. */
let kernel: BlockKernel | undefined

/** The digits of `count` values, high half first; an odd last one is followed by 0. Undefined when a value does not fit the template. */
function packHex(template: HexTemplate, bytes: Uint8Array, count: number): Uint8Array | undefined {
  kernel ??= new BlockKernel()
  const { places, literal } = template
  const fixed = literalPlaces(template)
  kernel.u8.set(places, HEX_PLACES)
  kernel.u8.set(fixed, HEX_FIXED)
  kernel.u8.set(literal, HEX_LITERAL)
  const stride = packedLength(template)
  const packed = new Uint8Array(stride * count)
  const batch = Math.floor(BATCH_BYTES / literal.length)
  const packedAt = kernel.call.packedAt()
  for (let from = 0; from < count; from += batch) {
    const to = Math.min(count, from + batch)
    kernel.u8.set(bytes.subarray(from * literal.length, to * literal.length), TEXT)
    if (kernel.call.packHex(to - from, literal.length, places.length, fixed.length) === 0) return undefined
    packed.set(kernel.u8.subarray(packedAt, packedAt + (to - from) * stride), from * stride)
  }
  return packed
}

function literalPlaces(template: HexTemplate): Uint8Array {
  const isDigit = new Uint8Array(template.literal.length)
  for (const place of template.places) isDigit[place] = 1
  return Uint8Array.from(isDigit.keys().filter((place) => isDigit[place] === 0))
}

/** Both digits of a packed byte, as a little-endian pair of characters. */
const HEX_PAIRS = Uint16Array.from({ length: 256 }, (_, byte) => HEX_DIGIT[byte >>> 4]! | (HEX_DIGIT[byte & 15]! << 8))

/** The values that `packHexValues` packed. 0.3 ns a byte where all of it is digits, else 1 ns. */
export function unpackHex(template: HexTemplate, packed: Uint8Array, count: number): Uint8Array {
  const { places, literal } = template
  if (places.length === literal.length && places.length % 2 === 0) {
    const pairs = new Uint16Array(packed.length)
    for (let i = 0; i < packed.length; i++) pairs[i] = HEX_PAIRS[packed[i]!]!
    return new Uint8Array(pairs.buffer)
  }
  const bytes = new Uint8Array(literal.length * count)
  const stride = packedLength(template)
  const fixed = literalPlaces(template)
  for (let i = 0, to = 0; i < count; i++, to += literal.length) {
    const from = i * stride
    for (let f = 0; f < fixed.length; f++) bytes[to + fixed[f]!] = literal[fixed[f]!]!
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
