import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WeirError } from '../../../base/errors.ts'
import type { LaneId } from '../../../base/ids.ts'
import { watchLane } from '../../../node/lane-watch.ts'
import { NodeStatus } from '../../../node/node-status.ts'
import { SimulatedClock } from '../../harness/simulated-clock.ts'
import { SimulatedJournal } from '../../harness/simulated-journal.ts'

const LANE = 1 as LaneId
const at = (sequence: number) => ({ generation: 1, sequence })

function watched() {
  const clock = new SimulatedClock(1)
  const log = new SimulatedJournal({ laneCount: 2, bytesMax: 1e6, nowMs: () => clock.nowMs() })
  const journal = log.connect()
  const status = NodeStatus.create(2)
  const lane = watchLane(LANE, { journal, clock, status, tell: () => undefined })
  const append = (id: string) => journal.append(LANE, id, new Uint8Array(8))
  return { clock, log, status, lane, append, behindMs: () => status.behindMs(LANE) }
}

test('a reader is behind since the end that it has not reached was seen', async () => {
  const { clock, lane, append, behindMs } = watched()
  lane.onBegin(at(0))
  await append('a')
  await clock.advance(3000)
  assert(behindMs() >= 2000, `${behindMs()} ms behind`)
  lane.onRun({ through: at(1) })
  await clock.advance(2000)
  assert.equal(behindMs(), 0)
  // It goes on, but never as far as it should have been: half of each second's frames.
  for (let second = 1; second <= 10; second++) {
    for (let k = 0; k < 2; k++) await append(`${second}/${k}`)
    lane.onRun({ through: at(1 + second) })
    await clock.advance(1000)
  }
  assert(behindMs() >= 4000, `${behindMs()} ms behind`)
})

test('the reader of a lane of which no shard is here is not behind, and begins anew when one comes', async () => {
  const { clock, lane, append, behindMs } = watched()
  await append('a')
  await clock.advance(10_000)
  assert.equal(behindMs(), 0)
  lane.onBegin(at(1))
  await clock.advance(1000)
  lane.onEnd()
  await append('b')
  await clock.advance(10_000)
  assert.equal(behindMs(), 0)
  lane.onBegin(at(2))
  await clock.advance(10_000)
  assert.equal(behindMs(), 0)
})

test('a reader is behind while the end of the lane cannot be seen', async () => {
  const { clock, log, lane, behindMs } = watched()
  lane.onBegin(at(0))
  await clock.advance(5000)
  assert.equal(behindMs(), 0)
  const error = new WeirError('storage_unavailable', 'no server')
  log.fault = (call) => (call === 'state' ? { when: 'before', error } : undefined)
  await clock.advance(8000)
  assert(behindMs() >= 7000, `${behindMs()} ms behind`)
  log.fault = () => undefined
  await clock.advance(2000)
  assert.equal(behindMs(), 0)
})

test('a journal that begins anew has an end that can be reached', async () => {
  const { clock, log, lane, append, behindMs } = watched()
  lane.onBegin(at(0))
  for (const id of ['a', 'b', 'c']) await append(id)
  lane.onRun({ through: at(3) })
  await clock.advance(2000)
  log.recreate(LANE)
  await append('d')
  lane.onRun({ through: { generation: 2, sequence: 1 } })
  await clock.advance(3000)
  assert.equal(behindMs(), 0)
})

test('what a lane keeps counts for a node that holds a shard of it, and for no other', async () => {
  const { clock, status, lane, append } = watched()
  await append('a')
  await clock.advance(2000)
  assert.equal(status.backlog().journalBytes, 0)
  lane.onBegin(at(0))
  await clock.advance(2000)
  assert.equal(status.backlog().journalBytes, 8)
  lane.onEnd()
  assert.equal(status.backlog().journalBytes, 0)
  await clock.advance(2000)
  assert.equal(status.backlog().journalBytes, 0)
})
