import type { ShardId, TenantId } from '../base/ids.ts'
import { dayOf } from '../base/ids.ts'
import type { PruneExpr } from '../query/prune.ts'
import type { BlockSummary } from './block.ts'
import { COLUMN_SEQUENCE } from './block.ts'
import type { BlockCache } from './block-cache.ts'
import type { PruneFilterStats } from './block-prune.ts'
import { pruneBlocks } from './block-prune.ts'
import type { LoadedBlock } from './block-reader.ts'
import type { SearchRange } from './block-search.ts'
import type { DayPartition } from './day-partition.ts'
import type { HeadPart } from './head.ts'
import { headSource } from './head-source.ts'
import { openLocalBlock } from './local-block.ts'
import { sectionRows, storedRows } from './row-source.ts'
import type { OpenUnit, SearchUnit } from './search-unit.ts'
import type { SegmentMeta } from './segment.ts'
import { mayHoldTenant, meetsRange } from './segment.ts'
import type { SegmentCache } from './segment-reader.ts'
import type { ShardStore } from './shard-store.ts'

/** Segments of a shard opened side by side; each takes a read or two when the cache does not have it. */
const SEGMENTS_AT_ONCE = 16

/** What a query must look at in one shard, after pruning. */
export interface SearchPlan {
  readonly units: readonly SearchUnit[]
  readonly headRows: number
  readonly localBlocks: number
  readonly segments: number
  /** Blocks of segments in the range of time. */
  readonly segmentBlocks: number
  /** Of all these blocks, those that the filters ruled out. */
  readonly blocksSkipped: number
  readonly filters: readonly PruneFilterStats[]
}

/**
 * Everything of the shard that may hold rows of `tenant` in `range` that `expr` lets pass. Heads, local blocks and the list of segments are
 * taken in one synchronous step, so that the plan names every row exactly once whatever cuts, publishes and merges follow (C5).
 */
export async function planSearch(
  store: ShardStore,
  tenant: TenantId,
  range: SearchRange,
  expr: PruneExpr,
  cache: SegmentCache,
): Promise<SearchPlan> {
  const units: SearchUnit[] = []
  const filters: PruneFilterStats[] = []
  let headRows = 0
  let localBlocks = 0
  let segmentBlocks = 0
  let candidates = 0

  const segments = store.published.segments.filter(
    (meta) => mayHoldTenant(meta, tenant) && meetsRange(meta, range.fromMs, range.toMs),
  )
  const local = []
  for (const partition of store.openDays()) {
    if (partition.day < dayOf(range.fromMs) || partition.day > dayOf(range.toMs)) continue
    const state = partition.find(tenant)
    if (state === undefined) continue
    for (const head of [...state.frozen, ...(state.head === undefined ? [] : [state.head])]) {
      headRows += head.rowCount
      for (const part of head.parts()) units.push(headUnit(store.shard, tenant, head.generation, part))
    }
    const within = state.blocks.within(tenant, range.fromMs, range.toMs)
    local.push({ partition, within, pruned: pruneBlocks(expr, state.blocks, within) })
  }
  // From here on the plan may wait: what it needs of this moment it has.
  const localResults = await Promise.all(local.map(({ pruned }) => pruned))
  for (const [i, { partition, within }] of local.entries()) {
    const result = localResults[i]!
    localBlocks += within.count()
    filters.push(...result.filters)
    for (const number of result.candidates) {
      candidates++
      units.push(localUnit(store.shard, partition, result.summaries[number]!, cache.blocks))
    }
  }
  for (let from = 0; from < segments.length; from += SEGMENTS_AT_ONCE) {
    const some = segments.slice(from, from + SEGMENTS_AT_ONCE)
    const opened = await Promise.all(some.map((meta) => planSegment(store.shard, meta, tenant, range, expr, cache)))
    for (const plan of opened) {
      segmentBlocks += plan.blocks
      candidates += plan.units.length
      units.push(...plan.units)
      filters.push(...plan.filters)
    }
  }
  return {
    units,
    headRows,
    localBlocks,
    segments: segments.length,
    segmentBlocks,
    blocksSkipped: localBlocks + segmentBlocks - candidates,
    filters,
  }
}

async function planSegment(
  shard: ShardId,
  meta: SegmentMeta,
  tenant: TenantId,
  range: SearchRange,
  expr: PruneExpr,
  cache: SegmentCache,
) {
  const segment = await cache.open(meta)
  const within = segment.index.within(tenant, range.fromMs, range.toMs)
  const { candidates, summaries, filters } = await pruneBlocks(expr, segment.index, within)
  const units: SearchUnit[] = [...candidates].map((number) => ({
    ...ofBlock('segment', shard, summaries[number]!),
    async open(columns) {
      const { block, bytesRead } = await segment.loadBlock(number, columns, cache.blocks)
      return openedBlock(block, meta.generation, bytesRead)
    },
  }))
  return { blocks: within.count(), units, filters }
}

function headUnit(shard: ShardId, tenant: TenantId, generation: number, part: HeadPart): SearchUnit {
  const { sequence, rowBase, receivedMs } = part
  const source = headSource(part.source)
  const rows = source.columnNames.includes(COLUMN_SEQUENCE)
    ? storedRows(source, generation)
    : sectionRows(source, part.rows, generation, sequence, rowBase, receivedMs)
  return {
    tier: 'head',
    shard,
    tenant,
    rowCount: source.rowCount,
    minMs: part.minMs,
    maxMs: part.maxMs,
    lastSequence: part.lastSequence,
    columnNames: source.columnNames,
    summary: undefined,
    async open(columns) {
      // All columns are here; the choice may tell what is known of the filter.
      if (typeof columns === 'function') columns(source)
      return { rows, bytesRead: 0, keepMatches: (filterKey, matches) => source.keepMatches(filterKey, matches) }
    },
  }
}

function localUnit(shard: ShardId, partition: DayPartition, summary: BlockSummary, blocks: BlockCache): SearchUnit {
  return {
    ...ofBlock('local', shard, summary),
    async open(columns) {
      const { block, bytesRead } = openLocalBlock(shard, partition, summary, columns, blocks)
      return openedBlock(block, summary.generation, bytesRead)
    },
  }
}

function openedBlock(block: LoadedBlock, generation: number, bytesRead: number): OpenUnit {
  return {
    rows: storedRows(block, generation),
    bytesRead,
    keepMatches: (filterKey, matches) => block.keepMatches(filterKey, matches),
  }
}

function ofBlock(tier: 'local' | 'segment', shard: ShardId, summary: BlockSummary): Omit<SearchUnit, 'open'> {
  const { tenant, rowCount, minMs, maxMs, lastSequence, columnNames } = summary
  return { tier, shard, tenant, rowCount, minMs, maxMs, lastSequence, columnNames, summary }
}
