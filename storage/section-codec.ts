import { assert } from '../base/assert.ts'
import { ByteReader, ByteWriter, corruptData } from '../base/bytes.ts'
import { checksum } from '../base/checksum.ts'
import type { BytesColumn, Column, ColumnSource, DictionaryColumn, IntegerColumn, ValueType } from '../base/columns.ts'
import { VALUE_ABSENT, VALUE_JSON } from '../base/columns.ts'
import type { TenantId } from '../base/ids.ts'
import { DICTIONARY_VALUES_MAX, PATH_BYTES_MAX } from '../base/limits.ts'
import { compressNow, inflate } from '../base/zstd.ts'
import { takeRows } from './column-gather.ts'
import { constantTypes, uniformType } from './constant-types.ts'
import { countPresent, presentRows, spreadColumn } from './sparse-column.ts'

/**
 * A section: the rows of one (tenant, shard) in a journal frame, as columns. Made to be copied, not to be small: arrays lie as they
 * lie in memory, each at a multiple of 8 bytes, so that decoding gives views of the bytes. docs/formats.md says what each byte means.
 */
export interface SectionMeta {
  readonly tenant: TenantId
  /** When the api received the rows, ms since the epoch. */
  readonly receivedMs: number
  /** D3: chunks of keyed requests among the rows. */
  readonly keyed: readonly KeyedChunk[]
}

export interface KeyedChunk {
  /** First 128 bits of SHA-256 of tenant and key, 32 hexadecimal digits. */
  readonly keyHash: string
  readonly bodyHash: string
  /** Number of the chunk in its request, from 0. */
  readonly chunk: number
  /** How many chunks the request has; 0 while unknown. */
  readonly chunks: number
  /** Rows [rowFrom, rowTo) of the section. */
  readonly rowFrom: number
  readonly rowTo: number
}

export interface DecodedSection {
  readonly meta: SectionMeta
  /** Views of `bytes`: keep those unchanged while it is used. */
  readonly source: ColumnSource
  /** The section's bytes, or what they were inflated to. */
  readonly bytes: Uint8Array
}

const MAGIC = 0x43455357
const VERSION = 1
const HEADER_BYTES = 32
const FLAG_ZSTD = 1
const FLAG_NANOSECONDS = 2
const CHECKSUM_OFFSET = 4
const CHECKED_FROM = 8

/** Bounds what a declared size may make a reader allocate. */
const SECTION_BODY_BYTES_MAX = 64 * 1024 * 1024
const ROWS_MAX = 1 << 20
const COLUMNS_MAX = 1 << 16
const KEYED_MAX = 1 << 16
const TEXT_BYTES_MAX = 256
const ZSTD_LEVEL = 1
/** zlib takes 20 µs to begin, and 13 to begin to inflate: shorter sections are not worth it. */
const COMPRESSED_BYTES_MIN = 2048

const KIND_DICTIONARY = 0
const KIND_BYTES = 1
const KIND_INTEGER = 2
const KIND_SPARSE = 4
/** Stands for "each row has its own type". */
const TYPE_VARIES = 255
/** A column that fewer than one in this many rows have is stored for those rows only. */
const SPARSE_RATIO = 8

/** Where things lie is the same sum for writer and reader; every array begins at a multiple of 8. */
function padded(length: number): number {
  return (length + 7) & ~7
}

/**
 * Encodes the rows of `source`; with `zstd` those of short sections stay as they are. 0.08 µs a record for sections of 150 to 1,000 rows of 11 fields, uncompressed (bench/micro/codec.ts).
 */
