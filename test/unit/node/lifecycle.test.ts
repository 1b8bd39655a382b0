import { deepEqual, equal } from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { silentLogger } from '../../../base/logger.ts'
import { Lifecycle } from '../../../node/lifecycle.ts'
import { SimulatedClock } from '../../harness/simulated-clock.ts'

function setUp() {
  const clock = new SimulatedClock('lifecycle')
  const exits: number[] = []
  const lifecycle = new Lifecycle({
    clock,
    logger: silentLogger,
    drainTimeoutMs: 10_000,
    exit: (status) => exits.push(status),
  })
  const order: string[] = []
  const part = (name: string, takesMs = 0) =>
    lifecycle.onStop(name, async (deadline) => {
      if (takesMs > 0) await clock.sleep(takesMs)
      order.push(`${name} ${deadline.remainingMs}`)
    })
  return { clock, exits, lifecycle, order, part }
}

test('a signal stops the parts in reverse order of their start, within one deadline', async () => {
  const { clock, exits, lifecycle, order, part } = setUp()
  const emitter = new EventEmitter()
  const release = lifecycle.listen(emitter)
  part('journal', 100)
  part('workers', 2_000)
  part('http')
  equal(lifecycle.isDraining, false)
  emitter.emit('SIGTERM')
  equal(lifecycle.isDraining, true)
  equal(await clock.run(lifecycle.ended), 0)
  deepEqual(order, ['http 10000', 'workers 8000', 'journal 7900'])
  deepEqual(exits, [])
  release()
  equal(emitter.listenerCount('SIGTERM') + emitter.listenerCount('SIGINT'), 0)
})

test('a second signal ends the process at once, with the status of a killed process', () => {
  const { exits, lifecycle, part } = setUp()
  part('workers', 5_000)
  lifecycle.signal('SIGTERM')
  lifecycle.signal('SIGINT')
  deepEqual(exits, [130])
})

test('a part that fails or hangs does not keep the others from stopping, and the status says so', async () => {
  const { clock, lifecycle, order, part } = setUp()
  part('journal')
  lifecycle.onStop('hangs', () => new Promise(() => {}))
  lifecycle.onStop('fails', async () => {
    throw new Error('no')
  })
  equal(await clock.run(lifecycle.stop(0, 'test')), 1)
  deepEqual(order, ['journal 0'])
})

test('a stop for a failure keeps its status, and a signal during it joins it', async () => {
  const { clock, lifecycle, part } = setUp()
  part('workers', 1_000)
  const stopped = lifecycle.stop(70, 'an actor failed too often')
  lifecycle.signal('SIGTERM')
  equal(await clock.run(stopped), 70)
  equal(await lifecycle.ended, 70)
})
