import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { DAY_MS, type DayNumber, dayOf } from '../../../base/ids.ts'
import { daysToDrop, oldestAcceptedMs, oldestKeptDay } from '../../../storage/retention.ts'

const day = fc.integer({ min: -10, max: 100_000 }).map((n) => n as DayNumber)
const now = fc.integer({ min: 0, max: 4e12 })
const days = fc.oneof(fc.integer({ min: 1, max: 4000 }), fc.constantFrom(0.5, 1.25))

describe('retention', () => {
  it('drops a day exactly when its last millisecond is too old', () => {
    fc.assert(
      fc.property(fc.array(day), now, days, (all, nowMs, retentionDays) => {
        const dropped = daysToDrop(all, nowMs, retentionDays)
        for (const d of all) {
          const endMs = (d + 1) * DAY_MS - 1
          assert.equal(dropped.includes(d), endMs < nowMs - retentionDays * DAY_MS)
        }
        assert.deepEqual(
          dropped,
          [...new Set(dropped)].sort((a, b) => a - b),
        )
      }),
    )
  })

  it('never drops a day into which rows are still taken', () => {
    fc.assert(
      fc.property(now, days, (nowMs, retentionDays) => {
        assert.ok(dayOf(oldestAcceptedMs(nowMs, retentionDays)) >= oldestKeptDay(nowMs, retentionDays))
      }),
    )
  })
})
