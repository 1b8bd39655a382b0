import { assert } from '../base/assert.ts'
import type { Position, TenantId } from '../base/ids.ts'
import { comparePositions } from '../base/ids.ts'
import type { BlockSummary, EncodedBlock } from './block.ts'
import type { EncodeOptions } from './block-codec.ts'
import { encodeSelected, rowsBeyond } from './block-codec.ts'
import { openBlock } from './block-reader.ts'

/**
 * Every node cuts the rows of a shard at places of its own. So when another node was the owner and published, a local block may *straddle* what is
 * published: its first frames are in segments, its last ones are not. Its remainder is a block of the latter alone. Where a position is in an older
 * generation than what is published (J3), it is at or below it: the owner had none of that generation unpublished when it went on to the
 * next, and what it never had went with the old journal; a newer one is beyond it.
 */
export interface Remainder {
  /** The block that straddles. */
  readonly of: BlockSummary
  /** All of its rows that are not published. */
  readonly block: EncodedBlock
}

/** By the block that straddles. */
export type Remainders = ReadonlyMap<BlockSummary, Remainder>

/** How far a tenant's rows of a day are published. */
export type PublishedThroughOf = (tenant: TenantId) => Position

/** All rows of the block are at or below `through`. */
export function isPublished({ generation, lastSequence }: BlockSummary, through: Position): boolean {
  return comparePositions({ generation, sequence: lastSequence }, through) <= 0
}

/** Some rows of the block are at or below `through`, some beyond. */
export function straddles(summary: BlockSummary, through: Position): boolean {
  const { generation, firstSequence } = summary
  return comparePositions({ generation, sequence: firstSequence }, through) <= 0 && !isPublished(summary, through)
}

/** Makes the remainder of a block that straddles `through`. Throws corrupt_data. */
export async function remainderOf(
  summary: BlockSummary,
  bytes: Uint8Array,
  through: Position,
  options: EncodeOptions,
): Promise<Remainder> {
  const { tenant, day, retentionClass, generation } = summary
  assert(straddles(summary, through), 'a block that straddles has a remainder')
  const reader = openBlock(bytes)
  const { rows } = rowsBeyond(reader, through.sequence)
  return {
    of: summary,
    block: await encodeSelected(reader, rows, { tenant, day, retentionClass, generation }, options),
  }
}
