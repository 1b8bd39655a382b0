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

/** What the reader of a lane tells. */
export interface WatchedLane {
  /** The lane is read from now on; all up to `after` is applied. */
  readonly onBegin: (after: Position) => void
  readonly onRun: (run: { readonly through: Position }) => void
  /** No shard of the lane is on this node any more. */
  readonly onEnd: () => void
}

/**
 * Tells once a second how full a lane is and how far its reader is behind it: for metrics, and for the status that queries look at (Q2). A reader
 * is behind since the last time at which the journal's end was seen that it has reached by now; so it is, too, while the end cannot be seen.
 */
export function watchLane(lane: LaneId, { journal, clock, status, tell }: LaneWatchParts): WatchedLane {
  let isRead = false
  let isLooking = false
  let end = { sequence: 0, seenMs: clock.monotonicMs() }
  let reachedMs = end.seenMs
  const behindMs = () => (isRead ? clock.monotonicMs() - reachedMs : 0)
  const reach = () => {
    if (status.appliedThrough(lane) >= end.sequence) reachedMs = end.seenMs
  }
  const look = async () => {
    const seenMs = clock.monotonicMs()
    const state = await journal.state(lane)
    reach()
    // A journal that begins anew has a lower end.
    if (reachedMs === end.seenMs || state.lastSequence < end.sequence) {
      end = { sequence: state.lastSequence, seenMs }
      reach()
    }
    status.laneBehind(lane, behindMs())
    // Others publish what it keeps: slowing this node down would not shorten it.
    status.laneKeeps(lane, isRead ? state.bytes : 0)
    tell(lane, state, status.appliedThrough(lane), behindMs())
  }
  clock.every(PERIOD_MS, () => {
    status.laneBehind(lane, behindMs())
    if (isLooking) return
    isLooking = true
    // What fails is done again, and the lane is behind until then.
    void look()
      .catch(() => undefined)
      .finally(() => {
        isLooking = false
      })
  })
  return {
    onBegin(after) {
      status.laneBegins(lane, after.sequence)
      end = { sequence: after.sequence, seenMs: clock.monotonicMs() }
      reachedMs = end.seenMs
      isRead = true
    },
    onRun: ({ through }) => status.laneApplied(lane, through.sequence),
    onEnd() {
      isRead = false
      status.laneBehind(lane, 0)
      status.laneKeeps(lane, 0)
    },
  }
}

/** What an operator must hear of: records that were acknowledged may be gone from the journal, and a new generation begins (J3). */
export function laneAlarm(metrics: Metrics, logger: Logger): (alarm: LaneAlarm) => void {
  return ({ reason, ...alarm }) => {
    metrics.counter('journalGenerationsRaised', { lane: String(alarm.lane), reason }).add(1)
    logger.error(`a lane of the journal was ${reason}: a new generation begins`, { ...alarm })
  }
}
