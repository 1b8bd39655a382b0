import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { systemClock } from '../../base/clock.ts'
import { localTransport } from '../../cluster/local-transport.ts'
import { SimulatedClock } from '../harness/simulated-clock.ts'
import { SimulatedNetwork } from '../harness/simulated-transport.ts'
import { transportContract } from './transport.ts'

describe('Transport in process', () => {
  transportContract(async () => {
    const transport = localTransport(systemClock)
    return { join: () => transport, release: () => transport.close() }
  })
})

describe('Transport, simulated', () => {
  transportContract(async () => {
    const network = new SimulatedNetwork({ clock: systemClock })
    let nodes = 0
    return { join: () => network.join(`node-${++nodes}`), release: async () => {} }
  })

  it('a partition cuts both ways until it heals, and drops are repeated by their seed', async () => {
    const run = async (seed: number): Promise<string> => {
      const clock = new SimulatedClock(seed)
      const network = new SimulatedNetwork({ clock, seed })
      network.delayMsMin = 1
      network.delayMsMax = 20
      const a = network.join('a')
      network.join('b').subscribe('ping', async () => new Uint8Array([1]))
      network.partition(['a'], ['b'])
      const options = { deadlineMs: 100 }
      await assert.rejects(clock.run(a.request('ping', new Uint8Array(), options)), { code: 'deadline_exceeded' })
      network.heal()
      network.dropProbability = 0.3
      let outcome = ''
      for (let i = 0; i < 20; i++) {
        const request = a.request('ping', new Uint8Array(), options)
        outcome += await clock.run(request).then(
          () => 'y',
          () => 'n',
        )
      }
      return `${outcome} ${clock.monotonicMs()}`
    }
    const first = await run(1)
    assert.match(first, /y.*n|n.*y/)
    assert.equal(await run(1), first)
    assert.notEqual(await run(2), first)
  })
})
