import { parentPort, workerData } from 'node:worker_threads'
import { lmdbEngine } from '../../storage/lmdb-kv.ts'

/** A thread that opens the same store as others and writes its own keys (first byte `writer`), one transaction each. */
const { directory, writer, count } = workerData as { directory: string; writer: number; count: number }
const store = await lmdbEngine().open(directory)
for (let i = 0; i < count; i++) {
  await store.transact([
    { kind: 'put', key: Uint8Array.of(writer, i), value: new Uint8Array(20_000).fill(i) },
    { kind: 'put', key: Uint8Array.of(writer), value: Uint8Array.of(i) },
  ])
}
await store.close()
parentPort?.postMessage('done')
