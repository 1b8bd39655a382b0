import type { Clock } from '../base/clock.ts'
import type { LaneId, Position } from '../base/ids.ts'
import type { Journal, LaneState } from '../cluster/journal.ts'

const PERIOD_MS = 1000

/**
 * Tells once a second how full a lane is and how far its reader is behind it. `behindMs` is how long the reader has not caught up with what was
 * appended; 0 while it has.
 */
export function watchLane(
  lane: LaneId,
  journal: Journal,
  clock: Clock,
  tell: (lane: LaneId, state: LaneState, through: number, behindMs: number) => void,
): { readonly onRun: (run: { readonly through: Position }) => void } {
  let through = 0
  let caughtUpMs = clock.monotonicMs()
  clock.every(PERIOD_MS, async () => {
    try {
      const state = await journal.state(lane)
      if (through >= state.lastSequence) caughtUpMs = clock.monotonicMs()
      tell(lane, state, through, clock.monotonicMs() - caughtUpMs)
    } catch {
      // The journal is closing: there is nothing to tell any more.
    }
  })
  return {
    onRun(run) {
      through = run.through.sequence
    },
  }
}
