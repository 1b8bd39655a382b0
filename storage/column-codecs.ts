import { assert } from '../base/assert.ts'
import { corruptData } from '../base/bytes.ts'
import type { BytesColumn, Column, DictionaryColumn, ValueType } from '../base/columns.ts'
import { VALUE_ABSENT, VALUE_JSON } from '../base/columns.ts'
import { BLOCK_ROWS_MAX, DICTIONARY_VALUES_MAX } from '../base/limits.ts'
import { compressNow } from '../base/zstd.ts'
import { joinPlanes, joinPlanes32, looksRandom, planesFor, splitPlanes } from './byte-planes.ts'
import type { ColumnEncoding, ColumnLayout } from './column-layout.ts'
import { constantTypes, uniformType } from './constant-types.ts'
import { packedLength, packHexValues, uniformLength, unpackHex } from './hex-packing.ts'

/**
 * Columns of a block to bytes and back. A column is a list of pieces; the block's writer puts pieces that compress into chunks,
 * several small columns in one, and pieces that do not (random digits of ids, low bytes of numbers) into chunks of their own.
 */

/** A piece to be stored; `random` ones are not worth compressing. Only those are arrays of their own, others may be views of the column. */
export interface Piece {
  readonly bytes: Uint8Array
  readonly random: boolean
}

export interface EncodedColumn {
  readonly encoding: ColumnEncoding
  readonly pieces: readonly Piece[]
}

export interface Times {
  readonly timeMs: Float64Array
  readonly timeNs: Uint32Array
}

// --- encode ---------------------------------------------------------------------------------------------------

export function encodeColumn(column: Column, rowCount: number): EncodedColumn {
  switch (column.kind) {
    case 'dictionary':
      return encodeDictionary(column, rowCount)
    case 'integer':
      return encodeIntegers(column.values, rowCount)
    case 'bytes':
      return encodeBytes(column, rowCount)
  }
}

/** Values: count, then of each its type and its length (4 bytes), then their bytes. */
function encodeDictionary(column: DictionaryColumn, rowCount: number): EncodedColumn {
  const count = column.types.length
  const first = column.offsets[0]!
  const values = new Uint8Array(1 + count * 5 + column.offsets[count]! - first)
  const view = new DataView(values.buffer)
  values[0] = count
  values.set(column.types, 1)
  for (let i = 0; i < count; i++) view.setUint32(1 + count + i * 4, column.offsets[i + 1]! - column.offsets[i]!, true)
  values.set(column.bytes.subarray(first, column.offsets[count]!), 1 + count * 5)
  const codes = column.codes.subarray(0, rowCount)
  const constant = count === 1 && uniformType(codes, rowCount) === 1
  const pieces = [compressible(values)]
  if (!constant) pieces.push(compressible(codes))
  return { encoding: { kind: 'dictionary', constant }, pieces }
}

function encodeIntegers(all: Float64Array, rowCount: number): EncodedColumn {
  let count = 0
  for (let row = 0; row < rowCount; row++) if (!Number.isNaN(all[row]!)) count++
  const everyRow = count === rowCount
  const pieces: Piece[] = []
  let values = all.subarray(0, rowCount)
  if (!everyRow) {
    const presence = new Uint8Array((rowCount + 7) >>> 3)
    values = new Float64Array(count)
    count = 0
    for (let row = 0; row < rowCount; row++) {
      const value = all[row]!
      if (Number.isNaN(value)) continue
      presence[row >>> 3]! |= 1 << (row & 7)
      values[count++] = value
    }
    pieces.push(compressible(presence))
  }
  if (count === 0) return { encoding: { kind: 'offset', base: 0, planes: 0, everyRow }, pieces }
  let min = values[0]!
  let max = min
  let minStep = Infinity
  let maxStep = -Infinity
  let sameSteps = 0
  let lastStep = NaN
  for (let i = 1; i < count; i++) {
    const value = values[i]!
    if (value < min) min = value
    if (value > max) max = value
    const step = value - values[i - 1]!
    if (step < minStep) minStep = step
    if (step > maxStep) maxStep = step
    if (step === lastStep) sameSteps++
    lastStep = step
  }
  // Differences of steps reach four times the span: beyond this some would not be exact.
  if (max - min > 2 ** 51 || Math.abs(min) > 2 ** 52 || Math.abs(max) > 2 ** 52)
    return { encoding: { kind: 'float' }, pieces: [compressible(floatBytes(all, rowCount))] }
  const planes = planesFor(max - min)
  const stepPlanes = count > 1 ? planesFor(maxStep - minStep) : 0
  if (count > 1 && (stepPlanes < planes || (stepPlanes === planes && sameSteps * 2 > count))) {
    const steps = scratchOf(count - 1)
    for (let i = 1; i < count; i++) steps[i - 1] = values[i]! - values[i - 1]! - minStep
    pieces.push(...planePieces(steps, stepPlanes))
    return { encoding: { kind: 'delta', first: values[0]!, base: minStep, planes: stepPlanes, everyRow }, pieces }
  }
  const offsets = scratchOf(count)
  for (let i = 0; i < count; i++) offsets[i] = values[i]! - min
  pieces.push(...planePieces(offsets, planes))
  return { encoding: { kind: 'offset', base: min, planes, everyRow }, pieces }
}

