import type { DayNumber, Position, ShardId, TenantId } from '../base/ids.ts'
import { comparePositions, dayOf } from '../base/ids.ts'
import type { PruneExpr } from '../query/prune.ts'
import type { BlockSummary } from './block.ts'
import { COLUMN_SEQUENCE } from './block.ts'
import type { BlockCache } from './block-cache.ts'
import type { PruneFilterStats } from './block-prune.ts'
import { pruneBlocks } from './block-prune.ts'
import type { LoadedBlock } from './block-reader.ts'
import type { DayPartition } from './day-partition.ts'
import type { HeadPart } from './head.ts'
import { headSource } from './head-source.ts'
import { openLocalBlock } from './local-block.ts'
import type { PublishedState } from './published-state.ts'
import { sectionRows, storedRows } from './row-source.ts'
import type { SearchRange } from './search-pace.ts'
import type { OpenUnit, SearchUnit } from './search-unit.ts'
import type { SegmentMeta } from './segment.ts'
import { mayHoldTenant, meetsRange } from './segment.ts'
import type { SegmentCache } from './segment-reader.ts'
import type { ShardStore } from './shard-store.ts'

/** Segments of a shard opened side by side; each takes a read or two when the cache does not have it. */
const SEGMENTS_AT_ONCE = 16

/** Whose rows are asked for, and how they are found. */
export interface PlanScope {
  readonly tenant: TenantId
  readonly range: SearchRange
  readonly expr: PruneExpr
  readonly cache: SegmentCache
  /** What is known of a segment of which every row belongs to the plan: it is not looked at again. */
  readonly recall?: (meta: SegmentMeta) => KnownSegment | undefined
}

/** What a question found in all of a segment, for who asks it again. */
export interface KnownSegment {
  /** The asker's own. */
  readonly result: unknown
  /** Blocks in the range of time; and the rows of those that the filters left. */
  readonly blocks: number
  readonly rows: number
}

/** A segment of which every row belongs to the plan. */
export interface WholeSegment {
  readonly meta: SegmentMeta
  /** Blocks in the range of time. */
  readonly blocks: number
  /** Also among the units of the plan. */
  readonly units: readonly SearchUnit[]
}

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
  readonly whole: readonly WholeSegment[]
  /** Of segments that are passed over because all is known of them; they are not counted above. */
  readonly known: readonly KnownSegment[]
}

/**
 * Everything of the shard that may hold rows of the scope. Heads, local blocks and the list of segments are taken in one synchronous step, so that
 * the plan names every row exactly once whatever cuts, publishes and merges follow (C5).
 */
export async function planSearch(store: ShardStore, scope: PlanScope): Promise<SearchPlan> {
  const { segments } = store.published
  const plans = await Promise.all([planLocal(store, scope), planSegments(store.shard, segments, scope)])
  return joinPlans(plans)
}

/**
 * Everything of the shard that `pinned`, a state that was published of it, does not list. Together with the segments of `pinned` that
 * is every row once, whatever state the store itself is at (C5): where it is further, rows beyond `pinned` are taken from its segments; where it is
 * behind, rows of its own that `pinned` lists are passed over.
 */
export async function planBeyond(store: ShardStore, pinned: PublishedState, scope: PlanScope): Promise<SearchPlan> {
  const { published } = store
  if (published.key === pinned.key) return planLocal(store, scope)
  const through = (day: DayNumber) => pinned.publishedThrough(scope.tenant, day)
  const plans = await Promise.all([
    planLocal(store, scope, through),
    planSegments(store.shard, published.segments, scope, through),
  ])
  return joinPlans(plans)
}

/** Of a shard that has nothing of the scope. */
export const PLAN_EMPTY: SearchPlan = {
  units: [],
  headRows: 0,
  localBlocks: 0,
  segments: 0,
  segmentBlocks: 0,
  blocksSkipped: 0,
  filters: [],
  whole: [],
  known: [],
}

