import { equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../../base/clock.ts'
import { Metrics } from '../../../base/metrics.ts'
import { watchProcess } from '../../../node/process-metrics.ts'

test('a blocked event loop is seen, once', async (context) => {
  const metrics = new Metrics()
  context.after(watchProcess(metrics, 'main', true))
  const values = () => new Map(metrics.snapshot().map(({ key, value }) => [key, value]))
  values()
  // The first sample after a snapshot only starts the next interval.
  await systemClock.sleep(30)
  const until = systemClock.monotonicMs() + 60
  while (systemClock.monotonicMs() < until) {}
  await systemClock.sleep(30)
  const after = values()
  const delaySeconds = after.get('eventLoopDelaySeconds')!
  ok(delaySeconds > 0.04, String(delaySeconds))
  ok(
    after.get('processResidentBytes')! > 1e7 && after.get('heapBytes')! > 1e6 && after.get('processCpuSeconds')! > 0.05,
  )
  equal(values().get('eventLoopDelaySeconds')! < delaySeconds, true)
})

test('the pauses of garbage collections are counted', async (context) => {
  const metrics = new Metrics()
  context.after(watchProcess(metrics, 'main', false))
  const kept: object[] = []
  const pauses = () => {
    kept.push(Array.from({ length: 200_000 }, (_, i) => ({ i })))
    const { counts, value } = metrics.snapshot().find(({ key }) => key === 'gcPauseSeconds')!
    return { count: counts!.reduce((sum, one) => sum + one, 0), seconds: value }
  }
  for (let round = 0; pauses().count === 0; round++) {
    ok(round < 500, 'no collection was seen')
    await systemClock.sleep(5)
  }
  ok(pauses().seconds > 0)
})
