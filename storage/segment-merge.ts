import { assert, present } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import { freeBytes } from '../base/free-bytes.ts'
import { BLOCK_BYTES_MAX, BLOCK_ROWS_MAX } from '../base/limits.ts'
import type { BlockReader, BlockSummary, EncodedBlock } from './block.ts'
import { mergeBlocks } from './block-codec.ts'
import { readBlockHeader } from './block-header.ts'
import { openBlock } from './block-reader.ts'
import { recompressBlock } from './block-recompress.ts'
import type { ObjectStore } from './object-store/object-store.ts'
import { Pace } from './pace.ts'
import { SEGMENT_BYTES_MAX, type SegmentIdentity, type SegmentMeta } from './segment.ts'
import { unsliceBlooms } from './segment-blooms.ts'
import { readSegment, type SegmentReader } from './segment-reader.ts'
import { readWords } from './segment-terms.ts'
import { SegmentWriter } from './segment-writer.ts'

/** A block with as many rows or bytes is kept as it is, only compressed better: its filters need not be made again. */
const FULL_BLOCK_ROWS = (BLOCK_ROWS_MAX * 3) / 4
const FULL_BLOCK_BYTES = BLOCK_BYTES_MAX / 2
/** Rows decoded at a time while small blocks are joined; about 15 MiB. */
const BATCH_ROWS_MAX = 4 * BLOCK_ROWS_MAX
const BATCH_BYTES_MAX = 4 * 1024 * 1024
/**
 * Full blocks are compressed anew from this zstd level on, once, at their first merge. Lower levels gain less than 1 % over the level of
 * a cut and cost 0.7 µs a row; 6 gains 3 % of a block half of which is random ids, and costs 1.3 µs.
 */
const RECOMPRESS_LEVEL_MIN = 5

export interface MergeOptions {
  readonly zstdLevel: number
  readonly clock: Clock
}

interface InputBlock {
  readonly segment: SegmentReader
  readonly number: number
  readonly summary: BlockSummary
}

/**
 * Makes one segment of several of one (day, retention class, generation), puts it into the store and returns what the manifest
 * must say of it; the inputs stay. Every row keeps its position. Blocks of a tenant that are not full are joined. Gives way to other
 * work in between (T2). Throws corrupt_data, storage_unavailable; then nothing has become visible.
 */
export async function mergeSegments(
  store: ObjectStore,
  inputs: readonly SegmentMeta[],
  identity: SegmentIdentity,
  options: MergeOptions,
): Promise<SegmentMeta[]> {
  assert(inputs.length > 1, 'a merge has several inputs')
  const { clock } = options
  const writer = new SegmentWriter(identity, clock.nowMs(), clock)
  const pace = new Pace(clock)
  const small: InputBlock[] = []
  for (const meta of inputs) {
    const segment = await readSegment(store, meta)
    const full: InputBlock[] = []
    for (const [number, summary] of segment.index.summaries.entries()) {
      const block = { segment, number, summary }
      if (isFull(summary)) full.push(block)
      else small.push(block)
    }
    await keepFullBlocks(segment, full, writer, options, pace)
    if (pace.isDue()) await pace.rest()
  }
  for (const batch of batchesOf(small)) {
    for (const block of await joined(batch, options, pace)) writer.add(block)
  }
  const { bytes, meta } = await writer.finish()
  const rowsIn = inputs.reduce((rows, { rowCount }) => rows + rowCount, 0)
  assert(meta.rowCount === rowsIn, 'a merge keeps every row')
  await store.put(meta.key, bytes)
  freeBytes(bytes)
  return [meta]
}

function isFull({ rowCount, byteLength }: BlockSummary): boolean {
  return rowCount >= FULL_BLOCK_ROWS || byteLength >= FULL_BLOCK_BYTES
}

async function keepFullBlocks(
  segment: SegmentReader,
  blocks: readonly InputBlock[],
  writer: SegmentWriter,
  options: MergeOptions,
  pace: Pace,
): Promise<void> {
  if (blocks.length === 0) return
  const sizes = Uint8Array.from(segment.directory.blocks, (block) => block.bloomLog2Bits)
  const blooms = await unsliceBlooms(await segment.blooms.read(0, segment.blooms.dataLength), sizes, pace)
  const words = await readWords(segment.directory, segment.terms, pace)
  const isWorthwhile = options.zstdLevel >= RECOMPRESS_LEVEL_MIN && segment.meta.mergeLevel === 0
  for (const { number, summary } of blocks) {
    const before = await segment.blockBytes(number)
    const bytes = isWorthwhile ? await recompressBlock(before, options.zstdLevel) : before
    const bloom = present(blooms[number], 'the filter of a block')
    writer.add({ summary: { ...summary, byteLength: bytes.length }, bytes, bloom, words: words[number] ?? null })
    if (pace.isDue()) await pace.rest()
  }
}

