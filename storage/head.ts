import { assert } from '../base/assert.ts'
import type { ColumnSource } from '../base/columns.ts'
import type { DayNumber, Position, TenantId } from '../base/ids.ts'
import { BLOCK_BYTES_MAX, BLOCK_ROWS_MAX, HEAD_AGE_MAX_MS } from '../base/limits.ts'
import type { BlockPart } from './block-codec.ts'
import { concatParts, rowsBeyond, selectRows } from './block-codec.ts'
import { RegionArrays } from './column-arrays.ts'
import { sourceBytes } from './section-rows.ts'

/** Small parts are joined this many at a time, so that a trickle of single records does not make thousands of them. */
const PARTS_PER_LEVEL = 16
/** Parts of so many rows stay as they came: joining them would cost more than it spares queries. */
const JOINED_ROWS_MIN = BLOCK_ROWS_MAX / 32
/** Of sequence, row and time of receipt of a row. */
const POSITION_BYTES = 24

/** Rows of a head as a query sees them: parts in order of arrival, each immutable. */
export interface HeadPart extends BlockPart {
  readonly minMs: number
  readonly maxMs: number
  readonly lastSequence: number
  /** What `source` consists of views of, where it is the part's own. */
  readonly memory: readonly Uint8Array[]
}

/** Takes memory that no head needs any more; queries may still be reading it. */
export type LetGo = (memory: readonly Uint8Array[]) => void

/**
 * The newest rows of one (shard, tenant, day), in memory, rebuilt from the journal after a crash. Rows are kept as the
 * sections they came in: appending copies nothing. A head that is frozen takes no more rows and waits to become blocks.
 */
export class Head {
  readonly tenant: TenantId
  readonly day: DayNumber
  readonly generation: number
  /** Monotonic. */
  readonly openedMs: number
  readonly #letGo: LetGo
  #parts: HeadPart[] = []
  #rowCount = 0
  #byteSize = 0
  #firstSequence = 0
  #lastSequence = 0

  /** Without `letGo` the memory of the rows is left to the garbage collector. */
  constructor(tenant: TenantId, day: DayNumber, generation: number, openedMs: number, letGo: LetGo = () => undefined) {
    this.tenant = tenant
    this.day = day
    this.generation = generation
    this.openedMs = openedMs
    this.#letGo = letGo
  }

  get rowCount(): number {
    return this.#rowCount
  }

  /** Approximate bytes of memory that the rows hold. */
  get byteSize(): number {
    return this.#byteSize
  }

