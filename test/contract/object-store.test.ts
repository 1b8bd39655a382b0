import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe } from 'node:test'
import { systemClock } from '../../base/clock.ts'
import { openCachedObjectStore } from '../../storage/object-store/cached.ts'
import { openDirectoryObjectStore } from '../../storage/object-store/directory.ts'
import { openS3ObjectStore } from '../../storage/object-store/s3.ts'
import { MemoryObjectStore } from '../harness/memory-object-store.ts'
import { MemoryRemoteStore } from '../harness/memory-remote-store.ts'
import { S3Server, s3OptionsAt } from '../harness/s3-server.ts'
import { objectStoreContract } from './object-store.ts'

describe('ObjectStore in a directory', () => {
  objectStoreContract(async () => {
    const root = await mkdtemp(join(tmpdir(), 'weir-objects-'))
    const store = await openDirectoryObjectStore(root, systemClock)
    const release = async () => {
      store.close()
      await rm(root, { recursive: true })
    }
    return { store, release }
  })
})

describe('ObjectStore in memory', () => {
  objectStoreContract(async () => ({ store: new MemoryObjectStore(), release: async () => {} }))
})

describe('ObjectStore with a cache before it', () => {
  for (const bytesMax of [0, 3000, 1024 ** 3]) {
    describe(`of at most ${bytesMax} bytes`, () => {
      objectStoreContract(async () => {
        const directory = await mkdtemp(join(tmpdir(), 'weir-cache-'))
        const remote = new MemoryRemoteStore()
        const options = { remote, directory, bytesMax, clock: systemClock, isCached: () => true }
        const store = await openCachedObjectStore(options)
        const release = async () => {
          await store.close()
          await rm(directory, { recursive: true, force: true })
        }
        return { store, release }
      })
    })
  }
})

describe('ObjectStore on S3', () => {
  let server: S3Server
  let buckets = 0
  before(async () => {
    server = await S3Server.start()
  })
  after(() => server.remove())

  for (const prefix of ['', 'some/cluster']) {
    describe(prefix === '' ? 'without a prefix' : 'with a prefix', () => {
      objectStoreContract(async () => {
        const options = s3OptionsAt(server.endpoint, `contract-${++buckets}`)
        const store = await openS3ObjectStore({ ...options, prefix, clock: systemClock })
        return { store, release: async () => store.close() }
      })
    })
  }
})