/** One plan of several that share no row. */
export function joinPlans(all: readonly SearchPlan[]): SearchPlan {
  const plans = all.filter((plan) => plan !== PLAN_EMPTY)
  if (plans.length <= 1) return plans[0] ?? PLAN_EMPTY
  const sum = (of: (plan: SearchPlan) => number) => plans.reduce((total, plan) => total + of(plan), 0)
  return {
    units: plans.flatMap(({ units }) => units),
    headRows: sum(({ headRows }) => headRows),
    localBlocks: sum(({ localBlocks }) => localBlocks),
    segments: sum(({ segments }) => segments),
    segmentBlocks: sum(({ segmentBlocks }) => segmentBlocks),
    blocksSkipped: sum(({ blocksSkipped }) => blocksSkipped),
    filters: plans.flatMap(({ filters }) => filters),
    whole: plans.flatMap(({ whole }) => whole),
    known: plans.flatMap(({ known }) => known),
  }
}

/** For each day, the position at or below which rows do not belong to a plan. */
type Beyond = (day: DayNumber) => Position

/** Heads and blocks of this node's disk. What it needs of the store it takes before it first waits. */
export async function planLocal(store: ShardStore, scope: PlanScope, beyond?: Beyond): Promise<SearchPlan> {
  const { tenant, range, expr, cache } = scope
  const days = []
  for (const partition of store.openDays()) {
    if (partition.day < dayOf(range.fromMs) || partition.day > dayOf(range.toMs)) continue
    const state = partition.find(tenant)
    if (state !== undefined) days.push({ partition, state })
  }
  if (days.length === 0) return PLAN_EMPTY
  const units: SearchUnit[] = []
  const filters: PruneFilterStats[] = []
  let headRows = 0
  let localBlocks = 0
  let candidates = 0
  const local = []
  for (const { partition, state } of days) {
    const after = beyond?.(partition.day)
    for (const head of [...state.frozen, ...(state.head === undefined ? [] : [state.head])]) {
      headRows += head.rowCount
      for (const part of head.parts()) {
        const span = { generation: head.generation, firstSequence: part.sequence, lastSequence: part.lastSequence }
        if (isBeyond(span, after)) units.push(headUnit(store.shard, tenant, part, span, after))
      }
    }
    const within = state.blocks.within(tenant, range.fromMs, range.toMs)
    local.push({ partition, within, after, pruned: pruneBlocks(expr, state.blocks, within) })
  }
  const localResults = await Promise.all(local.map(({ pruned }) => pruned))
  for (const [i, { partition, within, after }] of local.entries()) {
    const result = localResults[i]!
    localBlocks += within.count()
    filters.push(...result.filters)
    for (const number of result.candidates) {
      const summary = result.summaries[number]!
      if (!isBeyond(summary, after)) continue
      candidates++
      units.push(localUnit(store.shard, partition, summary, cache.blocks, after))
    }
  }
  const blocksSkipped = localBlocks - candidates
  return { units, headRows, localBlocks, segments: 0, segmentBlocks: 0, blocksSkipped, filters, whole: [], known: [] }
}

/** What `segments` of the shard may hold of the scope; with `beyond` only rows behind it. */
export async function planSegments(
  shard: ShardId,
  segments: readonly SegmentMeta[],
  scope: PlanScope,
  beyond?: Beyond,
): Promise<SearchPlan> {
  if (segments.length === 0) return PLAN_EMPTY
  const { tenant, range, recall } = scope
  const units: SearchUnit[] = []
  const filters: PruneFilterStats[] = []
  const whole: WholeSegment[] = []
  const known: KnownSegment[] = []
  let segmentBlocks = 0
  const isWhole = (meta: SegmentMeta) => cutOf(meta, beyond?.(meta.day)) === undefined
  const wanted = segments.filter((meta) => {
    if (!mayHoldTenant(meta, tenant) || !meetsRange(meta, range.fromMs, range.toMs)) return false
    if (!isBeyond(meta, beyond?.(meta.day))) return false
    const recalled = isWhole(meta) ? recall?.(meta) : undefined
    if (recalled !== undefined) known.push(recalled)
    return recalled === undefined
  })
  for (let from = 0; from < wanted.length; from += SEGMENTS_AT_ONCE) {
    const some = wanted.slice(from, from + SEGMENTS_AT_ONCE)
    const opened = await Promise.all(some.map((meta) => planSegment(shard, meta, scope, beyond?.(meta.day))))
    for (const [i, plan] of opened.entries()) {
      const meta = some[i]!
      if (isWhole(meta)) whole.push({ meta, blocks: plan.blocks, units: plan.units })
      segmentBlocks += plan.blocks
      units.push(...plan.units)
      filters.push(...plan.filters)
    }
  }
  const blocksSkipped = segmentBlocks - units.length
  const hot = { headRows: 0, localBlocks: 0 }
  return { units, ...hot, segments: wanted.length, segmentBlocks, blocksSkipped, filters, whole, known }
}

