import { assert, present } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import type { Column, ColumnSource, IntegerColumn } from '../base/columns.ts'
import { COLUMN_OVERFLOW, FIELD_HOST, FIELD_LEVEL, FIELD_SERVICE } from '../base/columns.ts'
import { BLOCK_BYTES_MAX, BLOCK_COLUMNS_MAX, BLOCK_ROWS_MAX } from '../base/limits.ts'
import type { BlockReader, EncodedBlock } from './block.ts'
import { COLUMN_RECEIVED, COLUMN_ROW, COLUMN_SEQUENCE } from './block.ts'
import type { BlockIdentity } from './block-header.ts'
import { BlockWriter } from './block-writer.ts'
import type { ColumnArrays } from './column-arrays.ts'
import { freshArrays, ReusedArrays } from './column-arrays.ts'
import { compacted, concatColumns, takeRows } from './column-gather.ts'
import { overflowColumn } from './overflow-column.ts'
import type { RowKeys } from './row-order.ts'
import { rowOrder } from './row-order.ts'
import { TableSource } from './table-source.ts'

/**
 * Rows that go into a block, all rows of `source`. Where `source` has the columns COLUMN_SEQUENCE, COLUMN_ROW and COLUMN_RECEIVED
 * (joined parts, blocks), these say where each row came from; else the other members do.
 */
export interface BlockPart {
  readonly source: ColumnSource
  /** Null: row i of `source` stands at row `rowBase + i` of its frame; else at `rowBase + rows[i]`. */
  readonly rows: Uint32Array | null
  readonly sequence: number
  readonly rowBase: number
  readonly receivedMs: number
}

export interface EncodeOptions {
  readonly zstdLevel: number
  readonly clock: Clock
}

/** T2: after this long other work of the thread has its turn. A request that comes meanwhile needs four or five turns until its receipt. */
const SLICE_TARGET_MS = 1

/**
 * Makes one block of all rows of `parts`, which come in order of arrival; rows are ordered by time, ties by arrival. Sources must stay as they
 * are until it resolves. About 0.7 µs a record of 350 bytes, bloom filter and words included (bench/micro/codec.ts).
 */
export async function encodeBlock(
  parts: readonly BlockPart[],
  identity: BlockIdentity,
  options: EncodeOptions,
): Promise<EncodedBlock> {
  const blocks = await encodeBlocks(parts, identity, options, 0, (keys) => [rowOrder(keys)])
  return present(blocks[0], 'the block')
}

/** Makes a block of the listed rows of another, ascending. Each keeps its position and its time of receipt. Throws corrupt_data. */
export async function encodeSelected(
  reader: BlockReader,
  rows: Uint32Array,
  identity: BlockIdentity,
  options: EncodeOptions,
): Promise<EncodedBlock> {
  assert(rows.length > 0, 'a block has rows')
  const blocks = await encodeBlocks([partOfBlock(reader)], identity, options, 0, () => [rows])
  return present(blocks[0], 'the block')
}

export interface MergeOptions extends EncodeOptions {
  /** One more than the highest merge level among the inputs (BlockHeader.mergeLevel); part of the new blocks' ids. */
  readonly mergeLevel: number
  readonly rowsMax?: number
}

/**
 * Makes few full blocks, ordered by time and not overlapping but at their ends, of the rows of several blocks of one (tenant, day). Each row
 * keeps its position and its time of receipt. Takes memory for the decoded rows of all inputs.
 */
export async function mergeBlocks(
  readers: readonly BlockReader[],
  identity: BlockIdentity,
  options: MergeOptions,
): Promise<EncodedBlock[]> {
  assert(options.mergeLevel > 0, 'merged blocks have ids of their own')
  const parts = readers.map(partOfBlock)
  const turns = new Turns(options.clock)
  let valueBytes = 0
  for (const { source } of parts) {
    for (const name of source.columnNames) {
      const column = source.column(name)
      if (column?.kind === 'bytes') valueBytes += column.bytes.length
      await turns.pass()
    }
  }
  const rowsByBytes = Math.floor((countRows(parts) * MERGED_BLOCK_BYTES_MAX) / Math.max(1, valueBytes))
  const rowsMax = Math.max(1, Math.min(options.rowsMax ?? BLOCK_ROWS_MAX, rowsByBytes))
  return encodeBlocks(parts, identity, options, options.mergeLevel, (keys) => slicesOf(keys, rowsMax))
}

