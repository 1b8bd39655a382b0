import type { ByteReader, ByteWriter } from '../base/bytes.ts'
import { corruptData } from '../base/bytes.ts'
import type { CharMask } from '../base/char-mask.ts'
import { CHARS_ANY, charMaskOfBytes, charMaskOfText, unionOfChars } from '../base/char-mask.ts'
import { VALUE_JSON } from '../base/columns.ts'
import type { HexTemplate } from './hex-packing.ts'
import { HEX_LENGTH_MAX } from './hex-packing.ts'

/** The column directory of a block: how each column is encoded and where its pieces lie. */

/** Where a piece lies: `length` bytes from `start` of an inflated chunk. */
export interface PieceRef {
  readonly chunk: number
  readonly start: number
  readonly length: number
}

export type ColumnEncoding =
  /** Pieces: values (see encodeDictionary); codes, one byte a row, unless constant. */
  | { readonly kind: 'dictionary'; readonly constant: boolean }
  /** Pieces: presence bitmap unless all rows have a value; planes of value - base. */
  | { readonly kind: 'offset'; readonly base: number; readonly planes: number; readonly everyRow: boolean }
  /** Pieces: presence bitmap unless all rows have a value; planes of (value - value before) - base; `first` is the first value. */
  | {
      readonly kind: 'delta'
      readonly first: number
      readonly base: number
      readonly planes: number
      readonly everyRow: boolean
    }
  /** Pieces: Float64 values, NaN for absent. */
  | { readonly kind: 'float' }
  /**
   * Pieces: types, one a row, unless uniform (`type` > 0); planes of the lengths of all rows, unless uniform (`length` >= 0, of rows
   * that are not absent); the values' bytes, or, with a template, their packed digits.
   */
  | {
      readonly kind: 'bytes'
      readonly type: number
      readonly length: number
      readonly planes: number
      readonly template: HexTemplate | null
    }
  /** Time of the rows. Pieces: planes of the difference to the millisecond before; nanoseconds in units of `unitNs`, unless all 0. */
  | {
      readonly kind: 'time'
      readonly firstMs: number
      readonly planes: number
      readonly unitNs: number
      readonly nsPlanes: number
    }

export interface ColumnLayout {
  readonly name: string
  readonly encoding: ColumnEncoding
  readonly pieces: readonly PieceRef[]
  /** Characters that its values may have. */
  readonly chars: CharMask
}

/** Name of the pseudo column that holds the rows' time. */
export const COLUMN_TIME = '\\@time'

const CODE_DICTIONARY = 0
const CODE_OFFSET = 1
const CODE_DELTA = 2
const CODE_FLOAT = 3
const CODE_BYTES = 4
const CODE_TIME = 5
const PLANES_MAX = 7
const PIECES_MAX = 16

/** Writes one entry of a block's column directory. */
export function writeLayout(writer: ByteWriter, layout: ColumnLayout): void {
  writer.text(layout.name)
  writeEncoding(writer, layout.encoding)
  writer.u32(layout.chars.low).u8(layout.chars.high)
  writer.varint(layout.pieces.length)
  for (const piece of layout.pieces) writer.varint(piece.chunk).varint(piece.start).varint(piece.length)
}

function writeEncoding(writer: ByteWriter, encoding: ColumnEncoding): void {
  switch (encoding.kind) {
    case 'dictionary':
      writer.u8(CODE_DICTIONARY).u8(encoding.constant ? 1 : 0)
      break
    case 'offset':
      writer
        .u8(CODE_OFFSET)
        .f64(encoding.base)
        .u8(encoding.planes)
        .u8(encoding.everyRow ? 1 : 0)
      break
    case 'delta':
      writer
        .u8(CODE_DELTA)
        .f64(encoding.first)
        .f64(encoding.base)
        .u8(encoding.planes)
        .u8(encoding.everyRow ? 1 : 0)
      break
    case 'float':
      writer.u8(CODE_FLOAT)
      break
    case 'bytes':
      writer
        .u8(CODE_BYTES)
        .u8(encoding.type)
        .varint(encoding.length + 1)
        .u8(encoding.planes)
      writer.varint(encoding.template === null ? 0 : encoding.template.places.length)
      if (encoding.template !== null) writer.raw(encoding.template.places).raw(encoding.template.literal)
      break
    case 'time':
      writer.u8(CODE_TIME).f64(encoding.firstMs).u8(encoding.planes).varint(encoding.unitNs).u8(encoding.nsPlanes)
      break
  }
}