export function encodeSection(
  source: ColumnSource,
  meta: SectionMeta,
  options: { readonly compression: 'none' | 'zstd' },
): Uint8Array {
  const rowCount = source.rowCount
  assert(rowCount <= ROWS_MAX, 'the rows of a section are bounded')
  const directory = new ByteWriter()
  writeMeta(directory, meta)
  const columns: StoredColumn[] = []
  let arraysLength = padded(rowCount * 8)
  const nanoseconds = hasNanoseconds(source.timeNs, rowCount)
  if (nanoseconds) arraysLength += padded(rowCount * 4)
  for (const name of source.columnNames) {
    const column = source.column(name)
    if (column === undefined) continue
    const stored = storedColumn(column, rowCount)
    if (stored === undefined) continue
    describeColumn(directory, name, stored)
    arraysLength += stored.length
    columns.push(stored)
  }
  const directoryBytes = directory.finish()
  const arraysFrom = HEADER_BYTES + padded(directoryBytes.length)
  const bytes = new Uint8Array(arraysFrom + arraysLength)
  bytes.set(directoryBytes, HEADER_BYTES)
  const writer = new ArrayWriter(bytes, arraysFrom)
  writer.f64(source.timeMs, rowCount)
  if (nanoseconds) writer.u32(source.timeNs, rowCount)
  for (const column of columns) writeColumn(writer, column)
  assert(writer.offset === bytes.length, 'arrays fill the section')

  const compress = options.compression === 'zstd' && bytes.length >= COMPRESSED_BYTES_MIN
  const section = compress ? withCompressedBody(bytes) : bytes
  const view = new DataView(section.buffer)
  view.setUint32(0, MAGIC, true)
  section[8] = VERSION
  section[9] = (compress ? FLAG_ZSTD : 0) | (nanoseconds ? FLAG_NANOSECONDS : 0)
  view.setUint32(12, bytes.length - HEADER_BYTES, true)
  view.setUint32(16, rowCount, true)
  view.setUint32(20, columns.length, true)
  view.setUint32(24, directoryBytes.length, true)
  view.setUint32(CHECKSUM_OFFSET, checksum(section.subarray(CHECKED_FROM)), true)
  return section
}

/**
 * Decodes a section; columns are views of `bytes` where those are uncompressed and aligned to 8 bytes in their buffer, else of a copy.
 * Everything is checked before it returns. Throws corrupt_data.
 */
export function decodeSection(bytes: Uint8Array): DecodedSection {
  if (bytes.length < HEADER_BYTES) throw corruptData('section is shorter than its header', { bytes: bytes.length })
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getUint32(0, true) !== MAGIC) throw corruptData('not a section')
  if (bytes[8] !== VERSION) throw corruptData('section of an unknown version', { version: bytes[8]! })
  if (view.getUint32(CHECKSUM_OFFSET, true) !== checksum(bytes.subarray(CHECKED_FROM)))
    throw corruptData('section fails its checksum', { bytes: bytes.length })
  const flags = bytes[9]!
  const body = bodyOf(bytes, (flags & FLAG_ZSTD) !== 0, view.getUint32(12, true))
  const rowCount = view.getUint32(16, true)
  const columnCount = view.getUint32(20, true)
  const directoryLength = view.getUint32(24, true)
  if (rowCount > ROWS_MAX || columnCount > COLUMNS_MAX)
    throw corruptData('section has impossible counts', { rowCount, columnCount })
  const directory = new ByteReader(body, 0, directoryLength)
  const meta = readMeta(directory, rowCount)
  const arrays = new ArrayReader(body, padded(directoryLength))
  const timeMs = arrays.f64(rowCount)
  const timeNs = (flags & FLAG_NANOSECONDS) !== 0 ? arrays.u32(rowCount) : zeros(rowCount)
  checkTimes(timeMs, timeNs)
  const source = new SectionSource(rowCount, timeMs, timeNs)
  for (let i = 0; i < columnCount; i++) source.add(readColumn(directory, arrays, rowCount))
  directory.finish()
  arrays.finish()
  return { meta, source, bytes: body.buffer === bytes.buffer ? bytes : body }
}

// --- meta -----------------------------------------------------------------------------------------------------

function writeMeta(directory: ByteWriter, meta: SectionMeta): void {
  directory.text(meta.tenant).f64(meta.receivedMs).varint(meta.keyed.length)
  for (const keyed of meta.keyed) {
    directory.text(keyed.keyHash).text(keyed.bodyHash)
    directory.varint(keyed.chunk).varint(keyed.chunks).varint(keyed.rowFrom).varint(keyed.rowTo)
  }
}

