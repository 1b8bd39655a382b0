import { assert, present } from '../base/assert.ts'
import { corruptData } from '../base/bytes.ts'
import { checksum } from '../base/checksum.ts'
import type { Column } from '../base/columns.ts'
import type { BlockReader } from './block.ts'
import type { BlockHeader } from './block-header.ts'
import { CHUNK_PLAIN, readBlockHeader } from './block-header.ts'
import type { Times } from './column-codecs.ts'
import { decodeColumn, decodeTimes } from './column-codecs.ts'
import type { ColumnLayout } from './column-layout.ts'
import { COLUMN_TIME } from './column-layout.ts'
import { inflate } from './zstd.ts'

/** Bytes of a block from `start` on. */
export interface BlockRange {
  readonly start: number
  readonly bytes: Uint8Array
}

/** Opens a whole block. Throws corrupt_data; columns do so when they are first asked for. */
export function openBlock(bytes: Uint8Array): BlockReader {
  const header = readBlockHeader(bytes)
  const last = header.chunks.at(-1)
  const length = last === undefined ? header.byteLength : last.start + last.storedLength
  if (bytes.length !== length)
    throw corruptData('block has another length than it says', { expected: length, found: bytes.length })
  return new RangedBlockReader(header, [{ start: 0, bytes }])
}

/**
 * Opens a block of which only `ranges` were read: those that `columnRanges` named for the columns that will be asked for.
 * Asking for another column is a programmer's error.
 */
export function openBlockFromRanges(header: BlockHeader, ranges: readonly BlockRange[]): BlockReader {
  return new RangedBlockReader(header, ranges)
}

/** Gaps smaller than this are read along: one read is cheaper than two. */
const GAP_BYTES_MAX = 16 * 1024

/** Half-open ranges of the block's bytes, ascending, that hold the rows' times and the named columns, as far as those exist. */
export function columnRanges(header: BlockHeader, names: readonly string[]): { start: number; end: number }[] {
  const wanted = new Set([COLUMN_TIME, ...names])
  const chunks = new Set<number>()
  for (const layout of header.columns)
    if (wanted.has(layout.name)) for (const piece of layout.pieces) chunks.add(piece.chunk)
  const ranges: { start: number; end: number }[] = []
  for (const index of [...chunks].sort((a, b) => a - b)) {
    const { start, storedLength } = present(header.chunks[index], 'chunk of a piece')
    const last = ranges.at(-1)
    if (last !== undefined && start - last.end <= GAP_BYTES_MAX) last.end = start + storedLength
    else ranges.push({ start, end: start + storedLength })
  }
  return ranges
}

class RangedBlockReader implements BlockReader {
  readonly rowCount: number
  readonly columnNames: readonly string[]
  readonly #header: BlockHeader
  readonly #ranges: readonly BlockRange[]
  readonly #layouts = new Map<string, ColumnLayout>()
  readonly #columns = new Map<string, Column>()
  readonly #chunks: (Uint8Array | undefined)[] = []
  #times: Times | undefined
  #bytesRead: number

  constructor(header: BlockHeader, ranges: readonly BlockRange[]) {
    this.#header = header
    this.#ranges = ranges
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
    return this.#readTimes().timeMs
  }

  get timeNs(): Uint32Array {
    return this.#readTimes().timeNs
  }

  column(name: string): Column | undefined {
    const known = this.#columns.get(name)
    if (known !== undefined) return known
    const layout = this.#layouts.get(name)
    if (layout === undefined || name === COLUMN_TIME) return undefined
    const column = decodeColumn(layout, this.#pieces(layout), this.rowCount)
    this.#columns.set(name, column)
    return column
  }

  #readTimes(): Times {
    if (this.#times === undefined) {
      const layout = present(this.#layouts.get(COLUMN_TIME), 'time of the rows')
      const times = decodeTimes(layout, this.#pieces(layout), this.rowCount)
      const { minMs, maxMs } = this.#header
      if (times.timeMs[0] !== minMs || times.timeMs[this.rowCount - 1] !== maxMs)
        throw corruptData('times of a block differ from its bounds')
      this.#times = times
    }
    return this.#times
  }

  #pieces(layout: ColumnLayout): Uint8Array[] {
    return layout.pieces.map(({ chunk, start, length }) => this.#chunk(chunk).subarray(start, start + length))
  }

  /** Chunks stay inflated: small columns share one, and those of a query tend to. */
  #chunk(index: number): Uint8Array {
    const known = this.#chunks[index]
    if (known !== undefined) return known
    const { codec, start, storedLength, rawLength, checksum: expected } = present(this.#header.chunks[index], 'chunk')
    const range = this.#ranges.find((r) => r.start <= start && start + storedLength <= r.start + r.bytes.length)
    assert(range !== undefined, 'the ranges of a column are read before it is asked for')
    const stored = range.bytes.subarray(start - range.start, start - range.start + storedLength)
    if (checksum(stored) !== expected) throw corruptData('chunk of a block fails its checksum', { chunk: index })
    const raw = codec === CHUNK_PLAIN ? stored : inflate(stored, rawLength)
    this.#bytesRead += storedLength
    this.#chunks[index] = raw
    return raw
  }
}
