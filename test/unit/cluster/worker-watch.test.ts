import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WORKER_STUCK_MS } from '../../../base/limits.ts'
import { createLogger } from '../../../base/logger.ts'
import { WorkerWatch } from '../../../cluster/worker-watch.ts'
import { SimulatedClock } from '../../harness/simulated-clock.ts'

test('a worker that stands still is called stuck, once, until it goes on (T2)', async () => {
  const clock = new SimulatedClock(1)
  const lines: string[] = []
  const watch = new WorkerWatch(clock, createLogger({ level: 'info', write: (line) => lines.push(line) }))
  const look = async (turns: number, times: number) => {
    let stuck: readonly string[] = []
    for (let i = 0; i < times; i++) {
      await clock.advance(500)
      stuck = watch.look([{ worker: 'worker-0', turns }])
    }
    return stuck
  }
  assert.deepEqual(await look(1, WORKER_STUCK_MS / 500), [])
  assert.deepEqual(await look(1, 1), ['worker-0'])
  assert.deepEqual(await look(1, 20), ['worker-0'])
  assert.equal(lines.length, 1)
  assert.match(lines[0]!, /worker-0/)
  assert.deepEqual(await look(2, 1), [])
  assert.equal(lines.length, 2)
})

test('a process that was paused does not take its workers for stuck', async () => {
  const clock = new SimulatedClock(1)
  const watch = new WorkerWatch(clock, createLogger({ level: 'info', write: (line) => assert.fail(line) }))
  watch.look([{ worker: 'worker-0', turns: 1 }])
  await clock.advance(600_000)
  assert.deepEqual(watch.look([{ worker: 'worker-0', turns: 1 }]), [])
})

test('a worker that takes long to start is not called stuck', async () => {
  const clock = new SimulatedClock(1)
  const watch = new WorkerWatch(clock, createLogger({ level: 'info', write: (line) => assert.fail(line) }))
  for (let i = 0; i < WORKER_STUCK_MS / 100; i++) {
    await clock.advance(500)
    assert.deepEqual(watch.look([{ worker: 'worker-0', turns: 0 }]), [])
  }
})