function encodeBytes(column: BytesColumn, rowCount: number): EncodedColumn {
  const { offsets } = column
  const pieces: Piece[] = []
  const uniform = uniformType(column.types, rowCount)
  const type = uniform > VALUE_ABSENT ? uniform : 0
  if (type === 0) pieces.push(compressible(column.types.subarray(0, rowCount)))
  const length = uniformLength(column.types, offsets, rowCount)
  let planes = 0
  if (length < 0) {
    const lengths = new Uint32Array(rowCount)
    let longest = 0
    for (let row = 0; row < rowCount; row++) {
      const own = offsets[row + 1]! - offsets[row]!
      lengths[row] = own
      if (own > longest) longest = own
    }
    planes = planesFor(longest)
    for (const plane of splitPlanes(lengths, planes)) pieces.push(compressible(plane))
  }
  const bytes = column.bytes.subarray(offsets[0]!, offsets[rowCount]!)
  const hex = length > 0 ? packHexValues(bytes, length, bytes.length / length) : undefined
  if (hex === undefined) {
    pieces.push(compressible(bytes))
    return { encoding: { kind: 'bytes', type, length, planes, template: null }, pieces }
  }
  pieces.push({ bytes: hex.packed, random: isIncompressible(hex.packed) })
  return { encoding: { kind: 'bytes', type, length, planes, template: hex.template }, pieces }
}

/** Encodes the rows' time, which ascends. */
export function encodeTimes(times: Times): EncodedColumn {
  const { timeMs, timeNs } = times
  const rowCount = timeMs.length
  const steps = scratchOf(rowCount - 1)
  let maxStep = 0
  for (let row = 1; row < rowCount; row++) {
    const step = timeMs[row]! - timeMs[row - 1]!
    assert(step >= 0, 'the rows of a block are ordered by time')
    steps[row - 1] = step
    if (step > maxStep) maxStep = step
  }
  const planes = planesFor(maxStep)
  const pieces = planePieces(steps, planes)
  let maxNs = 0
  let micros = true
  for (let row = 0; row < rowCount; row++) {
    const ns = timeNs[row]!
    if (ns > maxNs) maxNs = ns
    if (ns % 1000 !== 0) micros = false
  }
  const unitNs = micros ? 1000 : 1
  const nsPlanes = planesFor(maxNs / unitNs)
  if (nsPlanes > 0)
    pieces.push(
      ...planePieces(
        Uint32Array.from(timeNs, (ns) => ns / unitNs),
        nsPlanes,
      ),
    )
  return { encoding: { kind: 'time', firstMs: timeMs[0]!, planes, unitNs, nsPlanes }, pieces }
}

const SCRATCH_LENGTH = 2 * BLOCK_ROWS_MAX
const scratch = new Float64Array(SCRATCH_LENGTH)

/** Numbers on their way to planes, contents undefined, valid until the next call. */
function scratchOf(length: number): Float64Array {
  return length <= SCRATCH_LENGTH ? scratch.subarray(0, length) : new Float64Array(length)
}

function compressible(bytes: Uint8Array): Piece {
  return { bytes, random: false }
}

function planePieces(values: Float64Array | Uint32Array, planeCount: number): Piece[] {
  return splitPlanes(values, planeCount).map((bytes) => ({ bytes, random: looksRandom(bytes) }))
}

function floatBytes(values: Float64Array, rowCount: number): Uint8Array {
  return new Uint8Array(values.slice(0, rowCount).buffer)
}

const TRIAL_BYTES = 16 * 1024
const TRIAL_GAIN_MIN = 0.97