/** Blocks of long records hold fewer of them, so that opening a block stays cheap. */
const MERGED_BLOCK_BYTES_MAX = 4 * BLOCK_BYTES_MAX

function partOfBlock(source: BlockReader): BlockPart {
  assert(source.columnNames.includes(COLUMN_SEQUENCE), 'rows of a block have positions')
  return { source, rows: null, sequence: 0, rowBase: 0, receivedMs: 0 }
}

/** The rows of a block or of joined parts that stand behind the frame `sequence` in the journal, ascending, and the first frame of theirs. */
export function rowsBeyond(
  source: ColumnSource,
  sequence: number,
): { readonly rows: Uint32Array; readonly first: number } {
  const sequences = integersOf(source.column(COLUMN_SEQUENCE))
  const rows: number[] = []
  let first = Number.POSITIVE_INFINITY
  for (let row = 0; row < source.rowCount; row++) {
    const own = sequences[row]!
    if (own <= sequence) continue
    rows.push(row)
    first = Math.min(first, own)
  }
  return { rows: Uint32Array.from(rows), first }
}

/** The listed rows of `source`, ascending, as a source of their own. */
export function selectRows(source: ColumnSource, rows: Uint32Array): ColumnSource {
  const columns = new Map<string, Column>()
  for (const name of source.columnNames) {
    const column = source.column(name)
    if (column === undefined) continue
    const taken = takeRows(column, rows)
    if (hasValues(taken, rows.length)) columns.set(name, taken)
  }
  const timeMs = Float64Array.from(rows, (row) => source.timeMs[row]!)
  const timeNs = Uint32Array.from(rows, (row) => source.timeNs[row]!)
  return new TableSource(timeMs, timeNs, columns)
}

/** One part of the rows of several, at least two, in the same order, with a column for each row's position and receipt. */
export function concatParts(parts: readonly BlockPart[], arrays: ColumnArrays = freshArrays): BlockPart {
  const first = present(parts[0], 'first part')
  const rowCount = countRows(parts)
  const { timeMs, timeNs, sequence, row, received } = concatPositions(parts, newPositions(rowCount, arrays))
  const columns = new Map<string, Column>()
  for (const name of namesOf(parts)) columns.set(name, concatNamed(parts, name, rowCount, arrays))
  columns.set(COLUMN_SEQUENCE, integers(COLUMN_SEQUENCE, sequence))
  columns.set(COLUMN_ROW, integers(COLUMN_ROW, row))
  columns.set(COLUMN_RECEIVED, integers(COLUMN_RECEIVED, received))
  return { ...first, source: new TableSource(timeMs, timeNs, columns), rows: null }
}

// --- encoding -------------------------------------------------------------------------------------------------

/** Rows of one resulting block: null for all, in the order they come in. */
interface Slice {
  readonly rows: Uint32Array | null
  readonly writer: BlockWriter
}

/** What an encoding works in, its own as long as it lasts: one set for what the parts hold, one for rows taken in another order. */
interface Workspace {
  readonly joined: ColumnArrays
  readonly taken: ColumnArrays
  readonly positions: RowPositions
  readonly takenPositions: RowPositions
}

const idleWorkspaces: Workspace[] = []
const IDLE_WORKSPACES_MAX = 2

function newWorkspace(): Workspace {
  return {
    joined: new ReusedArrays(),
    taken: new ReusedArrays(),
    positions: newPositions(BLOCK_ROWS_MAX),
    takenPositions: newPositions(BLOCK_ROWS_MAX),
  }
}

/**
 * Column by column, and within a column block by block, so that a column is decoded and joined once. `slicing` says which rows become each
 * block, in their final order.
 */
