import assert from 'node:assert/strict'
import { it } from 'node:test'
import { SimulatedClock } from '../../harness/simulated-clock.ts'

it('time moves only when told, and runs what becomes due in the order of its time', async () => {
  const clock = new SimulatedClock(1, 1000)
  const seen: string[] = []
  clock.after(20, () => seen.push(`b ${clock.nowMs()}`))
  clock.after(10, () => seen.push(`a ${clock.nowMs()}`))
  const every = clock.every(15, () => seen.push(`e ${clock.nowMs()}`))
  const never = clock.after(5, () => seen.push('never'))
  never.cancel()
  await clock.advance(9)
  assert.deepEqual([seen, clock.nowMs()], [[], 1009])
  await clock.advance(30)
  assert.deepEqual(seen, ['a 1010', 'e 1015', 'b 1020', 'e 1030'])
  every.cancel()
  await clock.advance(100)
  assert.equal(seen.length, 4)
})

it('equal seeds give equal runs, other seeds other orders', async () => {
  const run = async (seed: number): Promise<string> => {
    const clock = new SimulatedClock(seed)
    let order = ''
    for (const name of 'abcdefgh') clock.after(5, () => (order += name))
    order += Buffer.from(clock.randomBytes(4)).toString('hex')
    await clock.advance(5)
    return order + clock.random()
  }
  assert.equal(await run(7), await run(7))
  assert.notEqual(await run(7), await run(8))
})

it('a promise is run to its end through sleeps and turns; one that nothing can settle is an error', async () => {
  const clock = new SimulatedClock(1)
  const work = async () => {
    for (let i = 0; i < 5; i++) await clock.sleep(1000)
    await clock.yieldTurn()
    return clock.monotonicMs()
  }
  assert.equal(await clock.run(work()), 5000)
  await assert.rejects(clock.run(Promise.reject(new Error('its own'))), { message: 'its own' })
  await assert.rejects(clock.run(new Promise(() => {})), /nothing is scheduled/)
})

it('a sleep ends with the reason of its signal', async () => {
  const clock = new SimulatedClock(1)
  const controller = new AbortController()
  const sleep = assert.rejects(clock.sleep(50, controller.signal), { message: 'enough' })
  controller.abort(new Error('enough'))
  await sleep
  assert.equal(await clock.step(), false)
})
