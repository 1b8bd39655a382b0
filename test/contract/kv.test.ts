import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { lmdbEngine } from '../../storage/lmdb-kv.ts'
import { SimulatedKeyValueEngine } from '../harness/simulated-kv.ts'
import { keyValueContract } from './kv.ts'

describe('KeyValueStore on LMDB', () => {
  keyValueContract(async () => {
    const directory = await mkdtemp(join(tmpdir(), 'weir-kv-'))
    return {
      engine: lmdbEngine(),
      directory: join(directory, 'data'),
      release: () => rm(directory, { recursive: true }),
    }
  })
})

describe('KeyValueStore, simulated', () => {
  keyValueContract(async () => ({ engine: new SimulatedKeyValueEngine(), directory: '/data', release: async () => {} }))

  it('S10: after a crash there is what was flushed, and a prefix of the transactions behind it', async () => {
    const survivors = new Set<number>()
    for (let seed = 0; seed < 40; seed++) {
      const engine = new SimulatedKeyValueEngine(seed)
      const store = await engine.open('/day')
      const key = (n: number) => new Uint8Array([n + 1])
      for (let n = 0; n < 8; n++) {
        await store.transact([{ kind: 'put', key: key(n), value: key(n) }])
        if (n === 3) await store.flushed()
      }
      engine.crash()
      assert.throws(() => store.get(key(0)), { code: 'storage_unavailable' })
      const again = await engine.open('/day')
      const left = [...again.keys(new Uint8Array([0]), new Uint8Array([255]))].map((k) => k[0])
      assert.deepEqual(left, [1, 2, 3, 4, 5, 6, 7, 8].slice(0, left.length))
      assert.ok(left.length >= 4)
      survivors.add(left.length)
    }
    assert.deepEqual([...survivors].sort(), [4, 5, 6, 7, 8], 'seeds explore every prefix')
  })
})