/** Blocks of one tenant that are joined together, oldest first. */
function batchesOf(blocks: InputBlock[]): InputBlock[][] {
  blocks.sort(compareBlocks)
  const batches: InputBlock[][] = []
  let batch: InputBlock[] = []
  let rows = 0
  let bytes = 0
  for (const block of blocks) {
    const { rowCount, byteLength, tenant } = block.summary
    const isOther = batch[0] !== undefined && batch[0].summary.tenant !== tenant
    if (isOther || (rows > 0 && (rows + rowCount > BATCH_ROWS_MAX || bytes + byteLength > BATCH_BYTES_MAX))) {
      batches.push(batch)
      batch = []
      rows = 0
      bytes = 0
    }
    batch.push(block)
    rows += rowCount
    bytes += byteLength
  }
  if (batch.length > 0) batches.push(batch)
  return batches
}

/** Complete, so that a merge that is done again makes the same object. */
function compareBlocks({ summary: a }: InputBlock, { summary: b }: InputBlock): number {
  if (a.tenant !== b.tenant) return a.tenant < b.tenant ? -1 : 1
  return a.minMs - b.minMs || a.firstSequence - b.firstSequence || (a.blockId < b.blockId ? -1 : 1)
}

async function joined(batch: readonly InputBlock[], options: MergeOptions, pace: Pace): Promise<EncodedBlock[]> {
  const readers: BlockReader[] = []
  let mergeLevel = 1
  for (const { segment, number } of batch) {
    const bytes = await segment.blockBytes(number)
    mergeLevel = Math.max(mergeLevel, readBlockHeader(bytes).mergeLevel + 1)
    readers.push(openBlock(bytes))
    if (pace.isDue()) await pace.rest()
  }
  const { tenant, day, retentionClass, generation } = present(batch[0], 'a block of a batch').summary
  return mergeBlocks(readers, { tenant, day, retentionClass, generation }, { ...options, mergeLevel })
}

// --- planning -------------------------------------------------------------------------------------------------

/** Segments of one merge level that are worth a merge: every row is rewritten once per level, so few times in all. */
const MERGE_INPUTS_MIN = 8
const MERGE_INPUTS_MAX = 64
/** From this size on a segment is left alone. */
const SEALED_BYTES = SEGMENT_BYTES_MAX / 2

export interface MergePlan {
  readonly inputs: readonly SegmentMeta[]
  readonly mergeLevel: number
}

/**
 * Which segments to merge: of one day, retention class and generation; no segment is in two plans. A day that still grows is merged
 * level by level, MERGE_INPUTS_MIN to one. Days before the day before the newest get late rows only: there small ones are
 * joined until few are left, but never a large one for the sake of a small one.
 */
export function planMerges(segments: readonly SegmentMeta[]): MergePlan[] {
  const groups = new Map<string, SegmentMeta[]>()
  let newestDay = -Infinity
  for (const segment of segments) {
    newestDay = Math.max(newestDay, segment.day)
    if (segment.byteLength >= SEALED_BYTES) continue
    const key = `${segment.day}/${segment.retentionClass}/${segment.generation}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [segment])
    else group.push(segment)
  }
  const plans: MergePlan[] = []
  for (const group of groups.values()) {
    const day = present(group[0], 'a segment of a group').day
    plans.push(...(day < newestDay - 1 ? plansOfClosedDay(group) : plansOfOpenDay(group)))
  }
  return plans
}

function plansOfOpenDay(segments: readonly SegmentMeta[]): MergePlan[] {
  const plans: MergePlan[] = []
  for (const level of new Set(segments.map((segment) => segment.mergeLevel))) {
    const ofLevel = segments.filter((segment) => segment.mergeLevel === level)
    ofLevel.sort((a, b) => a.firstSequence - b.firstSequence)
    for (const inputs of fittingRuns(ofLevel)) {
      const isFull = bytesOf(inputs) >= SEALED_BYTES && inputs.length > 1
      if (inputs.length >= MERGE_INPUTS_MIN || isFull) plans.push({ inputs, mergeLevel: level + 1 })
    }
  }
  return plans
}

function plansOfClosedDay(segments: readonly SegmentMeta[]): MergePlan[] {
  const smallestFirst = [...segments].sort((a, b) => a.byteLength - b.byteLength)
  const plans: MergePlan[] = []
  for (const run of fittingRuns(smallestFirst)) {
    let count = run.length
    while (count > 1 && present(run[count - 1], 'the largest').byteLength * 2 > bytesOf(run.slice(0, count)) * LOPSIDED)
      count--
    const inputs = run.slice(0, count)
    if (inputs.length < 2) continue
    plans.push({ inputs, mergeLevel: 1 + Math.max(...inputs.map((segment) => segment.mergeLevel)) })
  }
  return plans
}

/** The largest input may be this share more than half of all. */
const LOPSIDED = 1.25

/** Runs of `segments`, in order, that each fit one segment. */
function fittingRuns(segments: readonly SegmentMeta[]): SegmentMeta[][] {
  const runs: SegmentMeta[][] = []
  let run: SegmentMeta[] = []
  let bytes = 0
  for (const segment of segments) {
    if (run.length > 0 && (bytes + segment.byteLength > SEGMENT_BYTES_MAX || run.length >= MERGE_INPUTS_MAX)) {
      runs.push(run)
      run = []
      bytes = 0
    }
    run.push(segment)
    bytes += segment.byteLength
  }
  if (run.length > 0) runs.push(run)
  return runs
}

function bytesOf(segments: readonly SegmentMeta[]): number {
  return segments.reduce((bytes, segment) => bytes + segment.byteLength, 0)
}
