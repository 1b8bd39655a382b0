import { WeirError } from '../base/errors.ts'
import type { BlockReader, BlockSummary } from './block.ts'
import { COLUMN_RECEIVED, COLUMN_ROW, COLUMN_SEQUENCE } from './block.ts'
import { readBlockHeader } from './block-header.ts'
import { columnRanges, openBlockFromRanges } from './block-reader.ts'
import type { DayPartition } from './day-partition.ts'

/**
 * Opens a block of this node's disk with the columns named (null: all) and those of positions. Only their compressed bytes are copied out of
 * LMDB's memory map, since a view is valid until the next read (S9).
 */
export function openLocalBlock(
  partition: DayPartition,
  summary: BlockSummary,
  columns: readonly string[] | null,
): BlockReader {
  const view = partition.blockView(summary)
  if (view === undefined) {
    throw new WeirError('shard_unavailable', 'the block is gone: the plan that names it is too old', {
      blockId: summary.blockId,
    })
  }
  const header = readBlockHeader(view)
  const names = [...(columns ?? summary.columnNames), COLUMN_SEQUENCE, COLUMN_ROW, COLUMN_RECEIVED]
  const ranges = columnRanges(header, names).map(({ start, end }) => ({ start, bytes: view.slice(start, end) }))
  return openBlockFromRanges(header, ranges)
}
