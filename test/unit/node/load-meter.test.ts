import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LoadMeter } from '../../../node/load-meter.ts'
import { WorkerPulse } from '../../../node/worker-pulse.ts'
import { SimulatedClock } from '../../harness/simulated-clock.ts'

test('the load is a mean over about two seconds', async () => {
  const clock = new SimulatedClock(1)
  let rate = 100
  const totals = { records: 0, bytes: 0, cpuMs: 0 }
  const meter = new LoadMeter(clock, () => ({ ...totals }))
  const sample = async (times: number) => {
    let load = meter.sample()
    for (let i = 0; i < times; i++) {
      await clock.advance(500)
      totals.records += rate / 2
      totals.bytes += rate * 5
      totals.cpuMs += 250
      load = meter.sample()
    }
    return load
  }
  assert.deepEqual(meter.sample(), { recordsPerSecond: 0, bytesPerSecond: 0, cpuCores: 0 })
  assert.deepEqual(await sample(10), { recordsPerSecond: 100, bytesPerSecond: 1000, cpuCores: 0.5 })
  rate = 0
  assert.equal((await sample(5)).recordsPerSecond, 0)
})

test('what workers have done is seen by every thread that shares it', () => {
  const pulse = WorkerPulse.create(2)
  const worker = WorkerPulse.share(pulse.shared)
  worker.turn(1)
  worker.received(0, 10, 1000)
  worker.received(1, 5, 50)
  assert.deepEqual(pulse.totals(), { records: 15, bytes: 1050 })
  assert.deepEqual(pulse.progress(), [
    { worker: 'worker-0', turns: 0 },
    { worker: 'worker-1', turns: 1 },
  ])
})
