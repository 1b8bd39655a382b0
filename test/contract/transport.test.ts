import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { systemClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/logger.ts'
import { localTransport } from '../../cluster/local-transport.ts'
import { NatsConnection } from '../../cluster/nats-connection.ts'
import { type NatsTransport, openNatsTransport } from '../../cluster/nats-transport.ts'
import { NatsServers } from '../harness/nats-server.ts'
import { SimulatedClock } from '../harness/simulated-clock.ts'
import { SimulatedNetwork } from '../harness/simulated-transport.ts'
import { transportContract } from './transport.ts'

describe('Transport in process', () => {
  transportContract(async () => {
    const transport = localTransport(systemClock)
    return { join: async () => transport, settle: async () => {}, release: () => transport.close() }
  })
})

describe('Transport, simulated', () => {
  transportContract(async () => {
    const network = new SimulatedNetwork({ clock: systemClock })
    let nodes = 0
    const join = async () => network.join(`node-${++nodes}`)
    return { join, settle: async () => {}, release: async () => {} }
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

for (const count of [1, 3]) {
  describe(`Transport over NATS, ${count === 1 ? 'one server' : `${count} servers`}`, () => {
    let servers: NatsServers
    before(async () => {
      servers = await NatsServers.start(count)
    })
    after(() => servers.stop())

    transportContract(async () => {
      const open: { readonly transport: NatsTransport; readonly connection: NatsConnection }[] = []
      let marks = 0
      return {
        async join() {
          const url = servers.urls[open.length % count]!
          const connection = await NatsConnection.open({ servers: [url], name: 'contract' }, systemClock)
          const transport = await openNatsTransport({ connection, clock: systemClock, logger: silentLogger })
          open.push({ transport, connection })
          return transport
        },
        async settle() {
          // Servers tell one another of subscriptions in their order: who knows of the last knows of all.
          for (const to of open) {
            const mark = `mark.${++marks}`
            const end = to.transport.subscribe(mark, async () => new Uint8Array())
            for (const from of open) await reached(from.transport, mark)
            end()
          }
        },
        async release() {
          for (const { transport, connection } of open) {
            await transport.close()
            const { asked, receiving, addresses } = transport.observe()
            assert.deepEqual({ asked, receiving, addresses }, { asked: 0, receiving: 0, addresses: 0 })
            await connection.close()
          }
        },
      }
    })
  })
}

async function reached(from: NatsTransport, subject: string): Promise<void> {
  const untilMs = systemClock.monotonicMs() + 10_000
  for (;;) {
    try {
      await from.request(subject, new Uint8Array(), { deadlineMs: 10_000 })
      return
    } catch (error) {
      if (systemClock.monotonicMs() > untilMs) throw error
    }
  }
}
