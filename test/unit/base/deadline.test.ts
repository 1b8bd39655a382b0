import { equal, ok, throws } from 'node:assert/strict'
import { test } from 'node:test'
import { Deadline } from '../../../base/deadline.ts'
import { WeirError } from '../../../base/errors.ts'
import { SimulatedClock } from '../../harness/simulated-clock.ts'

const isLate = (error: unknown) => error instanceof WeirError && error.code === 'deadline_exceeded'

test('a deadline counts down to zero and then has passed', async () => {
  const clock = new SimulatedClock('deadline')
  const deadline = new Deadline(clock, 100)
  await clock.advance(60)
  equal(deadline.remainingMs, 40)
  deadline.check('the work')
  await clock.advance(60)
  equal(deadline.remainingMs, 0)
  ok(deadline.passed)
  throws(() => deadline.check('the work'), isLate)
})

test('its signal aborts at the deadline, or earlier with the reason of its parent', async () => {
  const clock = new SimulatedClock('deadline')
  const own = new Deadline(clock, 100).signal()
  const parent = new AbortController()
  const child = new Deadline(clock, 100).signal(parent.signal)
  const late = new Deadline(clock, 100).signal(AbortSignal.abort('gone'))
  equal(late.signal.reason, 'gone')
  parent.abort('cancelled')
  equal(child.signal.reason, 'cancelled')
  await clock.advance(99)
  equal(own.signal.aborted, false)
  await clock.advance(1)
  ok(isLate(own.signal.reason))
})

test('a released signal never aborts and an infinite deadline sets no timer', async () => {
  const clock = new SimulatedClock('deadline')
  const released = new Deadline(clock, 10).signal()
  released.release()
  const endless = new Deadline(clock, Number.POSITIVE_INFINITY).signal()
  await clock.advance(1_000)
  equal(released.signal.aborted || endless.signal.aborted, false)
  equal(await clock.step(), false)
})
