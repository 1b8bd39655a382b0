import { assert, present } from '../base/assert.ts'
import type { Bitmap } from '../base/bitmap.ts'
import { corruptData } from '../base/bytes.ts'
import type { CharMask } from '../base/char-mask.ts'
import { mayHoldChars } from '../base/char-mask.ts'
import { checksum } from '../base/checksum.ts'
import type { Column } from '../base/columns.ts'
import { inflate } from '../base/zstd.ts'
import type { BlockReader } from './block.ts'
import type { BlockHeader } from './block-header.ts'
import { CHUNK_PLAIN, readBlockHeader } from './block-header.ts'
import { decodeColumn, decodeTimeMs, decodeTimeNs } from './column-codecs.ts'
import type { ColumnLayout } from './column-layout.ts'
import { COLUMN_TIME } from './column-layout.ts'

/** Bytes of a block from `start` on. */
export interface BlockRange {
  readonly start: number
  readonly bytes: Uint8Array
}

/** Half-open range of a block's bytes. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** Opens a whole block. Throws corrupt_data; columns do so when they are first asked for. */
export function openBlock(bytes: Uint8Array): BlockReader {
  const header = readBlockHeader(bytes)
  const last = header.chunks.at(-1)
  const length = last === undefined ? header.byteLength : last.start + last.storedLength
  if (bytes.length !== length)
    throw corruptData('block has another length than it says', { expected: length, found: bytes.length })
  return openBlockFromRanges(header, [{ start: 0, bytes }])
}

/**
 * Opens a block of which only `ranges` were read: those that `columnRanges` named for the columns that will be asked for.
 * Asking for another column is a programmer's error.
 */
export function openBlockFromRanges(header: BlockHeader, ranges: readonly BlockRange[]): BlockReader {
  const block = new LoadedBlock(header)
  block.load(ranges)
  return block
}

/** Gaps smaller than this are read along: one read is cheaper than two. */
const GAP_BYTES_MAX = 16 * 1024

/** Half-open ranges of the block's bytes, ascending, that hold the rows' times and the named columns, as far as those exist. */
export function columnRanges(header: BlockHeader, names: readonly string[]): ByteRange[] {
  return new LoadedBlock(header).missing(names)
}

/** Filters of which a block remembers what they matched: those of the few searches that someone pages through or refreshes. */
const FILTERS_KEPT_MAX = 16

/** What a chunk is known by: nothing yet, its bytes as stored, or inflated. */
interface Chunk {
  stored: Uint8Array | undefined
  raw: Uint8Array | undefined
}

/** Called with the change of the memory that a block holds. */
export type OnGrow = (bytes: number) => void

/**
 * A block as far as it was read: any of its chunks may be loaded later, columns are decoded when first asked for and kept. Many queries
 * may look at one at a time (storage/block-cache.ts).
 */
export class LoadedBlock implements BlockReader {
  readonly rowCount: number
  readonly columnNames: readonly string[]
  readonly isOrderedByTime = true
  readonly #header: BlockHeader
  readonly #onGrow: OnGrow | undefined
  readonly #layouts = new Map<string, ColumnLayout>()
  readonly #columns = new Map<string, Column>()
  readonly #chunks: (Chunk | undefined)[] = []
  /** Longest unused first. */
  readonly #matches = new Map<string, Bitmap>()
  #timeMs: Float64Array | undefined
  #timeNs: Uint32Array | undefined
  #bytesRead: number

