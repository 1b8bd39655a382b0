import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe } from 'node:test'
import { systemClock } from '../../base/clock.ts'
import { openDirectoryObjectStore } from '../../storage/object-store/directory.ts'
import { MemoryObjectStore } from '../harness/memory-object-store.ts'
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
