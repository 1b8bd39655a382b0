import type { LaneId } from '../base/ids.ts'
import { decodeLaneEntry, encodeLaneEntry, laneEntryKey } from './lane-entry.ts'
import type { LaneBirth } from './lmdb-journal-protocol.ts'
import type { Registry } from './registry.ts'

/**
 * J3: which generation a lane is in. The registry remembers the stream that a lane was (`lane/<n>`); a stream that is another one, or that has
 * lost frames which were there before, starts a new generation, so that its sequences are never taken for the old ones.
 */
export interface LaneAlarm {
  readonly lane: LaneId
  /** `recreated`: another stream than before. `restored`: the same one, without its newest frames. */
  readonly reason: 'recreated' | 'restored'
  readonly generation: number
  readonly details: { readonly lastSequence: number; readonly expectedSequence: number }
}

/** The part of the journal's host that this needs. */
export interface GenerationKeeper {
  readonly lanes: readonly LaneBirth[]
  raiseGeneration(lane: LaneId, generation: number): Promise<void>
}

/**
 * Compares each lane with what the registry remembers, raises its generation where J3 demands, and writes down what it found. Call it
 * at start, before anything is read or appended. `reachedOf` names the highest sequence of a generation that is known to be
 * applied or published (0 for none). Returns what an operator must hear of.
 */
export async function settleLaneGenerations(
  journal: GenerationKeeper,
  registry: Registry,
  reachedOf: (lane: LaneId, generation: number) => number = () => 0,
): Promise<readonly LaneAlarm[]> {
  const alarms: LaneAlarm[] = []
  for (const [index, birth] of journal.lanes.entries()) {
    const lane = index as LaneId
    const key = laneEntryKey(lane)
    const stored = await registry.get(key)
    const before = stored === undefined ? undefined : decodeLaneEntry(stored)
    let generation = birth.generation
    if (before !== undefined) {
      const expectedSequence = Math.max(before.lastSequence, reachedOf(lane, before.generation))
      const reason =
        before.creationId !== birth.creationId
          ? ('recreated' as const)
          : birth.lastSequence < expectedSequence
            ? ('restored' as const)
            : undefined
      if (reason !== undefined) {
        generation = Math.max(before.generation, birth.generation) + 1
        const details = { lastSequence: birth.lastSequence, expectedSequence }
        alarms.push({ lane, reason, generation, details })
      }
    }
    // The journal first: a crash in between finds the same difference again and raises once more.
    if (generation !== birth.generation) await journal.raiseGeneration(lane, generation)
    const entry = {
      creationId: birth.creationId,
      createdMs: birth.createdMs,
      generation,
      lastSequence: birth.lastSequence,
    }
    await registry.put(key, encodeLaneEntry(entry), stored?.revision ?? 0)
  }
  return alarms
}