async function planSegment(shard: ShardId, meta: SegmentMeta, scope: PlanScope, after: Position | undefined) {
  const { tenant, range, expr, cache } = scope
  const segment = await cache.open(meta)
  const within = segment.index.within(tenant, range.fromMs, range.toMs)
  const { candidates, summaries, filters } = await pruneBlocks(expr, segment.index, within)
  const numbers = [...candidates].filter((number) => isBeyond(summaries[number]!, after))
  const units: SearchUnit[] = numbers.map((number) => ({
    ...ofBlock('segment', shard, summaries[number]!, after),
    async open(columns) {
      const { block, bytesRead } = await segment.loadBlock(number, columns, cache.blocks)
      return openedBlock(block, meta.generation, bytesRead)
    },
  }))
  return { blocks: within.count(), units, filters }
}

/** Rows of one generation that stand together in the journal. */
interface Span {
  readonly generation: number
  readonly firstSequence: number
  readonly lastSequence: number
}

/** False when no row of the span stands behind `after`. */
function isBeyond({ generation, lastSequence }: Span, after: Position | undefined): boolean {
  return after === undefined || comparePositions({ generation, sequence: lastSequence }, after) > 0
}

/** Where `after` cuts through a span that reaches beyond it; undefined when all of the span stands behind it. */
function cutOf({ generation, firstSequence }: Span, after: Position | undefined): number | undefined {
  if (after === undefined || comparePositions({ generation, sequence: firstSequence }, after) > 0) return undefined
  return after.sequence
}

/** Of parts of heads and of blocks all rows of which belong to the plans that list them. */
const wholeUnits = new WeakMap<HeadPart | BlockSummary, SearchUnit>()

function wholeUnit(of: HeadPart | BlockSummary, make: () => SearchUnit): SearchUnit {
  let unit = wholeUnits.get(of)
  if (unit === undefined) {
    unit = make()
    wholeUnits.set(of, unit)
  }
  return unit
}

function headUnit(
  shard: ShardId,
  tenant: TenantId,
  part: HeadPart,
  span: Span,
  after: Position | undefined,
): SearchUnit {
  const afterSequence = cutOf(span, after)
  const make = () => newHeadUnit(shard, tenant, part, span.generation, afterSequence)
  return afterSequence === undefined ? wholeUnit(part, make) : make()
}

function newHeadUnit(
  shard: ShardId,
  tenant: TenantId,
  part: HeadPart,
  generation: number,
  afterSequence: number | undefined,
): SearchUnit {
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
    afterSequence,
    columnNames: source.columnNames,
    summary: undefined,
    open(columns) {
      // The choice may tell what is known of the filter.
      if (typeof columns === 'function') columns(source)
      return { rows, bytesRead: 0, keepMatches: (filterKey, matches) => source.keepMatches(filterKey, matches) }
    },
  }
}

function localUnit(
  shard: ShardId,
  partition: DayPartition,
  summary: BlockSummary,
  blocks: BlockCache,
  after: Position | undefined,
): SearchUnit {
  const make = (): SearchUnit => ({
    ...ofBlock('local', shard, summary, after),
    open(columns) {
      const { block, bytesRead } = openLocalBlock(shard, partition, summary, columns, blocks)
      return openedBlock(block, summary.generation, bytesRead)
    },
  })
  return cutOf(summary, after) === undefined ? wholeUnit(summary, make) : make()
}

function openedBlock(block: LoadedBlock, generation: number, bytesRead: number): OpenUnit {
  return {
    rows: storedRows(block, generation),
    bytesRead,
    keepMatches: (filterKey, matches) => block.keepMatches(filterKey, matches),
  }
}

function ofBlock(
  tier: 'local' | 'segment',
  shard: ShardId,
  summary: BlockSummary,
  after: Position | undefined,
): Omit<SearchUnit, 'open'> {
  const { tenant, rowCount, minMs, maxMs, lastSequence, columnNames } = summary
  const afterSequence = cutOf(summary, after)
  return { tier, shard, tenant, rowCount, minMs, maxMs, lastSequence, afterSequence, columnNames, summary }
}
