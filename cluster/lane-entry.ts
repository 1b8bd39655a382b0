import { assert } from '../base/assert.ts'
import { WeirError } from '../base/errors.ts'
import type { LaneId } from '../base/ids.ts'
import type { RegistryEntry } from './registry.ts'

/** What the registry remembers of a lane, under `lane/<n>`, so that all nodes agree which generation a frame is of (J3). */
export interface LaneEntry {
  /** Names the stream that the lane was. */
  readonly creationId: string
  readonly createdMs: number
  readonly generation: number
  /** Highest sequence seen in it; a stream that ends below it has lost frames. */
  readonly lastSequence: number
  /** When that frame was appended, nanoseconds since the epoch in decimal: a frame of that sequence with another time is another frame. */
  readonly lastTime?: string
  /** Generations that this stream has had, oldest first. Absent: its frames are all of one. */
  readonly since?: readonly GenerationStart[]
}

export interface GenerationStart {
  readonly generation: number
  /** Its first sequence. */
  readonly from: number
}

/** Generations of one stream that are told apart; older ones count as the oldest of these. */
const GENERATIONS_MAX = 32

export function laneEntryKey(lane: LaneId): string {
  return `lane/${lane}`
}

export function encodeLaneEntry(entry: LaneEntry): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(entry))
}

/** Throws corrupt_data. */
export function decodeLaneEntry({ key, value }: Pick<RegistryEntry, 'key' | 'value'>): LaneEntry {
  let entry: Partial<LaneEntry> | null
  try {
    entry = JSON.parse(new TextDecoder().decode(value)) as Partial<LaneEntry> | null
  } catch (cause) {
    throw new WeirError('corrupt_data', `the registry entry ${key} is not JSON`, { key }, { cause })
  }
  if (typeof entry?.creationId !== 'string' || !Number.isSafeInteger(entry.generation)) {
    throw new WeirError('corrupt_data', `the registry entry ${key} is not one of a lane`, { key })
  }
  return entry as LaneEntry
}

/** The generation of a frame of the stream. */
export function generationAt(entry: LaneEntry, sequence: number): number {
  return startsOf(entry).findLast(({ from }) => from <= sequence)?.generation ?? startsOf(entry)[0]!.generation
}

/** The first sequence of the present generation. */
export function generationFrom(entry: LaneEntry): number {
  return startsOf(entry).findLast(({ generation }) => generation === entry.generation)?.from ?? 1
}

/**
 * The sequence behind which to read on, where a reader has come to `sequence` of `generation`: frames of that generation up to there are
 * passed over, and nothing of a later one.
 */
export function readFrom(entry: LaneEntry, sequence: number, generation: number): number {
  const starts = startsOf(entry)
  // Another stream: its sequences mean nothing here.
  if (generation < starts[0]!.generation) return 0
  const end = starts.find((start) => start.generation > generation)?.from ?? Number.MAX_SAFE_INTEGER
  return Math.min(sequence, end - 1)
}

/** The entry of a lane that has become another stream. */
export function recreated(before: LaneEntry, birth: Pick<LaneEntry, 'creationId' | 'createdMs'>): LaneEntry {
  assert(before.creationId !== birth.creationId, 'another stream')
  const generation = before.generation + 1
  return { ...birth, generation, lastSequence: 0, since: [{ generation, from: 1 }] }
}

/** The entry of a lane that is the same stream, with other frames from the sequence `from` on than there were before. */
export function restored(before: LaneEntry, from: number): LaneEntry {
  assert(from >= 1, 'sequences begin at 1')
  const { creationId, createdMs } = before
  const generation = before.generation + 1
  // A generation that begins where the new one does, or behind it, has no frames left.
  const kept = startsOf(before).filter((start) => start.from < from)
  const since = [...kept, { generation, from }].slice(-GENERATIONS_MAX)
  return { creationId, createdMs, generation, lastSequence: 0, since }
}

function startsOf(entry: LaneEntry): readonly GenerationStart[] {
  return entry.since ?? [{ generation: entry.generation, from: 1 }]
}
