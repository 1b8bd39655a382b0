import { present } from '../base/assert.ts'
import { nameText, utf8Text } from '../base/bytes.ts'
import type { CharMask } from '../base/char-mask.ts'
import { CHARS_ANY, CHARS_NONE, charMaskOfBytes } from '../base/char-mask.ts'
import { checksum } from '../base/checksum.ts'
import type { Column } from '../base/columns.ts'
import { FIELD_HOST, FIELD_LEVEL, FIELD_SERVICE, VALUE_ABSENT, VALUE_NUMBER } from '../base/columns.ts'
import { DIMENSION_BYTES_MAX } from '../base/limits.ts'
import { compressLater, compressNow, isLongToCompress } from '../base/zstd.ts'
import type { BlockSummary, EncodedBlock } from './block.ts'
import { COLUMN_RECEIVED, COLUMN_ROW, COLUMN_SEQUENCE } from './block.ts'
import type { BlockChunk, BlockIdentity } from './block-header.ts'
import { CHUNK_PLAIN, CHUNK_ZSTD, encodeBlockHeader } from './block-header.ts'
import type { EncodedColumn } from './column-codecs.ts'
import { encodeColumn, encodeTimes } from './column-codecs.ts'
import type { ColumnLayout, PieceRef } from './column-layout.ts'
import { COLUMN_TIME, charsOfEncoding } from './column-layout.ts'
import { TokenCollector } from './token-collector.ts'

/** Rows of the block in their final order; one entry a row in each array. */
export interface BlockRows {
  readonly timeMs: Float64Array
  readonly timeNs: Uint32Array
  readonly sequence: Float64Array
  readonly row: Float64Array
  readonly received: Float64Array
}

/** Pieces of at least this many bytes are a chunk of their own. */
const OWN_CHUNK_BYTES_MIN = 16 * 1024
/** Smaller ones share chunks of about this size: a call of zstd costs 20 µs however little it is given. */
const SHARED_CHUNK_BYTES = 48 * 1024
/** Compression must save this much to be worth inflating again. */
const GAIN_MIN = 0.95
/** Fewer bytes are stored as they are. */
const COMPRESS_BYTES_MIN = 64

const DIMENSIONS = [FIELD_LEVEL, FIELD_SERVICE, FIELD_HOST]

/** Collectors keep their tables between blocks; several blocks may be in the making while one waits for the thread pool. */
const idleCollectors: TokenCollector[] = []
const IDLE_COLLECTORS_MAX = 2

/** Stored as it will be, or being compressed in the thread pool. */
interface Chunk {
  readonly length: number
  readonly stored: Promise<Uint8Array> | Uint8Array
}

/** Pieces gathered for one chunk, which gets its place among the chunks when its first piece comes. */
interface SharedChunk {
  readonly index: number
  readonly bytes: Uint8Array
  length: number
}

/** Builds one block, column by column, and with it the bloom filter, the words and the summary. */
export class BlockWriter {
  readonly #identity: BlockIdentity
  readonly #mergeLevel: number
  readonly #rows: BlockRows
  readonly #zstdLevel: number
  readonly #tokens: TokenCollector
  readonly #chunks: (Chunk | undefined)[] = []
  readonly #layouts: ColumnLayout[] = []
  readonly #dimensions: Record<string, readonly string[]> = {}
  readonly #numbers: Record<string, readonly [min: number, max: number]> = {}
  #shared: SharedChunk | undefined

  constructor(identity: BlockIdentity, mergeLevel: number, rows: BlockRows, zstdLevel: number) {
    this.#identity = identity
    this.#mergeLevel = mergeLevel
    this.#rows = rows
    this.#zstdLevel = zstdLevel
    this.#tokens = idleCollectors.pop() ?? new TokenCollector()
    this.#tokens.reset()
    this.#addEncoded(COLUMN_TIME, encodeTimes(rows), CHARS_NONE)
  }

  get rowCount(): number {
    return this.#rows.timeMs.length
  }

  /** Notes what is to be found in a column, before `addColumn`; a step of its own, since both take milliseconds. */
  addTokens(column: Column): void {
    this.#tokens.addColumn(column, this.rowCount)
  }

