import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import * as fc from 'fast-check'
import { systemClock } from '../../../../base/clock.ts'
import { WeirError } from '../../../../base/errors.ts'
import { Prng } from '../../../../base/prng.ts'
import {
  type CachedObjectStore,
  type CachedOptions,
  openCachedObjectStore,
} from '../../../../storage/object-store/cached.ts'
import { contentHashOf } from '../../../../storage/object-store/object-keys.ts'
import { PAGE_BYTES } from '../../../../storage/object-store/page-cache.ts'
import { MemoryRemoteStore } from '../../../harness/memory-remote-store.ts'
import { waitUntil } from '../../../harness/weir-client.ts'

const GIB = 1024 ** 3

function directoryOf(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'weir-cached-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

async function open(
  t: TestContext,
  remote: MemoryRemoteStore,
  options: Partial<CachedOptions> = {},
): Promise<{ store: CachedObjectStore; lookups: { hits: number; misses: number }; failures: string[] }> {
  const lookups = { hits: 0, misses: 0 }
  const failures: string[] = []
  const store = await openCachedObjectStore({
    remote,
    directory: options.directory ?? directoryOf(t),
    bytesMax: GIB,
    clock: systemClock,
    onLookup: (isHit) => (isHit ? lookups.hits++ : lookups.misses++),
    onFailure: (code) => failures.push(code),
    ...options,
  })
  t.after(() => store.close())
  return { store, lookups, failures }
}

function object(byteLength: number): { key: string; bytes: Uint8Array } {
  const bytes = new Prng(byteLength).bytes(byteLength)
  return { key: `v1/0/2026-01-02/1-1.1-1.2-${contentHashOf(bytes)}.seg`, bytes }
}

/** An object that another node has put. */
function remoteWith(byteLength: number): { remote: MemoryRemoteStore; key: string; bytes: Uint8Array } {
  const remote = new MemoryRemoteStore()
  const { key, bytes } = object(byteLength)
  remote.objects.set(key, bytes)
  return { remote, key, bytes }
}

/** Pages are kept behind the back of the reader. */
async function untilCached(store: CachedObjectStore, bytes: number): Promise<void> {
  await waitUntil(
    () => store.cachedBytes >= bytes,
    () => `${bytes} bytes are cached, not ${store.cachedBytes}`,
  )
}

test('a second read asks nobody, also after a restart', async (t) => {
  const { remote, key, bytes } = remoteWith(300_000)
  const directory = directoryOf(t)
  const first = await open(t, remote, { directory })
  deepEqual(await first.store.get(key, { offset: -1000 }), bytes.slice(-1000))
  await untilCached(first.store, bytes.length)
  deepEqual(await first.store.get(key, { offset: 10, length: 20 }), bytes.slice(10, 30))
  deepEqual(first.lookups, { hits: 1, misses: 1 })
  const second = await open(t, remote, { directory })
  deepEqual(await second.store.get(key, { offset: 10, length: 20 }), bytes.slice(10, 30))
  deepEqual(await second.store.get(key), bytes)
  equal(remote.ranges.length, 1)
})

test('a page is fetched when something of it is wanted, pages that lie together at once', async (t) => {
  const { remote, key, bytes } = remoteWith(5 * PAGE_BYTES + 1000)
  const { store } = await open(t, remote)
  await store.get(key, { offset: -64 * 1024 })
  deepEqual(remote.ranges, [{ key, offset: -PAGE_BYTES, length: undefined }])
  deepEqual(await store.get(key, { offset: 500, length: PAGE_BYTES + 1000 }), bytes.slice(500, PAGE_BYTES + 1500))
  deepEqual(remote.ranges[1], { key, offset: 0, length: 1000 + 2 * PAGE_BYTES })
  remote.ranges.length = 0
  ok(Buffer.from(await store.get(key)).equals(bytes))
  deepEqual(remote.ranges, [{ key, offset: 1000 + 2 * PAGE_BYTES, length: 2 * PAGE_BYTES }])
})

test('a page that several want at the same time is fetched once', async (t) => {
  const { remote, key, bytes } = remoteWith(3 * PAGE_BYTES)
  const { store } = await open(t, remote)
  const gate = Promise.withResolvers<void>()
  remote.gate = gate.promise
  const reads = Array.from({ length: 20 }, (_, i) => store.get(key, { offset: i * 100, length: 100 }))
  gate.resolve()
  for (const [i, read] of (await Promise.all(reads)).entries()) deepEqual(read, bytes.slice(i * 100, i * 100 + 100))
  equal(remote.ranges.length, 2, 'the last page, which tells the size, and the first')
})

test('what this node has put it does not fetch', async (t) => {
  const remote = new MemoryRemoteStore()
  const { store } = await open(t, remote)
  const { key, bytes } = object(2 * PAGE_BYTES + 5)
  await store.put(key, bytes)
  ok(Buffer.from(await store.get(key)).equals(bytes))
  deepEqual(await store.get(key, { offset: -5 }), bytes.slice(-5))
  equal(remote.ranges.length, 0)
  equal(remote.objects.has(key), true)
})

test('an object that is not what its name says is refused and not kept', async (t) => {
  for (const byteLength of [300_000, 3 * PAGE_BYTES]) {
    const { remote, key, bytes } = remoteWith(byteLength)
    const { store } = await open(t, remote)
    const damaged = bytes.slice()
    damaged[byteLength / 2]! ^= 1
    remote.objects.set(key, damaged)
    const isCorrupt = (error: unknown) => error instanceof WeirError && error.code === 'corrupt_data'
    await rejects(store.get(key), isCorrupt)
    await rejects(store.get(key), isCorrupt)
    remote.objects.set(key, bytes)
    ok(Buffer.from(await store.get(key)).equals(bytes), 'once it is right again')
  }
})

test('an object whose name does not tell its content is not kept', async (t) => {
  const remote = new MemoryRemoteStore()
  const { store } = await open(t, remote)
  await store.put('latest', new Uint8Array([1]))
  deepEqual(await store.get('latest'), new Uint8Array([1]))
  remote.objects.set('latest', new Uint8Array([2]))
  deepEqual(await store.get('latest'), new Uint8Array([2]))
  equal(store.cachedBytes, 0)
})

test('failures of the store are told and not remembered', async (t) => {
  const { remote, key, bytes } = remoteWith(3 * PAGE_BYTES)
  const { store } = await open(t, remote)
  const error = new WeirError('storage_unavailable', 'away')
  remote.fault = () => ({ kind: 'before', error })
  await rejects(store.get(key, { offset: 0, length: 10 }), error)
  await rejects(store.put(key, bytes), error)
  equal(store.cachedBytes, 0)
  remote.fault = () => undefined
  await store.get(key, { offset: -10 })
  remote.fault = () => ({ kind: 'truncate', length: 100 })
  const isCorrupt = (error: unknown) => error instanceof WeirError && error.code === 'corrupt_data'
  await rejects(store.get(key, { offset: 0, length: 1000 }), isCorrupt)
  remote.fault = () => undefined
  ok(Buffer.from(await store.get(key)).equals(bytes))
})

test('a local disk that fails costs time only', async (t) => {
  const { remote, key, bytes } = remoteWith(2 * PAGE_BYTES)
  const directory = directoryOf(t)
  const { store, failures } = await open(t, remote, { directory })
  rmSync(directory, { recursive: true })
  ok(Buffer.from(await store.get(key)).equals(bytes))
  ok(Buffer.from(await store.get(key)).equals(bytes))
  await store.put(key, bytes)
  await store.delete(key)
  await waitUntil(
    () => failures.length > 0,
    () => 'the failure is told',
  )
})

test('any range of any object is what the object has there, however small the cache', async (t) => {
  const remote = new MemoryRemoteStore()
  const sizes = [0, 1, PAGE_BYTES - 1, PAGE_BYTES, PAGE_BYTES + 1, 3 * PAGE_BYTES + 77]
  const objects = sizes.map(object)
  for (const { key, bytes } of objects) remote.objects.set(key, bytes)
  const stores = await Promise.all([0, 2.5 * PAGE_BYTES, GIB].map((bytesMax) => open(t, remote, { bytesMax })))
  const offset = fc.integer({ min: -4 * PAGE_BYTES, max: 4 * PAGE_BYTES })
  const range = fc.record({ offset, length: fc.option(fc.integer({ min: 0, max: 4 * PAGE_BYTES })) })
  const read = fc.record({ which: fc.nat(sizes.length - 1), range: fc.option(range) })
  await fc.assert(
    fc.asyncProperty(fc.array(read, { minLength: 1, maxLength: 8 }), async (reads) => {
      for (const { store } of stores) {
        await Promise.all(
          reads.map(async ({ which, range }) => {
            const { key, bytes } = objects[which]!
            const { offset = 0, length = null } = range ?? {}
            const start = Math.max(0, offset < 0 ? bytes.length + offset : offset)
            const wanted = bytes.slice(start, length === null ? undefined : start + length)
            const got = await store.get(
              key,
              range === null ? undefined : { offset, ...(length === null ? {} : { length }) },
            )
            ok(Buffer.from(got).equals(wanted), `${bytes.length} bytes, ${JSON.stringify(range)}`)
          }),
        )
      }
    }),
    { numRuns: 60 },
  )
  ok(stores[1]!.store.cachedBytes <= 2.5 * PAGE_BYTES)
})
