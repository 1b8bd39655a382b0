import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ShardState } from '../../../actors/messages/shard.ts'
import { LaneEnds, ShardPace } from '../../../actors/shard-lag.ts'
import type { LaneId, ShardId } from '../../../base/ids.ts'

const WALL_MS = 1_000_000

function stateAt(sequence: number, more: Partial<ShardState> = {}): ShardState {
  return {
    shard: 0 as ShardId,
    lane: 0 as LaneId,
    role: 'owner',
    epoch: 1,
    isOutdated: false,
    applied: { generation: 1, sequence },
    isCaughtUp: true,
    floor: { generation: 0, sequence: 0 },
    rowsPerFrame: 2.5,
    appliedMs: WALL_MS - 60_000,
    ...more,
  }
}

function endAt(lastSequence: number, firstSequence = 1, generation = 1) {
  return { generation, firstSequence, lastSequence }
}

describe('the lag of a shard', () => {
  it('is nothing when the end of its lane is applied, and not known before the lane was looked at, or when that is long ago', () => {
    const ends = new LaneEnds()
    assert.deepEqual(ends.lagOf(stateAt(10), 0, WALL_MS), { records: null, ms: null })
    ends.see(endAt(10), 100)
    assert.deepEqual(ends.lagOf(stateAt(10), 150, WALL_MS), { records: 0, ms: 0 })
    assert.deepEqual(ends.lagOf(stateAt(10), 20_000, WALL_MS), { records: null, ms: null })
  })

  it('counts from when the first frame that waits was seen, however long there was none before', () => {
    const ends = new LaneEnds()
    ends.see(endAt(10), 1000)
    ends.see(endAt(12), 2000)
    ends.see(endAt(30), 3000)
    assert.deepEqual(ends.lagOf(stateAt(10), 3500, WALL_MS), { records: 50, ms: 1500 })
    assert.deepEqual(ends.lagOf(stateAt(12), 3500, WALL_MS), { records: 45, ms: 500 })
  })

  it('of one that reads what was there before it was opened counts from the journal’s time', () => {
    const ends = new LaneEnds()
    ends.see(endAt(10), 1000)
    assert.deepEqual(ends.lagOf(stateAt(4, { isCaughtUp: false }), 1000, WALL_MS), { records: 15, ms: 60_000 })
    const unread = { isCaughtUp: false, rowsPerFrame: null, appliedMs: null }
    assert.deepEqual(ends.lagOf(stateAt(4, unread), 1000, WALL_MS), { records: null, ms: 0 })
  })

  it('J3: is all that is kept where the lane is of another generation', () => {
    const ends = new LaneEnds()
    ends.see(endAt(500), 1000)
    ends.see(endAt(20, 11, 2), 2000)
    assert.equal(ends.lagOf(stateAt(400), 2000, WALL_MS).records, 25)
  })

  it('is told with bounded memory', () => {
    const ends = new LaneEnds()
    for (let n = 1; n <= 10_000; n++) ends.see(endAt(n), n * 100)
    const { records, ms } = ends.lagOf(stateAt(100), 1_000_000, WALL_MS)
    assert.equal(records, 24_750)
    // Seen after 10,100 ms; the distance between those that are kept is 1 % of what they span.
    assert.ok(ms !== null && ms <= 989_900 && ms > 970_000, `${ms}`)
    ends.applied({ generation: 1, sequence: 9999 })
    assert.deepEqual(ends.lagOf(stateAt(9999), 1_000_500, WALL_MS), { records: 3, ms: 500 })
  })
})

it('the pace of a shard follows what frames lately held', () => {
  const pace = new ShardPace()
  assert.deepEqual([pace.rowsPerFrame, pace.appliedMs], [null, null])
  for (let n = 0; n < 100; n++) pace.applied(100, 1000, n)
  assert.deepEqual([pace.rowsPerFrame, pace.appliedMs], [10, 99])
  for (let n = 0; n < 400; n++) pace.applied(100, 0, 100)
  assert.ok(pace.rowsPerFrame! < 0.1)
})