function readMeta(directory: ByteReader, rowCount: number): SectionMeta {
  const tenant = directory.text(TEXT_BYTES_MAX) as TenantId
  const receivedMs = directory.f64()
  if (!Number.isSafeInteger(receivedMs)) throw corruptData('time of receipt is not an integer')
  const keyed: KeyedChunk[] = []
  for (let left = directory.varint(KEYED_MAX); left > 0; left--) {
    const keyHash = directory.text(TEXT_BYTES_MAX)
    const bodyHash = directory.text(TEXT_BYTES_MAX)
    const chunk = directory.varint()
    const chunks = directory.varint()
    const rowFrom = directory.varint(rowCount)
    const rowTo = directory.varint(rowCount)
    if (rowFrom > rowTo) throw corruptData('keyed chunk ends before it begins')
    keyed.push({ keyHash, bodyHash, chunk, chunks, rowFrom, rowTo })
  }
  return { tenant, receivedMs, keyed }
}

// --- columns --------------------------------------------------------------------------------------------------

/** A column as it is stored: of all rows, or, when `rows` is given, of those alone. */
interface StoredColumn {
  readonly column: Column
  readonly rows: Uint32Array | null
  readonly rowCount: number
  /** For a bytes column: the type of all rows, or TYPE_VARIES. */
  readonly type: number
  /** Bytes of its arrays, padding included. */
  readonly length: number
}

function storedColumn(column: Column, rowCount: number): StoredColumn | undefined {
  const type = column.kind === 'bytes' ? uniformType(column.types, rowCount) : -1
  const present = type > VALUE_ABSENT ? rowCount : countPresent(column, rowCount)
  if (present === 0) return undefined
  if (present * SPARSE_RATIO >= rowCount) {
    const varies = type < 0 ? TYPE_VARIES : type
    return { column, rows: null, rowCount, type: varies, length: arraysLength(column, rowCount, varies) }
  }
  const rows = presentRows(column, rowCount, present)
  const dense = takeRows(column, rows)
  const denseType = dense.kind === 'bytes' ? uniformType(dense.types, present) : -1
  const varies = denseType < 0 ? TYPE_VARIES : denseType
  const length = padded(present * 4) + arraysLength(dense, present, varies)
  return { column: dense, rows, rowCount: present, type: varies, length }
}

function arraysLength(column: Column, rowCount: number, type: number): number {
  switch (column.kind) {
    case 'dictionary': {
      const values = column.types.length
      const bytes = column.offsets[values]! - column.offsets[0]!
      return padded(rowCount) + padded(values) + padded((values + 1) * 4) + padded(bytes)
    }
    case 'bytes': {
      const bytes = column.offsets[rowCount]! - column.offsets[0]!
      return (type === TYPE_VARIES ? padded(rowCount) : 0) + padded((rowCount + 1) * 4) + padded(bytes)
    }
    case 'integer':
      return padded(rowCount * 8)
  }
}

function describeColumn(directory: ByteWriter, name: string, stored: StoredColumn): void {
  const { column, rows } = stored
  const sparse = rows === null ? 0 : KIND_SPARSE
  switch (column.kind) {
    case 'dictionary':
      directory.u8(KIND_DICTIONARY | sparse).text(name)
      if (rows !== null) directory.varint(rows.length)
      directory.varint(column.types.length).varint(column.offsets[column.types.length]! - column.offsets[0]!)
      break
    case 'bytes':
      directory.u8(KIND_BYTES | sparse).text(name)
      if (rows !== null) directory.varint(rows.length)
      directory.u8(stored.type).varint(column.offsets[stored.rowCount]! - column.offsets[0]!)
      break
    case 'integer':
      directory.u8(KIND_INTEGER | sparse).text(name)
      if (rows !== null) directory.varint(rows.length)
      break
  }
}

function writeColumn(writer: ArrayWriter, stored: StoredColumn): void {
  const { column, rows, rowCount } = stored
  if (rows !== null) writer.u32(rows, rowCount)
  switch (column.kind) {
    case 'dictionary': {
      const values = column.types.length
      writer.u8(column.codes, 0, rowCount)
      writer.u8(column.types, 0, values)
      writer.offsets(column.offsets, values + 1)
      writer.u8(column.bytes, column.offsets[0]!, column.offsets[values]!)
      break
    }
    case 'bytes':
      if (stored.type === TYPE_VARIES) writer.u8(column.types, 0, rowCount)
      writer.offsets(column.offsets, rowCount + 1)
      writer.u8(column.bytes, column.offsets[0]!, column.offsets[rowCount]!)
      break
    case 'integer':
      writer.f64(column.values, rowCount)
      break
  }
}