async function encodeBlocks(
  parts: readonly BlockPart[],
  identity: BlockIdentity,
  options: EncodeOptions,
  mergeLevel: number,
  slicing: (keys: RowKeys) => (Uint32Array | null)[],
): Promise<EncodedBlock[]> {
  const rowCount = countRows(parts)
  assert(rowCount > 0, 'a block has rows')
  const turns = new Turns(options.clock)
  const workspace = idleWorkspaces.pop() ?? newWorkspace()
  const positions = concatPositions(parts, positionsIn(workspace.positions, rowCount))
  const rowsOfSlices = slicing(positions)
  const slices = rowsOfSlices.map((rows): Slice => {
    if (rows === null) return { rows, writer: new BlockWriter(identity, mergeLevel, positions, options.zstdLevel) }
    const isOnly = rowsOfSlices.length === 1
    const room = isOnly ? positionsIn(workspace.takenPositions, rows.length) : newPositions(rows.length)
    const taken = takePositions(positions, rows, room)
    return { rows, writer: new BlockWriter(identity, mergeLevel, taken, options.zstdLevel) }
  })
  const { kept, overflowing } = splitNames(namesOf(parts))
  for (const name of kept) {
    const column =
      name === COLUMN_OVERFLOW && overflowing.length > 0
        ? overflowColumn(sourcesOf(parts), overflowing)
        : concatNamed(parts, name, rowCount, workspace.joined)
    await addToSlices(slices, column, rowCount, turns, workspace.taken)
  }
  const blocks: EncodedBlock[] = []
  for (const { writer } of slices) {
    await turns.pass()
    blocks.push(await writer.finish())
  }
  if (idleWorkspaces.length < IDLE_WORKSPACES_MAX) idleWorkspaces.push(workspace)
  return blocks
}

async function addToSlices(
  slices: readonly Slice[],
  column: Column,
  rowCount: number,
  turns: Turns,
  arrays: ColumnArrays,
): Promise<void> {
  for (const { rows, writer } of slices) {
    const taken = rows === null ? column : takeRows(column, rows, arrays)
    const count = rows === null ? rowCount : rows.length
    if (count < rowCount && !hasValues(taken, count)) continue
    const compact = compacted(taken, count, arrays)
    await turns.pass()
    writer.addTokens(compact)
    await turns.pass()
    writer.addColumn(compact)
    await turns.pass()
  }
}

/** Rows of each block. One block in the rows' own order is null. */
function slicesOf(keys: RowKeys, rowsMax: number): (Uint32Array | null)[] {
  const rowCount = keys.timeMs.length
  const order = rowOrder(keys)
  if (rowCount <= rowsMax) return [order]
  const all = order ?? Uint32Array.from({ length: rowCount }, (_, i) => i)
  const sliceCount = Math.ceil(rowCount / rowsMax)
  const perSlice = Math.ceil(rowCount / sliceCount)
  return Array.from({ length: sliceCount }, (_, i) => all.subarray(i * perSlice, (i + 1) * perSlice))
}

interface RowPositions extends RowKeys {
  readonly received: Float64Array
}

function newPositions(rowCount: number, arrays: ColumnArrays = freshArrays): RowPositions {
  return {
    timeMs: arrays.values(rowCount),
    timeNs: arrays.offsets(rowCount),
    sequence: arrays.values(rowCount),
    row: arrays.values(rowCount),
    received: arrays.values(rowCount),
  }
}

/** Room for `rowCount` rows in `kept`, or of its own when that is too small. */
function positionsIn(kept: RowPositions, rowCount: number): RowPositions {
  if (rowCount > kept.timeMs.length) return newPositions(rowCount)
  return {
    timeMs: kept.timeMs.subarray(0, rowCount),
    timeNs: kept.timeNs.subarray(0, rowCount),
    sequence: kept.sequence.subarray(0, rowCount),
    row: kept.row.subarray(0, rowCount),
    received: kept.received.subarray(0, rowCount),
  }
}

/** Writes to `positions`, which it returns. */
function concatPositions(parts: readonly BlockPart[], positions: RowPositions): RowPositions {
  const { timeMs, timeNs, sequence, row, received } = positions
  let from = 0
  for (const part of parts) {
    const { source, rows, rowBase } = part
    const count = source.rowCount
    timeMs.set(source.timeMs.subarray(0, count), from)
    timeNs.set(source.timeNs.subarray(0, count), from)
    const known = source.column(COLUMN_SEQUENCE)
    if (known !== undefined) {
      sequence.set(integersOf(known).subarray(0, count), from)
      row.set(integersOf(source.column(COLUMN_ROW)).subarray(0, count), from)
      received.set(integersOf(source.column(COLUMN_RECEIVED)).subarray(0, count), from)
    } else {
      assert(rows === null || rows.length === count, 'every row of a part has its number')
      sequence.fill(part.sequence, from, from + count)
      received.fill(part.receivedMs, from, from + count)
      for (let i = 0; i < count; i++) row[from + i] = rowBase + (rows === null ? i : rows[i]!)
    }
    from += count
  }
  return positions
}

