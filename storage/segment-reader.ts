import { assert, present } from '../base/assert.ts'
import { corruptData } from '../base/bytes.ts'
import { checksum } from '../base/checksum.ts'
import { inflate } from '../base/zstd.ts'
import type { BlockReader } from './block.ts'
import { COLUMN_RECEIVED, COLUMN_ROW, COLUMN_SEQUENCE } from './block.ts'
import { BlockCache } from './block-cache.ts'
import type { BlockHeader } from './block-header.ts'
import { readBlockHeader } from './block-header.ts'
import type { BlockIndex } from './block-index.ts'
import { columnRanges, LoadedBlock, openBlock, openBlockFromRanges } from './block-reader.ts'
import type { ObjectStore } from './object-store/object-store.ts'
import type { ColumnChoice } from './search-unit.ts'
import { columnsToLoad } from './search-unit.ts'
import type { SegmentMeta } from './segment.ts'
import { ChunkedRegion } from './segment-chunks.ts'
import { decodeDirectory, type SegmentBlock, type SegmentDirectory } from './segment-directory.ts'
import { decodeFooter, FOOTER_BYTES, type SegmentFooter, TAIL_BYTES } from './segment-footer.ts'
import { SegmentIndex } from './segment-index.ts'

/** Memory of open segments of one worker; about 200 segments of 256 blocks. */
const CACHE_BYTES_MAX_DEFAULT = 64 * 1024 * 1024
const BLOCKS_BYTES_MAX_DEFAULT = 64 * 1024 * 1024
/** What a block and a run of terms weigh in memory, about. */
const BLOCK_MEMORY_BYTES = 900
const RUN_MEMORY_BYTES = 150

/** Reads a segment. Blocks are numbered as in `index.summaries`. All errors of content are corrupt_data. */
export class SegmentReader {
  readonly meta: SegmentMeta
  readonly index: BlockIndex
  readonly directory: SegmentDirectory
  /** Checked regions, for a merge that takes filters along. */
  readonly blooms: ChunkedRegion
  readonly terms: ChunkedRegion
  readonly #store: ObjectStore

  constructor(store: ObjectStore, meta: SegmentMeta, footer: SegmentFooter, directory: SegmentDirectory) {
    this.meta = meta
    this.directory = directory
    this.#store = store
    this.blooms = new ChunkedRegion(store, meta.key, footer.bloomsOffset, footer.bloomsDataLength)
    this.terms = new ChunkedRegion(store, meta.key, footer.termsOffset, footer.termsDataLength)
    this.index = new SegmentIndex(directory, this.blooms, this.terms)
  }

  /** Approximate bytes of memory that it holds. */
  get memoryBytes(): number {
    const shapes = this.directory.blocks.reduce((bytes, { summary }) => bytes + (summary.otherTokens?.length ?? 0), 0)
    return (
      this.directory.blocks.length * BLOCK_MEMORY_BYTES + this.directory.termRuns.length * RUN_MEMORY_BYTES + shapes
    )
  }