interface ReadColumn {
  readonly column: Column
  readonly rows: Uint32Array | null
}

function readColumn(directory: ByteReader, arrays: ArrayReader, sectionRows: number): ReadColumn {
  const kind = directory.u8()
  const name = directory.text(PATH_BYTES_MAX * 2)
  const rowCount = (kind & KIND_SPARSE) === 0 ? sectionRows : directory.varint(sectionRows)
  const rows = (kind & KIND_SPARSE) === 0 ? null : arrays.u32(rowCount)
  if (rows !== null) checkRows(rows, sectionRows)
  switch (kind & ~KIND_SPARSE) {
    case KIND_DICTIONARY: {
      const values = directory.varint(DICTIONARY_VALUES_MAX)
      const length = directory.varint(SECTION_BODY_BYTES_MAX)
      const codes = arrays.u8(rowCount)
      const types = arrays.u8(values)
      const offsets = arrays.u32(values + 1)
      const bytes = arrays.u8(length)
      for (let row = 0; row < rowCount; row++) if (codes[row]! > values) throw corruptData('code without a value')
      for (let i = 0; i < values; i++) if ((types[i]! - 1) >>> 0 >= VALUE_JSON) throw corruptData('type out of range')
      checkOffsets(offsets, length)
      const column: DictionaryColumn = { kind: 'dictionary', name, codes, types, offsets, bytes }
      return { column, rows }
    }
    case KIND_BYTES: {
      const type = directory.u8()
      const length = directory.varint(SECTION_BODY_BYTES_MAX)
      if (type !== TYPE_VARIES && (type === VALUE_ABSENT || type > VALUE_JSON)) throw corruptData('type out of range')
      const types = type === TYPE_VARIES ? arrays.u8(rowCount) : constantTypes(type as ValueType, rowCount)
      const offsets = arrays.u32(rowCount + 1)
      const bytes = arrays.u8(length)
      if (type === TYPE_VARIES)
        for (let row = 0; row < rowCount; row++) if (types[row]! > VALUE_JSON) throw corruptData('type out of range')
      checkOffsets(offsets, length)
      const column: BytesColumn = { kind: 'bytes', name, types, offsets, bytes }
      return { column, rows }
    }
    case KIND_INTEGER: {
      const values = arrays.f64(rowCount)
      for (let row = 0; row < rowCount; row++) {
        const value = values[row]!
        if (!Number.isSafeInteger(value) && !Number.isNaN(value)) throw corruptData('value is no integer')
      }
      const column: IntegerColumn = { kind: 'integer', name, values }
      return { column, rows }
    }
    default:
      throw corruptData('column of an unknown kind', { kind })
  }
}

class SectionSource implements ColumnSource {
  readonly rowCount: number
  readonly timeMs: Float64Array
  readonly timeNs: Uint32Array
  readonly columnNames: string[] = []
  readonly #columns = new Map<string, ReadColumn>()

  constructor(rowCount: number, timeMs: Float64Array, timeNs: Uint32Array) {
    this.rowCount = rowCount
    this.timeMs = timeMs
    this.timeNs = timeNs
  }

  add(read: ReadColumn): void {
    const name = read.column.name
    if (this.#columns.has(name)) throw corruptData('section names a column twice')
    this.#columns.set(name, read)
    this.columnNames.push(name)
  }

  /** A sparse column is spread at each call and not kept: a thousand of them would be 40 MB. */
  column(name: string): Column | undefined {
    const read = this.#columns.get(name)
    if (read === undefined) return undefined
    return read.rows === null ? read.column : spreadColumn(read.column, read.rows, this.rowCount)
  }
}

// --- arrays ---------------------------------------------------------------------------------------------------

class ArrayWriter {
  readonly #bytes: Uint8Array
  offset: number

  constructor(bytes: Uint8Array, offset: number) {
    this.#bytes = bytes
    this.offset = offset
  }

  f64(values: Float64Array, count: number): void {
    new Float64Array(this.#bytes.buffer, this.offset, count).set(
      values.length === count ? values : values.subarray(0, count),
    )
    this.offset += padded(count * 8)
  }