/** Random by its single bytes and, by trial, without repeats nearby either (rows of one trace follow each other). */
function isIncompressible(bytes: Uint8Array): boolean {
  if (!looksRandom(bytes)) return false
  const trial = bytes.subarray(0, TRIAL_BYTES)
  return compressNow(trial, 1).length > trial.length * TRIAL_GAIN_MIN
}

// --- decode ---------------------------------------------------------------------------------------------------

/** The column of `layout`, given its pieces inflated. Throws corrupt_data when they do not fit together. */
export function decodeColumn(layout: ColumnLayout, pieces: readonly Uint8Array[], rowCount: number): Column {
  const { name, encoding } = layout
  const left = new PieceQueue(pieces)
  const column = decodeKind(name, encoding, left, rowCount)
  left.finish()
  return column
}

function decodeKind(name: string, encoding: ColumnEncoding, pieces: PieceQueue, rowCount: number): Column {
  switch (encoding.kind) {
    case 'dictionary':
      return decodeDictionary(name, encoding.constant, pieces, rowCount)
    case 'offset':
    case 'delta':
      return { kind: 'integer', name, values: decodeIntegers(encoding, pieces, rowCount) }
    case 'float': {
      const bytes = new Uint8Array(pieces.next(rowCount * 8))
      const values = new Float64Array(bytes.buffer)
      for (let row = 0; row < rowCount; row++)
        if (!Number.isSafeInteger(values[row]!) && !Number.isNaN(values[row]!)) throw corruptData('value is no integer')
      return { kind: 'integer', name, values }
    }
    case 'bytes':
      return decodeBytes(name, encoding, pieces, rowCount)
    case 'time':
      throw corruptData('time is no column')
  }
}

/** Code of the first value; shares an array with a type of the same number. */
const CODE_FIRST = 1

function decodeDictionary(name: string, constant: boolean, pieces: PieceQueue, rowCount: number): DictionaryColumn {
  const values = pieces.next()
  const count = values[0] ?? 0
  if (count > DICTIONARY_VALUES_MAX || values.length < 1 + count * 5) throw corruptData('dictionary ends early')
  const types = values.subarray(1, 1 + count)
  const view = new DataView(values.buffer, values.byteOffset, values.byteLength)
  const offsets = new Uint32Array(count + 1)
  const bytes = values.subarray(1 + count * 5)
  for (let i = 0; i < count; i++) {
    if (types[i] === VALUE_ABSENT || types[i]! > VALUE_JSON) throw corruptData('type out of range')
    const end = offsets[i]! + view.getUint32(1 + count + i * 4, true)
    if (end > bytes.length) throw corruptData('dictionary ends early')
    offsets[i + 1] = end
  }
  if (offsets[count] !== bytes.length) throw corruptData('dictionary has bytes left over')
  if (constant && count !== 1) throw corruptData('constant of several values')
  if (constant) return { kind: 'dictionary', name, codes: constantTypes(CODE_FIRST, rowCount), types, offsets, bytes }
  const codes = pieces.next(rowCount)
  let highest = 0
  for (let row = 0; row < rowCount; row++) if (codes[row]! > highest) highest = codes[row]!
  if (highest > count) throw corruptData('code without a value')
  return { kind: 'dictionary', name, codes, types, offsets, bytes }
}

function decodeIntegers(
  encoding: ColumnEncoding & { kind: 'offset' | 'delta' },
  pieces: PieceQueue,
  rowCount: number,
): Float64Array {
  const presence = encoding.everyRow ? null : pieces.next((rowCount + 7) >>> 3)
  let count = rowCount
  if (presence !== null) {
    count = 0
    for (let row = 0; row < rowCount; row++) count += (presence[row >>> 3]! >>> (row & 7)) & 1
  }
  let values = new Float64Array(count)
  if (encoding.kind === 'offset') {
    joinPlanes(pieces.planes(encoding.planes, count), values)
    for (let i = 0; i < count; i++) values[i]! += encoding.base
  } else if (count > 0) {
    const steps = values.subarray(1)
    joinPlanes(pieces.planes(encoding.planes, count - 1), steps)
    let value = encoding.first
    values[0] = value
    for (let i = 1; i < count; i++) {
      value += values[i]! + encoding.base
      values[i] = value
    }
  }
  for (let i = 0; i < count; i++) if (!Number.isSafeInteger(values[i]!)) throw corruptData('value is no integer')
  if (presence !== null) {
    const dense = values
    values = new Float64Array(rowCount).fill(NaN)
    let next = 0
    for (let row = 0; row < rowCount; row++)
      if (((presence[row >>> 3]! >>> (row & 7)) & 1) === 1) values[row] = dense[next++]!
  }
  return values
}

