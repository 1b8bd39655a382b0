import { equal, match } from 'node:assert/strict'
import { test } from 'node:test'
import { Patience } from '../../../../storage/object-store/patience.ts'
import { SimulatedClock } from '../../../harness/simulated-clock.ts'

test('patience ends after its time, counted from when something was last heard', async () => {
  const clock = new SimulatedClock('patience')
  const patience = new Patience(clock, 100, 'get')
  await clock.advance(90)
  patience.renew(100)
  await clock.advance(90)
  equal(patience.signal.aborted, false)
  await clock.advance(20)
  equal(patience.signal.aborted, true)
  match(String(patience.signal.reason), /get took too long/)
})

test('patience that has ended does not run out', async () => {
  const clock = new SimulatedClock('ended')
  const patience = new Patience(clock, 100, 'get')
  patience.end()
  await clock.advance(1000)
  equal(patience.signal.aborted, false)
})