  constructor(header: BlockHeader, onGrow?: OnGrow) {
    this.#header = header
    this.#onGrow = onGrow
    this.#bytesRead = header.byteLength
    this.rowCount = header.rowCount
    for (const layout of header.columns) {
      if (this.#layouts.has(layout.name)) throw corruptData('block names a column twice')
      this.#layouts.set(layout.name, layout)
    }
    if (!this.#layouts.has(COLUMN_TIME)) throw corruptData('block without times')
    this.columnNames = [...this.#layouts.keys()].filter((name) => name !== COLUMN_TIME)
  }

  get bytesRead(): number {
    return this.#bytesRead
  }

  get timeMs(): Float64Array {
    if (this.#timeMs === undefined) {
      const layout = present(this.#layouts.get(COLUMN_TIME), 'time of the rows')
      const times = decodeTimeMs(layout, this.#pieces(layout), this.rowCount)
      const { minMs, maxMs } = this.#header
      if (times[0] !== minMs || times[this.rowCount - 1] !== maxMs)
        throw corruptData('times of a block differ from its bounds')
      this.#timeMs = times
      this.#onGrow?.(times.byteLength)
    }
    return this.#timeMs
  }

  get timeNs(): Uint32Array {
    if (this.#timeNs === undefined) {
      const layout = present(this.#layouts.get(COLUMN_TIME), 'time of the rows')
      this.#timeNs = decodeTimeNs(layout, this.#pieces(layout), this.rowCount)
      this.#onGrow?.(this.#timeNs.byteLength)
    }
    return this.#timeNs
  }

  column(name: string): Column | undefined {
    const known = this.#columns.get(name)
    if (known !== undefined) return known
    const layout = this.#layouts.get(name)
    if (layout === undefined || name === COLUMN_TIME) return undefined
    const column = decodeColumn(layout, this.#pieces(layout), this.rowCount)
    this.#columns.set(name, column)
    this.#onGrow?.(decodedBytes(column, layout))
    return column
  }

  mayHold(name: string, chars: CharMask): boolean {
    const layout = this.#layouts.get(name)
    return layout !== undefined && mayHoldChars(layout.chars, chars)
  }

  /** What `keepMatches` was last told of this filter. The bitmap must stay as it is. */
  matchesOf(filterKey: string): Bitmap | undefined {
    const matches = this.#matches.get(filterKey)
    if (matches === undefined) return undefined
    this.#matches.delete(filterKey)
    this.#matches.set(filterKey, matches)
    return matches
  }

  /** Remembers which rows a filter matched (Q3: a block never changes). The bitmap must stay as it is. */
  keepMatches(filterKey: string, matches: Bitmap): void {
    if (this.#onGrow === undefined || this.#matches.has(filterKey)) return
    this.#matches.set(filterKey, matches)
    if (this.#matches.size <= FILTERS_KEPT_MAX) this.#onGrow(matches.words.byteLength + filterKey.length)
    else for (const oldest of this.#matches.keys()) if (this.#matches.delete(oldest)) break
  }

  /** Ranges that must be loaded before the times and the named columns can be asked for; none when they are here. */
  missing(names: readonly string[]): ByteRange[] {
    const chunks: number[] = []
    this.#addMissing(COLUMN_TIME, chunks)
    for (const name of names) this.#addMissing(name, chunks)
    if (chunks.length === 0) return []
    const ranges: { start: number; end: number }[] = []
    let before = -1
    for (const index of chunks.sort((a, b) => a - b)) {
      if (index === before) continue
      before = index
      const { start, storedLength } = present(this.#header.chunks[index], 'chunk of a piece')
      const last = ranges.at(-1)
      if (last !== undefined && start - last.end <= GAP_BYTES_MAX) last.end = start + storedLength
      else ranges.push({ start, end: start + storedLength })
    }
    return ranges
  }

  /** Takes bytes of the block; they must stay as they are. Chunks that are here already are left alone. */
  load(ranges: readonly BlockRange[]): void {
    let grown = 0
    for (const { start: from, bytes } of ranges) {
      const to = from + bytes.length
      for (const [index, { start, storedLength }] of this.#header.chunks.entries()) {
        if (start < from || start + storedLength > to || this.#chunks[index] !== undefined) continue
        this.#chunks[index] = { stored: bytes.subarray(start - from, start - from + storedLength), raw: undefined }
        grown += storedLength
      }
    }
    this.#bytesRead += grown
    this.#onGrow?.(grown)
  }

  #addMissing(name: string, chunks: number[]): void {
    const layout = this.#layouts.get(name)
    if (layout === undefined || this.#columns.has(name)) return
    for (const { chunk } of layout.pieces) if (this.#chunks[chunk] === undefined) chunks.push(chunk)
  }

  #pieces(layout: ColumnLayout): Uint8Array[] {
    return layout.pieces.map(({ chunk, start, length }) => this.#raw(chunk).subarray(start, start + length))
  }

  /** Chunks stay inflated: small columns share one, and those of a query tend to. */
  #raw(index: number): Uint8Array {
    const chunk = this.#chunks[index]
    assert(chunk !== undefined, 'the ranges of a column are read before it is asked for')
    if (chunk.raw !== undefined) return chunk.raw
    const { codec, rawLength, checksum: expected } = present(this.#header.chunks[index], 'chunk')
    const stored = present(chunk.stored, 'bytes of a chunk')
    if (checksum(stored) !== expected) throw corruptData('chunk of a block fails its checksum', { chunk: index })
    if (codec === CHUNK_PLAIN) {
      // Loops over columns shall see one kind of array, not Buffers.
      chunk.raw = new Uint8Array(stored.buffer, stored.byteOffset, stored.length)
    } else {
      chunk.raw = inflate(stored, rawLength)
      this.#onGrow?.(rawLength - stored.length)
    }
    chunk.stored = undefined
    return chunk.raw
  }
}

/** Memory that a column has beyond the chunks that its arrays are views of. */
function decodedBytes(column: Column, { encoding }: ColumnLayout): number {
  switch (column.kind) {
    case 'dictionary':
      return 0
    case 'integer':
      return column.values.byteLength
    case 'bytes': {
      const unpacked = encoding.kind === 'bytes' && encoding.template !== null ? column.bytes.length : 0
      return column.offsets.byteLength + unpacked
    }
  }
}
