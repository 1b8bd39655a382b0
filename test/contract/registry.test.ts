import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe } from 'node:test'
import { systemClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/logger.ts'
import { createLmdbRegistry } from '../../cluster/lmdb-registry.ts'
import { openLmdbRegistry } from '../../cluster/lmdb-registry-remote.ts'
import { NatsConnection } from '../../cluster/nats-connection.ts'
import { openNatsRegistry } from '../../cluster/nats-registry.ts'
import type { Registry } from '../../cluster/registry.ts'
import { NatsServers } from '../harness/nats-server.ts'
import { SimulatedRegistry } from '../harness/simulated-registry.ts'
import { registryContract } from './registry.ts'

describe('Registry on LMDB, from its own thread and from others', () => {
  registryContract(async () => {
    const directory = await mkdtemp(join(tmpdir(), 'weir-registry-'))
    let host = await createLmdbRegistry({ directory })
    let connections = 0
    return {
      // Every second connection goes through a port, as another thread's would.
      connect: async () => (connections++ % 2 === 0 ? host : openLmdbRegistry(host.share())),
      async restart() {
        await host.close()
        host = await createLmdbRegistry({ directory })
      },
      async release() {
        await host.close()
        await rm(directory, { recursive: true })
      },
    }
  })
})

describe('Registry, simulated', () => {
  registryContract(async () => {
    const registry = new SimulatedRegistry()
    return { connect: async () => registry.connect(), restart: async () => registry.crash(), release: async () => {} }
  })
})

for (const count of [1, 3]) {
  describe(`Registry on JetStream, ${count === 1 ? 'one server' : `${count} servers`}`, () => {
    let servers: NatsServers
    let clusters = 0
    before(async () => {
      servers = await NatsServers.start(count)
    })
    after(() => servers.stop())

    registryContract(async () => {
      const cluster = `contract-${++clusters}`
      let open: { registry: Registry; connection: NatsConnection }[] = []
      let opened = 0
      const closeAll = async () => {
        for (const { registry, connection } of open) {
          await registry.close()
          await connection.close()
        }
        open = []
      }
      return {
        async connect() {
          const url = servers.urls[opened++ % count]!
          const connection = await NatsConnection.open({ servers: [url], name: 'contract' }, systemClock)
          const options = { connection, cluster, replicas: count, clock: systemClock, logger: silentLogger }
          const registry = await openNatsRegistry(options)
          open.push({ registry, connection })
          return registry
        },
        async restart() {
          await closeAll()
          for (let i = 0; i < count; i++) await servers.begin(i)
          await servers.ready()
        },
        release: closeAll,
      }
    })
  })
}