/** Reads what `writeLayout` wrote; every piece lies within one of `chunks`. Without `hasChars` it says nothing of them. Throws corrupt_data. */
export function readLayout(
  reader: ByteReader,
  chunks: readonly { readonly rawLength: number }[],
  nameBytesMax: number,
  hasChars: boolean,
): ColumnLayout {
  const name = reader.text(nameBytesMax)
  const encoding = readEncoding(reader)
  const chars = hasChars ? { low: reader.u32(), high: reader.u8() } : (charsOfEncoding(encoding) ?? CHARS_ANY)
  const pieces: PieceRef[] = []
  for (let left = reader.varint(PIECES_MAX); left > 0; left--) {
    const chunk = reader.varint()
    const start = reader.varint()
    const length = reader.varint()
    if (start + length > (chunks[chunk]?.rawLength ?? -1)) throw corruptData('piece lies outside of its chunk')
    pieces.push({ chunk, start, length })
  }
  return { name, encoding, pieces, chars }
}

const DIGITS = charMaskOfText('0123456789')
const HEX_DIGITS = charMaskOfText('0123456789abcdef')

/** The characters of the values of a column as far as its encoding tells them; undefined where it does not. */
export function charsOfEncoding(encoding: ColumnEncoding): CharMask | undefined {
  switch (encoding.kind) {
    case 'offset':
    case 'delta':
    case 'float':
    case 'time':
      return DIGITS
    case 'bytes': {
      if (encoding.template === null) return undefined
      const { literal } = encoding.template
      return unionOfChars(charMaskOfBytes(literal, 0, literal.length), HEX_DIGITS)
    }
    case 'dictionary':
      return undefined
  }
}

function readEncoding(reader: ByteReader): ColumnEncoding {
  const code = reader.u8()
  switch (code) {
    case CODE_DICTIONARY:
      return { kind: 'dictionary', constant: reader.u8() === 1 }
    case CODE_OFFSET:
      return { kind: 'offset', base: integer(reader), planes: planes(reader), everyRow: reader.u8() === 1 }
    case CODE_DELTA:
      return {
        kind: 'delta',
        first: integer(reader),
        base: integer(reader),
        planes: planes(reader),
        everyRow: reader.u8() === 1,
      }
    case CODE_FLOAT:
      return { kind: 'float' }
    case CODE_BYTES: {
      const type = reader.u8()
      const length = reader.varint(0xffffffff) - 1
      const planeCount = planes(reader)
      if (type > VALUE_JSON || planeCount > 4) throw corruptData('type out of range')
      return { kind: 'bytes', type, length, planes: planeCount, template: readTemplate(reader, length) }
    }
    case CODE_TIME:
      return {
        kind: 'time',
        firstMs: integer(reader),
        planes: planes(reader),
        unitNs: reader.varint(1000),
        nsPlanes: planes(reader),
      }
    default:
      throw corruptData('column of an unknown encoding', { code })
  }
}

function readTemplate(reader: ByteReader, length: number): HexTemplate | null {
  const count = reader.varint(255)
  if (count === 0) return null
  const places = reader.raw(count).slice()
  if (length < count || length > HEX_LENGTH_MAX) throw corruptData('template of another length than its values')
  const literal = reader.raw(length).slice()
  for (let i = 0; i < count; i++)
    if (places[i]! >= length || (i > 0 && places[i]! <= places[i - 1]!))
      throw corruptData('template has a place too many')
  return { places, literal }
}

function planes(reader: ByteReader): number {
  const count = reader.u8()
  if (count > PLANES_MAX) throw corruptData('number of too many bytes', { count })
  return count
}

function integer(reader: ByteReader): number {
  const value = reader.f64()
  if (!Number.isSafeInteger(value)) throw corruptData('value is no integer')
  return value
}
