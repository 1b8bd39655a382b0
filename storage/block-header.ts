import { assert } from '../base/assert.ts'
import { ByteReader, ByteWriter, corruptData } from '../base/bytes.ts'
import { checksum } from '../base/checksum.ts'
import type { DayNumber, TenantId } from '../base/ids.ts'
import { PATH_BYTES_MAX } from '../base/limits.ts'
import type { ColumnLayout } from './column-layout.ts'
import { readLayout, writeLayout } from './column-layout.ts'

/** Layout of the first bytes of a block (docs/formats.md): this header, then the chunks one after the other. */
const MAGIC = 0x4b4c4257
/** Version 1 says nothing of the characters of columns. */
const VERSION = 2
const VERSION_MIN = 1
/** Magic, version and the header's length. */
export const BLOCK_PREFIX_BYTES = 12
const CHECKSUM_BYTES = 4

/** Bounds what a declared size may make a reader allocate. */
const CHUNK_BYTES_MAX = 1 << 28
const HEADER_BYTES_MAX = 1 << 24
const BLOCK_ROWS_LIMIT = 1 << 20
const COLUMNS_LIMIT = 1 << 14
const CHUNKS_LIMIT = 1 << 16
const TENANT_BYTES_MAX = 256

export const CHUNK_PLAIN = 0
export const CHUNK_ZSTD = 1

/** Bytes that are stored, checked and inflated together: one large piece of a column, or the pieces of several small columns. */
export interface BlockChunk {
  readonly codec: 0 | 1
  /** Place in the block. */
  readonly start: number
  readonly storedLength: number
  readonly rawLength: number
  readonly checksum: number
}

export interface BlockIdentity {
  readonly tenant: TenantId
  readonly day: DayNumber
  readonly retentionClass: number
  readonly generation: number
}

export interface BlockHeader {
  readonly identity: BlockIdentity
  /** How many merges its rows went through; 0 for a block cut from a head. */
  readonly mergeLevel: number
  readonly rowCount: number
  readonly minMs: number
  readonly maxMs: number
  readonly firstSequence: number
  readonly lastSequence: number
  /** Row of the lowest position, whose sequence is `firstSequence`. */
  readonly firstRow: number
  readonly chunks: readonly BlockChunk[]
  /** The time of the rows first, then columns by name. */
  readonly columns: readonly ColumnLayout[]
  /** Bytes before the first chunk. */
  readonly byteLength: number
}

/** Encodes everything but `byteLength` and the chunks' `start`, which follow from it. */
export function encodeBlockHeader(header: Omit<BlockHeader, 'byteLength'>): Uint8Array {
  assert(header.rowCount > 0 && header.rowCount <= BLOCK_ROWS_LIMIT, 'a block has rows')
  const writer = new ByteWriter()
  const { identity } = header
  writer.text(identity.tenant).f64(identity.day).varint(identity.retentionClass).varint(identity.generation)
  writer.varint(header.mergeLevel).varint(header.rowCount).f64(header.minMs).f64(header.maxMs)
  writer.varint(header.firstSequence).varint(header.lastSequence).varint(header.firstRow)
  writer.varint(header.chunks.length)
  for (const chunk of header.chunks)
    writer.u8(chunk.codec).varint(chunk.storedLength).varint(chunk.rawLength).u32(chunk.checksum)
  writer.varint(header.columns.length)
  for (const layout of header.columns) writeLayout(writer, layout)
  const body = writer.finish()
  const bytes = new Uint8Array(BLOCK_PREFIX_BYTES + body.length + CHECKSUM_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, MAGIC, true)
  view.setUint32(4, VERSION, true)
  view.setUint32(8, bytes.length, true)
  bytes.set(body, BLOCK_PREFIX_BYTES)
  view.setUint32(bytes.length - CHECKSUM_BYTES, checksum(bytes.subarray(0, bytes.length - CHECKSUM_BYTES)), true)
  return bytes
}

/** Length of the header of the block that begins with `prefix` (at least BLOCK_PREFIX_BYTES). Throws corrupt_data. */
export function blockHeaderLength(prefix: Uint8Array): number {
  if (prefix.length < BLOCK_PREFIX_BYTES)
    throw corruptData('block is shorter than its header', { bytes: prefix.length })
  const view = new DataView(prefix.buffer, prefix.byteOffset, prefix.byteLength)
  if (view.getUint32(0, true) !== MAGIC) throw corruptData('not a block')
  const version = view.getUint32(4, true)
  if (version < VERSION_MIN || version > VERSION) throw corruptData('block of an unknown version', { version })
  const length = view.getUint32(8, true)
  if (length < BLOCK_PREFIX_BYTES + CHECKSUM_BYTES || length > HEADER_BYTES_MAX)
    throw corruptData('block header has an impossible length', { bytes: length })
  return length
}

/** The header of the block that begins with `prefix`, which holds at least `blockHeaderLength(prefix)` bytes. Throws corrupt_data. */
export function readBlockHeader(prefix: Uint8Array): BlockHeader {
  const byteLength = blockHeaderLength(prefix)
  if (prefix.length < byteLength) throw corruptData('block header ends early', { bytes: prefix.length })
  const checked = byteLength - CHECKSUM_BYTES
  const view = new DataView(prefix.buffer, prefix.byteOffset, prefix.byteLength)
  if (view.getUint32(checked, true) !== checksum(prefix.subarray(0, checked)))
    throw corruptData('block header fails its checksum')
  const reader = new ByteReader(prefix, BLOCK_PREFIX_BYTES, checked)
  const tenant = reader.text(TENANT_BYTES_MAX) as TenantId
  const day = reader.f64() as DayNumber
  const retentionClass = reader.varint()
  const generation = reader.varint()
  const mergeLevel = reader.varint()
  const rowCount = reader.varint(BLOCK_ROWS_LIMIT)
  if (rowCount === 0) throw corruptData('block without rows')
  const minMs = reader.f64()
  const maxMs = reader.f64()
  const firstSequence = reader.varint()
  const lastSequence = reader.varint()
  const firstRow = reader.varint()
  const chunks: BlockChunk[] = []
  let start = byteLength
  for (let left = reader.varint(CHUNKS_LIMIT); left > 0; left--) {
    const codec = reader.u8()
    const storedLength = reader.varint(CHUNK_BYTES_MAX)
    const rawLength = reader.varint(CHUNK_BYTES_MAX)
    if (codec !== CHUNK_PLAIN && codec !== CHUNK_ZSTD) throw corruptData('chunk of an unknown codec', { codec })
    if (codec === CHUNK_PLAIN && storedLength !== rawLength) throw corruptData('plain chunk of two lengths')
    chunks.push({ codec, start, storedLength, rawLength, checksum: reader.u32() })
    start += storedLength
  }
  const columns: ColumnLayout[] = []
  for (let left = reader.varint(COLUMNS_LIMIT); left > 0; left--)
    columns.push(readLayout(reader, chunks, PATH_BYTES_MAX * 2, view.getUint32(4, true) >= 2))
  reader.finish()
  const identity = { tenant, day, retentionClass, generation }
  return {
    identity,
    mergeLevel,
    rowCount,
    minMs,
    maxMs,
    firstSequence,
    lastSequence,
    firstRow,
    chunks,
    columns,
    byteLength,
  }
}