function decodeBytes(
  name: string,
  encoding: ColumnEncoding & { kind: 'bytes' },
  pieces: PieceQueue,
  rowCount: number,
): BytesColumn {
  const types = encoding.type > 0 ? constantTypes(encoding.type as ValueType, rowCount) : pieces.next(rowCount)
  const offsets = new Uint32Array(rowCount + 1)
  let valueCount = 0
  if (encoding.length < 0) {
    joinPlanes32(pieces.planes(encoding.planes, rowCount), offsets.subarray(1))
    sumUp(offsets)
  } else if (encoding.type > 0) {
    valueCount = rowCount
    for (let row = 1; row <= rowCount; row++) offsets[row] = row * encoding.length
  } else {
    for (let row = 0; row < rowCount; row++) {
      if (types[row] !== VALUE_ABSENT) valueCount++
      offsets[row + 1] = valueCount * encoding.length
    }
  }
  const end = offsets[rowCount]!
  if (encoding.type === 0)
    for (let row = 0; row < rowCount; row++) if (types[row]! > VALUE_JSON) throw corruptData('type out of range')
  const { template } = encoding
  if (template === null) return { kind: 'bytes', name, types, offsets, bytes: pieces.next(end) }
  const packed = pieces.next(valueCount * packedLength(template))
  return { kind: 'bytes', name, types, offsets, bytes: unpackHex(template, packed, valueCount) }
}

/** Each entry becomes the sum of all up to it. Throws corrupt_data when that is beyond 32 bits. */
function sumUp(offsets: Uint32Array): void {
  let end = 0
  for (let i = 1; i < offsets.length; i++) {
    end += offsets[i]!
    offsets[i] = end
  }
  if (end > 0xffffffff) throw corruptData('values are too long')
}

/** Milliseconds of the rows, of what `encodeTimes` made; the pieces of the nanoseconds are left alone. */
export function decodeTimeMs(layout: ColumnLayout, pieces: readonly Uint8Array[], rowCount: number): Float64Array {
  const { encoding } = layout
  if (encoding.kind !== 'time') throw corruptData('block without times')
  const left = new PieceQueue(pieces)
  const timeMs = new Float64Array(rowCount)
  joinPlanes(left.planes(encoding.planes, rowCount - 1), timeMs.subarray(1))
  let ms = encoding.firstMs
  timeMs[0] = ms
  for (let row = 1; row < rowCount; row++) {
    ms += timeMs[row]!
    timeMs[row] = ms
  }
  if (!Number.isSafeInteger(encoding.firstMs) || !Number.isSafeInteger(ms)) throw corruptData('time out of range')
  return timeMs
}

/** Nanoseconds of the rows, likewise. */
export function decodeTimeNs(layout: ColumnLayout, pieces: readonly Uint8Array[], rowCount: number): Uint32Array {
  const { encoding } = layout
  if (encoding.kind !== 'time' || encoding.nsPlanes > 4) throw corruptData('block without times')
  const left = new PieceQueue(pieces.slice(encoding.planes))
  const timeNs = new Uint32Array(rowCount)
  joinPlanes32(left.planes(encoding.nsPlanes, rowCount), timeNs)
  left.finish()
  if (encoding.nsPlanes === 0) return timeNs
  const { unitNs } = encoding
  let max = 0
  for (let row = 0; row < rowCount; row++) {
    const ns = timeNs[row]! * unitNs
    timeNs[row] = ns
    if (ns > max) max = ns
  }
  if (max > 999_999) throw corruptData('time out of range')
  return timeNs
}

class PieceQueue {
  readonly #pieces: readonly Uint8Array[]
  #taken = 0

  constructor(pieces: readonly Uint8Array[]) {
    this.#pieces = pieces
  }

  next(length?: number): Uint8Array {
    const piece = this.#pieces[this.#taken++]
    if (piece === undefined || (length !== undefined && piece.length !== length))
      throw corruptData('piece of a column is missing or has another length')
    return piece
  }

  planes(planeCount: number, length: number): Uint8Array[] {
    return Array.from({ length: planeCount }, () => this.next(length))
  }

  finish(): void {
    if (this.#taken !== this.#pieces.length) throw corruptData('column has pieces left over')
  }
}
