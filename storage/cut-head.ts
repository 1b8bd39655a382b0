import type { Clock } from '../base/clock.ts'
import { freeBytes } from '../base/free-bytes.ts'
import { encodeBlock } from './block-codec.ts'
import type { DayPartition, TenantDay } from './day-partition.ts'
import type { Head } from './head.ts'
import type { HeadBudget } from './head-budget.ts'

export interface CutOptions {
  readonly clock: Clock
  readonly budget: HeadBudget
  /** Of the blocks. */
  readonly zstdLevel: number
  readonly onCut?: (cut: CutReport) => void
}

/** What a cut made of a head. */
export interface CutReport {
  readonly rows: number
  readonly blocks: number
  /** Blocks and their filters, as stored. */
  readonly bytes: number
  readonly tookMs: number
}

/** Makes blocks of `head`, the oldest frozen one of `state` (S2). Throws storage_unavailable; then it is as it was. */
export async function cutHead(
  partition: DayPartition,
  state: TenantDay,
  head: Head,
  { clock, budget, zstdLevel, onCut }: CutOptions,
): Promise<void> {
  const startedMs = clock.monotonicMs()
  const identity = { tenant: head.tenant, day: head.day, retentionClass: 0, generation: head.generation }
  const blocks = []
  for (const parts of head.partsOfBlocks()) {
    blocks.push(await budget.inTurn(() => encodeBlock(parts, identity, { zstdLevel, clock })))
  }
  await partition.commitCut(state, head, blocks)
  budget.release(head.byteSize)
  const bytes = blocks.reduce((sum, block) => sum + block.bytes.length + block.bloom.length, 0)
  onCut?.({ rows: head.rowCount, blocks: blocks.length, bytes, tookMs: clock.monotonicMs() - startedMs })
  head.release()
  // The index of the day keeps their filters.
  for (const block of blocks) freeBytes(block.bytes)
}