  u32(values: Uint32Array, count: number): void {
    new Uint32Array(this.#bytes.buffer, this.offset, count).set(
      values.length === count ? values : values.subarray(0, count),
    )
    this.offset += padded(count * 4)
  }

  /** Offsets are stored from 0, wherever they begin in memory. */
  offsets(values: Uint32Array, count: number): void {
    const base = values[0]!
    if (base === 0) {
      this.u32(values, count)
      return
    }
    const out = new Uint32Array(this.#bytes.buffer, this.offset, count)
    for (let i = 0; i < count; i++) out[i] = values[i]! - base
    this.offset += padded(count * 4)
  }

  u8(values: Uint8Array, start: number, end: number): void {
    this.#bytes.set(start === 0 && end === values.length ? values : values.subarray(start, end), this.offset)
    this.offset += padded(end - start)
  }
}

class ArrayReader {
  readonly #bytes: Uint8Array
  #offset: number

  constructor(bytes: Uint8Array, offset: number) {
    this.#bytes = bytes
    this.#offset = offset
  }

  f64(count: number): Float64Array {
    return new Float64Array(this.#bytes.buffer, this.#bytes.byteOffset + this.#take(count * 8), count)
  }

  u32(count: number): Uint32Array {
    return new Uint32Array(this.#bytes.buffer, this.#bytes.byteOffset + this.#take(count * 4), count)
  }

  u8(count: number): Uint8Array {
    const start = this.#take(count)
    return this.#bytes.subarray(start, start + count)
  }

  finish(): void {
    if (this.#offset !== this.#bytes.length) throw corruptData('section has bytes left over')
  }

  #take(length: number): number {
    const start = this.#offset
    this.#offset = start + padded(length)
    if (this.#offset > this.#bytes.length) throw corruptData('section ends early')
    return start
  }
}

// --- checks ---------------------------------------------------------------------------------------------------

function checkOffsets(offsets: Uint32Array, length: number): void {
  let previous = 0
  let ordered = offsets[0] === 0
  for (let i = 0; i < offsets.length; i++) {
    const offset = offsets[i]!
    if (offset < previous) ordered = false
    previous = offset
  }
  if (!ordered || previous !== length) throw corruptData('offsets do not ascend')
}

function checkRows(rows: Uint32Array, rowCount: number): void {
  for (let i = 0; i < rows.length; i++) {
    if (rows[i]! >= rowCount || (i > 0 && rows[i]! <= rows[i - 1]!)) throw corruptData('rows do not ascend')
  }
}

const ZEROS = new Uint32Array(8192)

/** Not written to. */
function zeros(count: number): Uint32Array {
  return count <= ZEROS.length ? ZEROS.subarray(0, count) : new Uint32Array(count)
}

function checkTimes(timeMs: Float64Array, timeNs: Uint32Array): void {
  for (let row = 0; row < timeMs.length; row++) {
    if (!Number.isSafeInteger(timeMs[row]!) || timeNs[row]! > 999_999) throw corruptData('time out of range')
  }
}

function hasNanoseconds(timeNs: Uint32Array, rowCount: number): boolean {
  for (let row = 0; row < rowCount; row++) if (timeNs[row] !== 0) return true
  return false
}

// --- body -----------------------------------------------------------------------------------------------------

function withCompressedBody(bytes: Uint8Array): Uint8Array {
  const body = compressNow(bytes.subarray(HEADER_BYTES), ZSTD_LEVEL)
  const section = new Uint8Array(HEADER_BYTES + body.length)
  section.set(body, HEADER_BYTES)
  return section
}

/** The body's bytes, beginning at a multiple of 8 in their buffer. */
function bodyOf(bytes: Uint8Array, compressed: boolean, length: number): Uint8Array {
  const stored = bytes.subarray(HEADER_BYTES)
  if (length > SECTION_BODY_BYTES_MAX) throw corruptData('section is too large', { bytes: length })
  const body = compressed ? inflate(stored, length) : stored
  if (body.length !== length) throw corruptData('section has another length than it says', { bytes: body.length })
  return (body.byteOffset & 7) === 0 ? body : new Uint8Array(body)
}