  /** Adds a column of a sender's fields or of ours, in the order of the block's rows. Nothing of it is needed afterwards. */
  addColumn(column: Column): void {
    const { name } = column
    if (DIMENSIONS.includes(name) && column.kind === 'dictionary' && hasShortValues(column)) {
      this.#dimensions[name] = valuesOf(column)
    }
    const bounds = numberBounds(column, this.rowCount)
    if (bounds !== undefined) this.#numbers[name] = bounds
    const encoded = encodeColumn(column, this.rowCount)
    this.#addEncoded(name, encoded, charsOfEncoding(encoded.encoding) ?? charsOf(column, this.rowCount))
  }

  /** The block; no more columns may be added. */
  async finish(): Promise<EncodedBlock> {
    const { sequence, row, received } = this.#rows
    this.#closeShared()
    for (const [name, values] of [
      [COLUMN_SEQUENCE, sequence],
      [COLUMN_ROW, row],
      [COLUMN_RECEIVED, received],
    ] as const)
      this.#addEncoded(name, encodeColumn({ kind: 'integer', name, values }, this.rowCount), CHARS_NONE)
    const bloom = this.#tokens.bloom()
    const words = this.#tokens.words()
    const otherTokens = this.#tokens.shapes()
    for (const path of this.#tokens.overflowPaths) {
      // Some values of the field are not in its column, so what is known of the column says nothing.
      delete this.#numbers[path]
      delete this.#dimensions[path]
    }
    if (idleCollectors.length < IDLE_COLLECTORS_MAX) idleCollectors.push(this.#tokens)
    this.#closeShared()
    const chunks = this.#chunks.map((chunk) => present(chunk, 'every chunk is closed'))
    const stored: Uint8Array[] = []
    for (const chunk of chunks) stored.push(await chunk.stored)
    return this.#assemble(chunks, stored, bloom, words, otherTokens)
  }

  #assemble(
    rawChunks: readonly Chunk[],
    stored: readonly Uint8Array[],
    bloom: Uint8Array,
    words: string[] | null,
    otherTokens: Uint8Array,
  ): EncodedBlock {
    const { timeMs } = this.#rows
    const chunks = rawChunks.map((chunk, i): BlockChunk => {
      const bytes = stored[i]!
      const codec = bytes.length < chunk.length ? CHUNK_ZSTD : CHUNK_PLAIN
      return { codec, start: 0, storedLength: bytes.length, rawLength: chunk.length, checksum: checksum(bytes) }
    })
    const { firstSequence, lastSequence, firstRow } = positionBounds(this.#rows)
    const minMs = timeMs[0]!
    const maxMs = timeMs[this.rowCount - 1]!
    const header = encodeBlockHeader({
      identity: this.#identity,
      mergeLevel: this.#mergeLevel,
      rowCount: this.rowCount,
      minMs,
      maxMs,
      firstSequence,
      lastSequence,
      firstRow,
      chunks,
      columns: this.#layouts,
    })
    const bytes = concatBytes([header, ...stored])
    const { tenant, day, retentionClass, generation } = this.#identity
    const place = [generation, firstSequence, firstRow].map((n) => n.toString(36)).join('-')
    const summary: BlockSummary = {
      blockId: `${day.toString(36)}-${place}${this.#mergeLevel === 0 ? '' : `-${this.#mergeLevel.toString(36)}`}`,
      tenant,
      day,
      retentionClass,
      generation,
      firstSequence,
      lastSequence,
      rowCount: this.rowCount,
      minMs,
      maxMs,
      byteLength: bytes.length,
      dimensions: this.#dimensions,
      numbers: this.#numbers,
      otherTokens,
      columnNames: this.#layouts.map((layout) => layout.name).filter((name) => name !== COLUMN_TIME),
    }
    return { summary, bytes, bloom, words }
  }

  #addEncoded(name: string, { encoding, pieces }: EncodedColumn, chars: CharMask): void {
    this.#layouts.push({ name, encoding, pieces: pieces.map(({ bytes, random }) => this.#place(bytes, random)), chars })
  }

  #place(bytes: Uint8Array, random: boolean): PieceRef {
    const { length } = bytes
    if (random || length >= OWN_CHUNK_BYTES_MIN) {
      this.#chunks.push({ length, stored: random ? bytes : this.#stored(bytes) })
      return { chunk: this.#chunks.length - 1, start: 0, length }
    }
    if (this.#shared !== undefined && this.#shared.length + length > SHARED_CHUNK_BYTES) this.#closeShared()
    this.#shared ??= { index: this.#chunks.push(undefined) - 1, bytes: idleShared.pop() ?? newShared(), length: 0 }
    const start = this.#shared.length
    this.#shared.bytes.set(bytes, start)
    this.#shared.length += length
    return { chunk: this.#shared.index, start, length }
  }

  #closeShared(): void {
    if (this.#shared === undefined) return
    const { index, bytes, length } = this.#shared
    this.#chunks[index] = { length, stored: this.#stored(bytes.subarray(0, length)) }
    if (idleShared.length < IDLE_COLLECTORS_MAX) idleShared.push(bytes)
    this.#shared = undefined
  }

  /** The chunk of `bytes`, which the caller may use again at once. */
  #stored(bytes: Uint8Array): Promise<Uint8Array> | Uint8Array {
    if (bytes.length < COMPRESS_BYTES_MIN) return new Uint8Array(bytes)
    if (isLongToCompress(bytes, this.#zstdLevel)) return this.#compressLater(new Uint8Array(bytes))
    const compressed = compressNow(bytes, this.#zstdLevel)
    return isSmaller(compressed, bytes) ? compressed : new Uint8Array(bytes)
  }

  /** The promise may settle long before `finish` waits for it, so its failure is kept as a value until then. */
  #compressLater(bytes: Uint8Array): Promise<Uint8Array> {
    const compressed = compressLater(bytes, this.#zstdLevel).then((out) => (isSmaller(out, bytes) ? out : bytes))
    compressed.catch(() => undefined)
    return compressed
  }
}

/** Buffers of shared chunks between blocks. */
const idleShared: Uint8Array[] = []

function newShared(): Uint8Array {
  return new Uint8Array(SHARED_CHUNK_BYTES)
}

function isSmaller(compressed: Uint8Array, raw: Uint8Array): boolean {
  return compressed.length < raw.length * GAIN_MIN
}

function concatBytes(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    bytes.set(piece, at)
    at += piece.length
  }
  return bytes
}

function positionBounds({ sequence, row }: BlockRows): {
  firstSequence: number
  lastSequence: number
  firstRow: number
} {
  let firstSequence = Infinity
  let lastSequence = -Infinity
  let firstRow = Infinity
  for (let i = 0; i < sequence.length; i++) {
    const own = sequence[i]!
    if (own < firstSequence) {
      firstSequence = own
      firstRow = row[i]!
    } else if (own === firstSequence && row[i]! < firstRow) firstRow = row[i]!
    if (own > lastSequence) lastSequence = own
  }
  return { firstSequence, lastSequence, firstRow }
}

/** The characters of a column's values. */
function charsOf(column: Column, rowCount: number): CharMask {
  if (column.kind === 'integer') return CHARS_ANY
  const count = column.kind === 'dictionary' ? column.types.length : rowCount
  return charMaskOfBytes(column.bytes, column.offsets[0]!, column.offsets[count]!)
}

function hasShortValues(column: Column & { kind: 'dictionary' }): boolean {
  for (let i = 0; i < column.types.length; i++) {
    if (column.offsets[i + 1]! - column.offsets[i]! > DIMENSION_BYTES_MAX) return false
  }
  return true
}

function valuesOf(column: Column & { kind: 'dictionary' }): string[] {
  return Array.from(column.types, (_, i) => nameText(column.bytes, column.offsets[i]!, column.offsets[i + 1]!))
}

/** Bounds of a column whose every value is a finite number; undefined otherwise. */
function numberBounds(column: Column, rowCount: number): [min: number, max: number] | undefined {
  let min = Infinity
  let max = -Infinity
  const take = (value: number): boolean => {
    if (value < min) min = value
    if (value > max) max = value
    return Number.isFinite(value)
  }
  switch (column.kind) {
    case 'integer':
      for (let row = 0; row < rowCount; row++) {
        const value = column.values[row]!
        if (value < min) min = value
        if (value > max) max = value
      }
      break
    case 'dictionary':
      for (let i = 0; i < column.types.length; i++) {
        const numeric =
          column.types[i] === VALUE_NUMBER && take(numberOf(column.bytes, column.offsets[i]!, column.offsets[i + 1]!))
        if (!numeric) return undefined
      }
      break
    case 'bytes':
      for (let row = 0; row < rowCount; row++) {
        if (column.types[row] === VALUE_ABSENT) continue
        const numeric =
          column.types[row] === VALUE_NUMBER &&
          take(numberOf(column.bytes, column.offsets[row]!, column.offsets[row + 1]!))
        if (!numeric) return undefined
      }
      break
  }
  return min <= max ? [min, max] : undefined
}

function numberOf(bytes: Uint8Array, start: number, end: number): number {
  return Number(utf8Text(bytes, start, end))
}
