import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { test } from 'node:test'
import { type Backlog, IngestBrake } from '../../../actors/ingest-brake.ts'
import { JOURNAL_RELIEVE_BYTES } from '../../../base/limits.ts'
import { SimulatedClock } from '../../harness/simulated-clock.ts'

const never = new AbortController().signal

/** For how long ingest rests in all, ms, when 100 pieces of work take a millisecond each. */
async function restMs(backlog: Partial<Backlog>): Promise<number> {
  const clock = new SimulatedClock('brake')
  const brake = new IngestBrake(() => ({ behindMs: 0, journalBytes: 0, ...backlog }), clock)
  const startedMs = clock.monotonicMs()
  for (let piece = 0; piece < 100; piece++) {
    brake.worked(1)
    await clock.run(brake.rest(never))
  }
  return clock.monotonicMs() - startedMs
}

test('who is hardly behind is not slowed down; who is, the more the farther, and never beyond bounds', async () => {
  const rests: number[] = []
  for (const behindMs of [0, 1000, 1500, 2000, 5000, 60_000, 3_600_000])
    rests.push(Math.round(await restMs({ behindMs })))
  deepEqual(rests, [0, 0, 200, 400, 1600, 6400, 6400])
})

test('a journal that is not relieved in time slows ingest down, but never as far as it would take to stop', async () => {
  const rests: number[] = []
  for (const times of [0, 0.5, 1, 1.25, 1.5, 3, 32]) {
    rests.push(Math.round(await restMs({ journalBytes: times * JOURNAL_RELIEVE_BYTES })))
  }
  deepEqual(rests, [0, 0, 0, 200, 400, 1600, 1600])
})

test('what was owed is forgiven once the node has caught up', async () => {
  const clock = new SimulatedClock('brake')
  let behindMs = 9000
  const brake = new IngestBrake(() => ({ behindMs, journalBytes: 0 }), clock)
  brake.worked(50)
  behindMs = 0
  brake.worked(50)
  await brake.rest(never)
  ok(clock.monotonicMs() === 0)
})

test('a thread that was held up in its work does not rest the longer for it', async () => {
  const clock = new SimulatedClock('brake')
  const brake = new IngestBrake(() => ({ behindMs: 60_000, journalBytes: 0 }), clock)
  brake.worked(10_000)
  await clock.run(brake.rest(never))
  equal(clock.monotonicMs(), 1000)
})

test('a rest ends when the client goes away', async () => {
  const brake = new IngestBrake(() => ({ behindMs: 9000, journalBytes: 0 }), new SimulatedClock('brake'))
  brake.worked(50)
  await rejects(brake.rest(AbortSignal.abort(new Error('gone'))), /gone/)
})
