import { WeirError } from '../base/errors.ts'
import type { ShardId } from '../base/ids.ts'
import type { BlockSummary } from './block.ts'
import type { BlockCache } from './block-cache.ts'
import { readBlockHeader } from './block-header.ts'
import { LoadedBlock } from './block-reader.ts'
import type { DayPartition } from './day-partition.ts'
import type { ColumnChoice } from './search-unit.ts'
import { columnsToLoad } from './search-unit.ts'

/**
 * Opens a block of this node's disk with the columns chosen and those of positions. Only what the cache does not have of their compressed
 * bytes is copied out of LMDB's memory map, since a view is valid until the next read (S9).
 */
export function openLocalBlock(
  shard: ShardId,
  partition: DayPartition,
  summary: BlockSummary,
  columns: ColumnChoice,
  cache: BlockCache,
): { readonly block: LoadedBlock; readonly bytesRead: number } {
  const view = () => {
    const bytes = partition.blockView(summary)
    if (bytes !== undefined) return bytes
    throw new WeirError('shard_unavailable', 'the block is gone: the plan that names it is too old', {
      blockId: summary.blockId,
    })
  }
  // A shard that comes back after it was elsewhere may cut its rows otherwise.
  const { tenant, blockId, lastSequence, rowCount, byteLength } = summary
  const key = `${shard}/${tenant}/${blockId}/${lastSequence}/${rowCount}/${byteLength}`
  const block = cache.get(key, (onGrow) => new LoadedBlock(readBlockHeader(view()), onGrow))
  const missing = block.missing(columnsToLoad(block, columns))
  if (missing.length === 0) return { block, bytesRead: 0 }
  const bytes = view()
  const ranges = missing.map(({ start, end }) => ({ start, bytes: bytes.slice(start, end) }))
  block.load(ranges)
  return { block, bytesRead: ranges.reduce((sum, range) => sum + range.bytes.length, 0) }
}
