import { deepEqual, equal, ok } from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { systemClock } from '../../../../base/clock.ts'
import { PageCache } from '../../../../storage/object-store/page-cache.ts'

const KIB = 1024

function directoryOf(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'weir-pages-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

async function open(t: TestContext, directory: string, bytesMax = 1024 * KIB): Promise<PageCache> {
  const cache = await PageCache.open(directory, bytesMax, systemClock)
  t.after(() => cache.close())
  return cache
}

function page(seed: number, byteLength = 10 * KIB): Uint8Array {
  return new Uint8Array(byteLength).map((_, i) => (i * 7 + seed) & 0xff)
}

/** Files of pages below `directory`. */
function filesIn(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((path) => /\/[0-9a-f]+-\d+$/.test(path))
    .map((path) => join(directory, path))
}

test('a page comes back whole and in ranges, with the size of its object', async (t) => {
  const cache = await open(t, directoryOf(t))
  equal(await cache.read('a', 0), undefined)
  equal(await cache.write('a', 0, page(1), 50_000), true)
  equal(cache.objectBytes('a'), 50_000)
  deepEqual(await cache.read('a', 0), page(1))
  deepEqual(await cache.read('a', 0, 100, 200), page(1).slice(100, 200))
  deepEqual(await cache.read('a', 0, 10 * KIB - 5, 99 * KIB), page(1).slice(-5))
  equal(await cache.read('a', 1), undefined)
  equal(await cache.read('b', 0), undefined)
})

test('what was kept is there after a restart; what is damaged is not', async (t) => {
  const directory = directoryOf(t)
  const before = await PageCache.open(directory, 1024 * KIB, systemClock)
  for (const key of ['whole', 'flipped', 'short', 'empty']) await before.write(key, 0, page(3), 10 * KIB)
  const bytes = before.bytes
  before.close()
  // Which file is whose is the cache's own business: find it by what a cache that has nothing but it would write.
  const fileOf = async (key: string) => {
    const other = directoryOf(t)
    await (await open(t, other)).write(key, 0, page(3), 10 * KIB)
    return filesIn(other)[0]!.replace(other, directory)
  }
  const flipped = readFileSync(await fileOf('flipped'))
  flipped[5000]! ^= 1
  writeFileSync(await fileOf('flipped'), flipped)
  writeFileSync(await fileOf('short'), readFileSync(await fileOf('short')).subarray(0, 9000))
  writeFileSync(await fileOf('empty'), '')

  const after = await open(t, directory)
  equal(after.objectBytes('whole'), undefined, 'not before it is checked')
  deepEqual(await after.read('whole', 0, 0, 10), page(3).slice(0, 10))
  equal(after.objectBytes('whole'), 10 * KIB)
  for (const key of ['flipped', 'short', 'empty']) equal(await after.read(key, 0), undefined, key)
  equal(filesIn(directory).length, 1, 'the damaged are gone')
  equal(after.bytes, bytes / 4)
})

test('the bound holds, and the object that was used last stays longest', async (t) => {
  const directory = directoryOf(t)
  const cache = await open(t, directory, 45 * KIB)
  for (const key of ['a', 'b', 'c', 'd']) await cache.write(key, 0, page(1), 10 * KIB)
  await cache.read('a', 0)
  await cache.write('e', 0, page(1), 10 * KIB)
  ok(cache.bytes <= 45 * KIB)
  equal(await cache.read('b', 0), undefined, 'the one not used for longest')
  for (const key of ['a', 'c', 'd', 'e']) ok(await cache.read(key, 0), key)
  equal(filesIn(directory).length, 4)
  equal(await cache.write('f', 0, page(1, 60 * KIB), 60 * KIB), false, 'larger than the cache')
})

test('a smaller bound after a restart drops what was written first', async (t) => {
  const directory = directoryOf(t)
  const before = await PageCache.open(directory, 1024 * KIB, systemClock)
  const writtenMs: [string, number][] = []
  for (const [i, key] of ['a', 'b', 'c'].entries()) {
    await before.write(key, 0, page(i), 10 * KIB)
    for (const file of filesIn(directory)) {
      if (!writtenMs.some(([path]) => path === file)) writtenMs.push([file, 1_700_000_000 + i])
    }
  }
  before.close()
  for (const [file, seconds] of writtenMs) utimesSync(file, seconds, seconds)
  const after = await open(t, directory, 25 * KIB)
  equal(await after.read('a', 0), undefined)
  deepEqual(await after.read('b', 0), page(1))
  deepEqual(await after.read('c', 0), page(2))
})

test('a forgotten object leaves nothing; files of others are not touched', async (t) => {
  const directory = directoryOf(t)
  writeFileSync(join(directory, 'note'), 'mine')
  const cache = await open(t, directory)
  for (let i = 0; i < 5; i++) await cache.write('a', i, page(i), 50 * KIB)
  await cache.forget('a')
  equal(await cache.read('a', 3), undefined)
  equal(cache.bytes, 0)
  deepEqual(filesIn(directory), [])
  equal(readFileSync(join(directory, 'note'), 'utf8'), 'mine')
})

test('a directory that is taken away is a cache that has nothing', async (t) => {
  const directory = directoryOf(t)
  const cache = await open(t, directory)
  await cache.write('a', 0, page(1), 10 * KIB)
  cache.close()
  const again = await open(t, directory)
  rmSync(directory, { recursive: true })
  equal(await again.read('a', 0), undefined)
})