  /**
   * The block with the named columns, the times of its rows and the three columns of their positions; null: with all columns. One read for
   * the header, one for each run of columns that lie together.
   */
  async openBlock(number: number, columnNames: readonly string[] | null): Promise<BlockReader> {
    if (columnNames === null) return openBlock(await this.blockBytes(number))
    const block = this.#block(number)
    const header = readBlockHeader(await this.#read(block, 0, block.headerLength))
    const names = [...columnNames, COLUMN_SEQUENCE, COLUMN_ROW, COLUMN_RECEIVED]
    const ranges = columnRanges(header, names).map(async ({ start, end }) => ({
      start,
      bytes: await this.#read(block, start, end),
    }))
    return openBlockFromRanges(header, await Promise.all(ranges))
  }

  /** The block with the columns chosen, the times of its rows and their positions; reads what `cache` does not have of them. */
  async loadBlock(
    number: number,
    columns: ColumnChoice,
    cache: BlockCache,
  ): Promise<{ readonly block: LoadedBlock; readonly bytesRead: number }> {
    const place = this.#block(number)
    const key = `${this.meta.key}#${number}`
    let header: BlockHeader | undefined
    if (!cache.has(key)) header = readBlockHeader(await this.#read(place, 0, place.headerLength))
    const block = cache.get(key, (onGrow) => new LoadedBlock(present(header, 'header of a new block'), onGrow))
    const missing = block.missing(columnsToLoad(block, columns))
    if (missing.length === 0) return { block, bytesRead: 0 }
    const ranges = await Promise.all(
      missing.map(async ({ start, end }) => ({ start, bytes: await this.#read(place, start, end) })),
    )
    block.load(ranges)
    return { block, bytesRead: ranges.reduce((sum, range) => sum + range.bytes.length, 0) }
  }

  /** The whole block as it was encoded. */
  async blockBytes(number: number): Promise<Uint8Array> {
    const block = this.#block(number)
    return this.#read(block, 0, block.summary.byteLength)
  }

  #block(number: number): SegmentBlock {
    return present(this.directory.blocks[number], `block ${number} of a segment`)
  }

  async #read(block: SegmentBlock, start: number, end: number): Promise<Uint8Array> {
    const { key } = this.meta
    if (end < start || end > block.summary.byteLength) throw corruptData('a column lies outside its block', { key })
    const bytes = await this.#store.get(key, { offset: block.offset + start, length: end - start })
    if (bytes.length !== end - start) throw corruptData('an object ends early', { key })
    return bytes
  }
}

/** Opens a segment by one read of its tail (two where the directory is large). Throws not_found, corrupt_data. */
export async function readSegment(store: ObjectStore, meta: SegmentMeta): Promise<SegmentReader> {
  const { key } = meta
  const tail = await store.get(key, { offset: -TAIL_BYTES })
  const footer = decodeFooter(tail, key)
  const tailOffset = footer.byteLength - tail.length
  if (footer.byteLength !== meta.byteLength || tailOffset < 0) {
    throw corruptData('a segment has another length than the manifest says', { key })
  }
  const { directoryOffset, directoryLength, directoryInflatedLength } = footer
  const stored =
    directoryOffset >= tailOffset
      ? tail.subarray(directoryOffset - tailOffset, tail.length - FOOTER_BYTES)
      : await store.get(key, { offset: directoryOffset, length: directoryLength })
  if (stored.length !== directoryLength || checksum(stored) !== footer.directoryChecksum) {
    throw corruptData('the directory of a segment fails its checksum', { key })
  }
  const directory = decodeDirectory(inflate(stored, directoryInflatedLength))
  checkAgainstMeta(directory, footer, meta)
  return new SegmentReader(store, meta, footer, directory)
}

/** Opens a segment through the cache of its worker. */
export function openSegment(store: ObjectStore, meta: SegmentMeta, cache: SegmentCache): Promise<SegmentReader> {
  assert(cache.store === store, 'a cache is of one object store')
  return cache.open(meta)
}

/** Open segments of one worker: an LRU bounded by bytes. A reader that fell out goes on working for whoever holds it. */
export class SegmentCache {
  readonly store: ObjectStore
  /** Blocks of the worker's queries, those of its own disk too. */
  readonly blocks: BlockCache
  readonly #bytesMax: number
  /** In order of last use, oldest first. */
  readonly #open = new Map<string, SegmentReader>()
  readonly #opening = new Map<string, Promise<SegmentReader>>()
  #bytes = 0

  constructor(
    store: ObjectStore,
    bytesMax = CACHE_BYTES_MAX_DEFAULT,
    blocks = new BlockCache(BLOCKS_BYTES_MAX_DEFAULT),
  ) {
    this.store = store
    this.blocks = blocks
    this.#bytesMax = bytesMax
  }

  /** Approximate bytes of memory of the open segments. */
  get memoryBytes(): number {
    return this.#bytes
  }

  get size(): number {
    return this.#open.size
  }

  /** Throws not_found, corrupt_data, storage_unavailable; a failed open is not remembered. */
  async open(meta: SegmentMeta): Promise<SegmentReader> {
    const known = this.#open.get(meta.key)
    if (known !== undefined) {
      this.#open.delete(meta.key)
      this.#open.set(meta.key, known)
      return known
    }
    let opening = this.#opening.get(meta.key)
    if (opening === undefined) {
      opening = this.#read(meta).finally(() => this.#opening.delete(meta.key))
      this.#opening.set(meta.key, opening)
    }
    return opening
  }

  /** Lets go of a segment that was deleted. */
  forget(key: string): void {
    const known = this.#open.get(key)
    if (known === undefined) return
    this.#open.delete(key)
    this.#bytes -= known.memoryBytes
  }

  async #read(meta: SegmentMeta): Promise<SegmentReader> {
    const reader = await readSegment(this.store, meta)
    this.#open.set(meta.key, reader)
    this.#bytes += reader.memoryBytes
    for (const oldest of this.#open.keys()) {
      if (this.#bytes <= this.#bytesMax || oldest === meta.key) break
      this.forget(oldest)
    }
    return reader
  }
}

function checkAgainstMeta(directory: SegmentDirectory, footer: SegmentFooter, meta: SegmentMeta): void {
  const { key } = meta
  const last = directory.blocks.at(-1)
  const rowCount = directory.blocks.reduce((rows, { summary }) => rows + summary.rowCount, 0)
  const agrees =
    last !== undefined &&
    last.offset + last.summary.byteLength === footer.bloomsOffset &&
    directory.blocks.length === meta.blockCount &&
    rowCount === meta.rowCount &&
    directory.day === meta.day &&
    directory.generation === meta.generation &&
    directory.retentionClass === meta.retentionClass
  if (!agrees) throw corruptData('a segment holds something else than the manifest says', { key })
}