function takePositions(all: RowPositions, rows: Uint32Array, taken: RowPositions): RowPositions {
  const take = (from: Float64Array, to: Float64Array) => {
    for (let i = 0; i < rows.length; i++) to[i] = from[rows[i]!]!
  }
  for (let i = 0; i < rows.length; i++) taken.timeNs[i] = all.timeNs[rows[i]!]!
  take(all.timeMs, taken.timeMs)
  take(all.sequence, taken.sequence)
  take(all.row, taken.row)
  take(all.received, taken.received)
  return taken
}

function integersOf(column: Column | undefined): Float64Array {
  assert(column?.kind === 'integer', 'positions are integers')
  return column.values
}

function integers(name: string, values: Float64Array): IntegerColumn {
  return { kind: 'integer', name, values }
}

function concatNamed(parts: readonly BlockPart[], name: string, rowCount: number, arrays?: ColumnArrays): Column {
  const shares = parts.map(({ source }) => ({ column: source.column(name), rowCount: source.rowCount }))
  const only = shares[0]
  if (shares.length === 1 && only?.column !== undefined) return only.column
  return concatColumns(name, shares, rowCount, arrays)
}

// --- names ----------------------------------------------------------------------------------------------------

/** Columns that most aggregations read; they come first and share a chunk with the time. */
const LEADING_FIELDS = [FIELD_LEVEL, FIELD_SERVICE, FIELD_HOST]
const POSITION_COLUMNS = new Set([COLUMN_SEQUENCE, COLUMN_ROW, COLUMN_RECEIVED])

/** Names of the parts' columns but for positions: leading fields first, then in order of first appearance. */
function namesOf(parts: readonly BlockPart[]): string[] {
  const names = new Set<string>()
  for (const { source } of parts) for (const name of source.columnNames) names.add(name)
  const leading = LEADING_FIELDS.filter((name) => names.has(name))
  const rest = [...names].filter((name) => !LEADING_FIELDS.includes(name) && !POSITION_COLUMNS.has(name))
  return [...leading, ...rest]
}

/** S4: known fields and our own columns always keep their place. */
function splitNames(names: readonly string[]): { kept: string[]; overflowing: string[] } {
  const room = BLOCK_COLUMNS_MAX - POSITION_COLUMNS.size
  if (names.length <= room) return { kept: [...names], overflowing: [] }
  const isOwn = (name: string) => name.startsWith('\\@')
  const ordered = [
    ...names.filter((name) => !isOwn(name)),
    ...names.filter((name) => isOwn(name) && name !== COLUMN_OVERFLOW),
  ]
  const own = ordered.filter(isOwn).length
  const fieldRoom = Math.max(0, room - own - 1)
  const fields = ordered.slice(0, ordered.length - own)
  return {
    kept: [...fields.slice(0, fieldRoom), ...ordered.slice(ordered.length - own), COLUMN_OVERFLOW],
    overflowing: fields.slice(fieldRoom),
  }
}

function sourcesOf(parts: readonly BlockPart[]): ColumnSource[] {
  return parts.map((part) => part.source)
}

function countRows(parts: readonly BlockPart[]): number {
  return parts.reduce((count, part) => count + part.source.rowCount, 0)
}

function hasValues(column: Column, rowCount: number): boolean {
  switch (column.kind) {
    case 'dictionary':
      return column.codes.subarray(0, rowCount).some((code) => code !== 0)
    case 'bytes':
      return column.types.subarray(0, rowCount).some((type) => type !== 0)
    case 'integer':
      return column.values.subarray(0, rowCount).some((value) => !Number.isNaN(value))
  }
}

/** Lets other work of the thread run whenever a slice has been long enough. */
class Turns {
  readonly #clock: Clock
  #sinceMs: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#sinceMs = clock.monotonicMs()
  }

  async pass(): Promise<void> {
    if (this.#clock.monotonicMs() - this.#sinceMs < SLICE_TARGET_MS) return
    await this.#clock.yieldTurn()
    this.#sinceMs = this.#clock.monotonicMs()
  }
}
