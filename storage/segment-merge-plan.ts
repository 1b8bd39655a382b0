import { present } from '../base/assert.ts'
import { SEGMENT_BYTES_MAX, type SegmentMeta } from './segment.ts'

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
