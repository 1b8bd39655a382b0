import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe } from 'node:test'
import { createLmdbRegistry } from '../../cluster/lmdb-registry.ts'
import { openLmdbRegistry } from '../../cluster/lmdb-registry-remote.ts'
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
