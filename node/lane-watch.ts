import type { Clock } from '../base/clock.ts'
import type { LaneId, Position } from '../base/ids.ts'
import type { Logger } from '../base/logger.ts'
import type { Metrics } from '../base/metrics.ts'
import type { Journal, LaneState } from '../cluster/journal.ts'
import type { LaneAlarm } from '../cluster/lane-generation.ts'
import type { NodeStatus } from './node-status.ts'

const PERIOD_MS = 1000

export interface LaneWatchParts {
  readonly journal: Journal
  readonly clock: Clock
  readonly status: NodeStatus
  readonly tell: (lane: LaneId, state: LaneState, through: number, behindMs: number) => void
}

/**
 * Tells once a second how full a lane is and how far its reader is behind it: for metrics, and for the status that queries look at (Q2). A reader
 * is behind for as long as it has not reached what was the journal's end when it was last caught up.
 */
export function watchLane(
  lane: LaneId,
  parts: LaneWatchParts,
): {
  readonly onBegin: (after: Position) => void
  readonly onRun: (run: { readonly through: Position }) => void
} {
  const { journal, clock, status, tell } = parts
  let endSeen = 0
  let caughtUpMs = clock.monotonicMs()
  clock.every(PERIOD_MS, async () => {
    try {
      const state = await journal.state(lane)
      const through = status.appliedThrough(lane)
      if (through >= endSeen) {
        caughtUpMs = clock.monotonicMs()
        endSeen = state.lastSequence
      }
      const behindMs = clock.monotonicMs() - caughtUpMs
      status.laneBehind(lane, behindMs)
      tell(lane, state, through, behindMs)
    } catch {
      // The journal is closing: there is nothing to tell any more.
    }
  })
  return {
    onBegin: (after) => status.laneBegins(lane, after.sequence),
    onRun: ({ through }) => status.laneApplied(lane, through.sequence),
  }
}

/** What an operator must hear of: records that were acknowledged may be gone from the journal, and a new generation begins (J3). */
export function laneAlarm(metrics: Metrics, logger: Logger): (alarm: LaneAlarm) => void {
  return ({ reason, ...alarm }) => {
    metrics.counter('journalGenerationsRaised', { lane: String(alarm.lane), reason }).add(1)
    logger.error(`a lane of the journal was ${reason}: a new generation begins`, { ...alarm })
  }
}
