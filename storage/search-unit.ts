import type { ShardId, TenantId } from '../base/ids.ts'
import type { BlockSummary } from './block.ts'
import type { RowSource } from './row-source.ts'

/**
 * One piece of a shard that a query looks at whole: a part of a head, a block on this node's disk, or a block of a published segment. It is
 * immutable; what a plan lists can be opened until the query ends (C5).
 */
export interface SearchUnit {
  readonly tier: 'head' | 'local' | 'segment'
  readonly shard: ShardId
  readonly tenant: TenantId
  readonly rowCount: number
  /** Bounds of the rows' `timeMs`, inclusive. */
  readonly minMs: number
  readonly maxMs: number
  /** Highest journal sequence among the rows. */
  readonly lastSequence: number
  readonly columnNames: readonly string[]
  /** Undefined for a part of a head. */
  readonly summary: BlockSummary | undefined
  /** The rows with the columns named, and maybe more; null asks for all. The three columns of positions always come along. */
  open(columns: readonly string[] | null): Promise<OpenUnit>
}

export interface OpenUnit {
  readonly rows: RowSource
  /** Compressed bytes fetched to open it. */
  readonly bytesRead: number
}
