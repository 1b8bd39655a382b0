import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { Worker } from 'node:worker_threads'
import { lmdbEngine } from '../../../storage/lmdb-kv.ts'

it('T1: a store that several threads have open takes the writes of all and shows them to all', async () => {
  const root = await mkdtemp(join(tmpdir(), 'weir-kv-threads-'))
  const directory = join(root, '7', '2026-01-01')
  const count = 30
  try {
    const store = await lmdbEngine().open(directory)
    const writers = [1, 2].map((writer) => {
      const workerData = { directory, writer, count }
      const worker = new Worker(new URL('../../harness/kv-writer.ts', import.meta.url), { workerData })
      return new Promise<void>((resolve, reject) => {
        worker.once('error', reject)
        worker.once('exit', () => resolve())
      })
    })
    let isDone = false
    const allWritten = Promise.all(writers).then(() => {
      isDone = true
    })
    let lastSeen = 0
    while (!isDone) {
      // Of one transaction there is both or neither, whenever this thread looks.
      const newest = store.get(Uint8Array.of(1))?.[0]
      if (newest !== undefined) {
        assert.ok(newest >= lastSeen)
        assert.deepEqual(store.get(Uint8Array.of(1, newest)), new Uint8Array(20_000).fill(newest))
        lastSeen = newest
      }
      await new Promise((resolve) => setImmediate(resolve))
    }
    await allWritten
    await new Promise((resolve) => setImmediate(resolve))
    for (const writer of [1, 2]) {
      assert.equal([...store.keys(Uint8Array.of(writer, 0), Uint8Array.of(writer + 1))].length, count)
    }
    await store.close()
  } finally {
    await rm(root, { recursive: true })
  }
})
