import { assert } from '../base/assert.ts'
import { DAY_MS, type DayNumber, dayOf } from '../base/ids.ts'

/**
 * The oldest day that may still hold rows to keep at `nowMs`, where a row is kept for `retentionDays` after its own time. A day
 * goes only when its last row is too old, so up to one day more is kept. A clock that jumps is the caller's to doubt.
 */
export function oldestKeptDay(nowMs: number, retentionDays: number): DayNumber {
  assert(Number.isFinite(nowMs) && retentionDays > 0, 'retention is a positive number of days')
  return dayOf(nowMs - retentionDays * DAY_MS)
}

/** Which of `days` hold nothing to keep any more; ascending, each once. */
export function daysToDrop(days: Iterable<DayNumber>, nowMs: number, retentionDays: number): DayNumber[] {
  const oldest = oldestKeptDay(nowMs, retentionDays)
  const expired = new Set<DayNumber>()
  for (const day of days) if (day < oldest) expired.add(day)
  return [...expired].sort((a, b) => a - b)
}

/** The earliest time of a row that is still taken in; anything older goes to the dead letters (D5). */
export function oldestAcceptedMs(nowMs: number, retentionDays: number): number {
  assert(Number.isFinite(nowMs) && retentionDays > 0, 'retention is a positive number of days')
  return nowMs - retentionDays * DAY_MS
}
