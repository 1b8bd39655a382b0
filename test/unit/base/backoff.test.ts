import { equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { Backoff } from '../../../base/backoff.ts'
import { SimulatedClock } from '../../harness/simulated-clock.ts'

const POLICY = { firstMs: 100, maxMs: 1_500, factor: 2 }

test('delays stay in the upper half of a range that doubles up to its maximum', () => {
  const backoff = new Backoff(new SimulatedClock('backoff'), POLICY)
  for (const ceilingMs of [100, 200, 400, 800, 1_500, 1_500]) {
    const delayMs = backoff.nextMs()
    ok(delayMs >= ceilingMs / 2 && delayMs <= ceilingMs, `${delayMs} of ${ceilingMs}`)
  }
  equal(backoff.attempts, 6)
  backoff.reset()
  ok(backoff.nextMs() <= 100)
})

test('a long outage does not overflow the delay', () => {
  const backoff = new Backoff(new SimulatedClock('backoff'), POLICY)
  for (let i = 0; i < 5_000; i++) ok(backoff.nextMs() <= POLICY.maxMs)
})

test('delays follow the seed of the clock', () => {
  const first = new Backoff(new SimulatedClock(1), POLICY)
  const again = new Backoff(new SimulatedClock(1), POLICY)
  const other = new Backoff(new SimulatedClock(2), POLICY)
  const delayMs = first.nextMs()
  equal(again.nextMs(), delayMs)
  ok(other.nextMs() !== delayMs)
})
