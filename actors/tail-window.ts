import type { ColumnSource } from '../base/columns.ts'
import type { ShardId, TenantId } from '../base/ids.ts'
import { TAIL_TABLE_COLUMNS_MAX, TAIL_TABLE_ROWS_MAX } from '../base/limits.ts'
import type { AppliedRows } from '../storage/applied-rows.ts'
import type { BlockPart } from '../storage/block-codec.ts'
import { concatParts, selectRows } from '../storage/block-codec.ts'
import { headSource } from '../storage/head-source.ts'
import type { RecordKey } from '../storage/record-id.ts'
import type { RowSource } from '../storage/row-source.ts'
import { sectionRows, storedRows } from '../storage/row-source.ts'

/** Rows of one tenant that are matched together, in the order in which they were applied. */
export interface TailTable {
  readonly columns: ColumnSource
  shardOf(row: number): ShardId
  keyOf(row: number): RecordKey
  receivedMsOf(row: number): number
}

/** What was applied since the last look, by tenant: many small pieces, of which `tables` makes few large ones. */
export class TailWindow {
  #pieces = new Map<TenantId, AppliedRows[]>()

  get isEmpty(): boolean {
    return this.#pieces.size === 0
  }

  add(applied: AppliedRows): void {
    const pieces = this.#pieces.get(applied.tenant)
    if (pieces === undefined) this.#pieces.set(applied.tenant, [applied])
    else pieces.push(applied)
  }

  /** Takes out what there is. */
  take(): ReadonlyMap<TenantId, readonly AppliedRows[]> {
    const pieces = this.#pieces
    this.#pieces = new Map()
    return pieces
  }
}

/** Few tables of all rows of `pieces`: each of at most so many rows and columns, unless a piece alone has more. */
export function* tablesOf(pieces: readonly AppliedRows[]): Generator<TailTable> {
  let group: AppliedRows[] = []
  let rows = 0
  let names = new Set<string>()
  for (const piece of pieces) {
    const count = rowCountOf(piece)
    const joined = names.union(new Set(piece.source.columnNames))
    const isOther = group.length > 0 && group[0]!.position.generation !== piece.position.generation
    if (isOther || rows + count > TAIL_TABLE_ROWS_MAX || (group.length > 0 && joined.size > TAIL_TABLE_COLUMNS_MAX)) {
      if (group.length > 0) yield tableOf(group)
      group = []
      rows = 0
      names = new Set(piece.source.columnNames)
    } else names = joined
    group.push(piece)
    rows += count
  }
  if (group.length > 0) yield tableOf(group)
}

function rowCountOf({ source, rows }: AppliedRows): number {
  return rows === null ? source.rowCount : rows.length
}

function tableOf(pieces: readonly AppliedRows[]): TailTable {
  const { generation } = pieces[0]!.position
  // Row numbers at which the pieces end.
  const ends: number[] = []
  for (const piece of pieces) ends.push((ends[ends.length - 1] ?? 0) + rowCountOf(piece))
  const rows = rowsOf(pieces)
  const shardOf = (row: number): ShardId => {
    let low = 0
    for (let high = ends.length - 1; low < high; ) {
      const middle = (low + high) >>> 1
      if (row < ends[middle]!) high = middle
      else low = middle + 1
    }
    return pieces[low]!.shard
  }
  return {
    // Tells which columns cannot hold a text at all.
    columns: headSource(rows.columns),
    shardOf,
    keyOf: (row) => ({
      timeMs: rows.columns.timeMs[row]!,
      timeNs: rows.columns.timeNs[row]!,
      shard: shardOf(row),
      generation,
      sequence: rows.sequenceOf(row),
      row: rows.rowOf(row),
    }),
    receivedMsOf: (row) => rows.receivedMsOf(row),
  }
}

function rowsOf(pieces: readonly AppliedRows[]): RowSource {
  const [first] = pieces
  const { generation, sequence } = first!.position
  if (pieces.length > 1) return storedRows(concatParts(pieces.map(partOf)).source, generation)
  const { source, rows, rowBase, receivedMs } = first!
  const own = rows === null ? source : selectRows(source, rows)
  return sectionRows(own, rows, generation, sequence, rowBase, receivedMs)
}

function partOf({ source, rows, position, rowBase, receivedMs }: AppliedRows): BlockPart {
  const own = rows === null ? source : selectRows(source, rows)
  return { source: own, rows, sequence: position.sequence, rowBase, receivedMs }
}