  /** Lowest journal sequence among the rows. */
  get firstSequence(): number {
    assert(this.#rowCount > 0, 'an empty head has no sequence')
    return this.#firstSequence
  }

  get lastPosition(): Position {
    return { generation: this.generation, sequence: this.#lastSequence }
  }

  /** A copy: the caller may walk it while the head goes on. */
  parts(): readonly HeadPart[] {
    return this.#parts.slice()
  }

  /** The parts in runs of at most BLOCK_ROWS_MAX rows where parts are no larger, one run a block. */
  partsOfBlocks(): BlockPart[][] {
    const runs: BlockPart[][] = []
    let rows = Number.POSITIVE_INFINITY
    for (const part of this.#parts) {
      const count = part.source.rowCount
      if (rows + count > BLOCK_ROWS_MAX) {
        runs.push([])
        rows = 0
      }
      runs[runs.length - 1]!.push(part)
      rows += count
    }
    return runs
  }

  /** `memory` is what the rows of `part` are views of, if that is for the head to let go. */
  append(part: BlockPart, byteSize: number, memory?: Uint8Array): void {
    const rowCount = part.source.rowCount
    assert(rowCount > 0, 'a part of a head has rows')
    assert(part.sequence >= this.#lastSequence, 'parts come in the order of the journal')
    if (this.#rowCount === 0) this.#firstSequence = part.sequence
    this.#lastSequence = part.sequence
    this.#rowCount += rowCount
    this.#byteSize += byteSize
    const [minMs, maxMs] = timeBounds(part.source)
    this.#parts.push({
      ...part,
      minMs,
      maxMs,
      lastSequence: part.sequence,
      memory: memory === undefined ? [] : [memory],
    })
    this.#joinSmallParts()
  }

  /** The rows are in blocks now, and the head is at its end. */
  release(): void {
    this.#letGo(this.#parts.flatMap(({ memory }) => memory))
  }

  /**
   * Lets go of the rows of the frames up to `sequence`, which the published segments hold by now. Returns the bytes that this frees; none are left
   * when that is all of them. Parts that were handed out stay as they are.
   */
  dropThrough(sequence: number): number {
    const kept: HeadPart[] = []
    let rowCount = 0
    for (const part of this.#parts) {
      if (part.lastSequence <= sequence) continue
      const left = part.sequence > sequence ? part : partBeyond(part, sequence)
      kept.push(left)
      rowCount += left.source.rowCount
    }
    if (rowCount === this.#rowCount) return 0
    const byteSize = Math.ceil(this.#byteSize * (rowCount / this.#rowCount))
    const freed = this.#byteSize - byteSize
    this.#parts = kept
    this.#firstSequence = kept[0]?.sequence ?? 0
    this.#rowCount = rowCount
    this.#byteSize = byteSize
    return freed
  }

  /** True when `rowCount` further rows should rather begin a new head. */
  isFullFor(rowCount: number): boolean {
    return (
      this.#rowCount >= BLOCK_ROWS_MAX ||
      this.#byteSize >= BLOCK_BYTES_MAX ||
      (this.#rowCount >= BLOCK_ROWS_MAX / 2 && this.#rowCount + rowCount > BLOCK_ROWS_MAX)
    )
  }

  /** At monotonic time `nowMs`. */
  isOld(nowMs: number): boolean {
    return nowMs - this.openedMs >= HEAD_AGE_MAX_MS
  }

  /** Like a log-structured merge: the newest run of parts of about one size is joined when it is long enough. */
  #joinSmallParts(): void {
    for (;;) {
      const newest = this.#parts[this.#parts.length - 1]!
      const level = levelOf(newest.source.rowCount)
      let start = this.#parts.length
      while (start > 0 && levelOf(this.#parts[start - 1]!.source.rowCount) <= level) start--
      const run = this.#parts.slice(start)
      if (run.length < PARTS_PER_LEVEL || newest.source.rowCount >= JOINED_ROWS_MIN) return
      const arrays = new RegionArrays(run.reduce((bytes, { source }) => bytes + joinedBytes(source), 0))
      const joined = concatParts(run, arrays)
      this.#parts.length = start
      this.#parts.push({
        ...joined,
        minMs: Math.min(...run.map((part) => part.minMs)),
        maxMs: Math.max(...run.map((part) => part.maxMs)),
        lastSequence: newest.lastSequence,
        memory: arrays.memory,
      })
      this.#letGo(run.flatMap(({ memory }) => memory))
    }
  }
}

/** The rows of a joined part, which come in the order of the journal, that stand behind the frame `sequence`. */
function partBeyond(part: HeadPart, sequence: number): HeadPart {
  const { rows, first } = rowsBeyond(part.source, sequence)
  const source = selectRows(part.source, rows)
  const [minMs, maxMs] = timeBounds(source)
  return { ...part, source, sequence: first, minMs, maxMs }
}

/** What the rows of a part take in a joined one, about. */
function joinedBytes(source: ColumnSource): number {
  return sourceBytes(source) + source.rowCount * POSITION_BYTES + source.columnNames.length * 8
}

function levelOf(rowCount: number): number {
  return Math.floor(Math.log2(rowCount) / Math.log2(PARTS_PER_LEVEL))
}

function timeBounds(source: ColumnSource): [minMs: number, maxMs: number] {
  const times = source.timeMs
  let min = times[0]!
  let max = min
  for (let i = 1; i < source.rowCount; i++) {
    const t = times[i]!
    if (t < min) min = t
    if (t > max) max = t
  }
  return [min, max]
}
