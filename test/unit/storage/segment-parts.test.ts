import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Bitmap } from '../../../base/bitmap.ts'
import { systemClock } from '../../../base/clock.ts'
import { withinEditDistance } from '../../../base/edit-distance.ts'
import { WeirError } from '../../../base/errors.ts'
import { bloomMayContain, buildBloom } from '../../../storage/bloom.ts'
import { Pace } from '../../../storage/pace.ts'
import { SlicedBlooms, sliceBlooms, unsliceBlooms } from '../../../storage/segment-blooms.ts'
import { ChunkedRegion, storedLength, writeChunks } from '../../../storage/segment-chunks.ts'
import { compareByCodePoint, encodeTerms, readWords, SegmentTerms } from '../../../storage/segment-terms.ts'
import { MemoryObjectStore } from '../../harness/memory-object-store.ts'

const pace = new Pace(systemClock)

async function regionOf(data: Uint8Array, offset = 13): Promise<{ region: ChunkedRegion; store: MemoryObjectStore }> {
  const store = new MemoryObjectStore()
  const bytes = new Uint8Array(offset + storedLength(data.length) + 5)
  await writeChunks(data, bytes, offset, pace)
  await store.put('object', bytes)
  return { region: new ChunkedRegion(store, 'object', offset, data.length), store }
}

describe('checked regions', () => {
  it('give back any piece', async () => {
    const lengths = fc.oneof(fc.nat({ max: 50 }), fc.constantFrom(4091, 4092, 4093, 8184, 8185, 20_000))
    await fc.assert(
      fc.asyncProperty(lengths, fc.nat(), fc.nat(), async (length, a, b) => {
        const data = new Uint8Array(length).map((_, i) => (i * 7919) >> 3)
        const { region } = await regionOf(data)
        const from = length === 0 ? 0 : a % length
        const count = b % (length - from + 1)
        assert.deepEqual(await region.read(from, count), data.subarray(from, from + count))
        assert.deepEqual(await region.read(0, length), data)
        await assert.rejects(
          region.read(from, length - from + 1),
          (e) => e instanceof WeirError && e.code === 'corrupt_data',
        )
      }),
    )
  })

  it('notice every wrong bit they read', async () => {
    const { region, store } = await regionOf(new Uint8Array(5000).fill(0x55))
    const bytes = store.objects.get('object')!
    for (let at = 13; at < bytes.length - 5; at += 101) {
      bytes[at]! ^= 2
      await assert.rejects(region.read(0, 5000), (e) => e instanceof WeirError && e.code === 'corrupt_data')
      bytes[at]! ^= 2
    }
    await region.read(0, 5000)
  })
})

describe('bit-sliced bloom filters', () => {
  it('answer as the filters did, and come back whole', async () => {
    const hashes = fc.array(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), { maxLength: 80 })
    await fc.assert(
      fc.asyncProperty(
        fc.array(hashes, { minLength: 1, maxLength: 70 }),
        fc.array(fc.integer()),
        async (sets, others) => {
          const blooms = sets.map((set) => buildBloom(Int32Array.from(new Set(set))))
          const sizes = Uint8Array.from(blooms, (bloom) => bloom[2]!)
          const data = await sliceBlooms(blooms, pace)
          assert.deepEqual(await unsliceBlooms(data, sizes, pace), blooms)
          const { region } = await regionOf(data)
          const sliced = new SlicedBlooms(sizes, region)
          for (const hash of [...sets.flatMap((set) => set.slice(0, 2)), ...others.slice(0, 5)]) {
            const found = await sliced.retain(Bitmap.full(blooms.length), Int32Array.of(hash))
            const expected = blooms.map((bloom, i) => (bloomMayContain(bloom, hash) ? i : -1)).filter((i) => i >= 0)
            assert.deepEqual([...found], expected)
          }
        },
      ),
      { numRuns: 40 },
    )
  })

  it('read few rows: five for a hash that is there, fewer for one that is not', async () => {
    const blooms = Array.from({ length: 64 }, (_, i) =>
      buildBloom(Int32Array.from({ length: 500 }, (_, j) => i * 1000 + j)),
    )
    const { region, store } = await regionOf(await sliceBlooms(blooms, pace))
    const sliced = new SlicedBlooms(
      Uint8Array.from(blooms, (bloom) => bloom[2]!),
      region,
    )
    store.gets = 0
    assert.ok((await sliced.retain(Bitmap.full(64), Int32Array.of(5 * 1000 + 3))).has(5))
    assert.equal(store.gets, 5)
    assert.ok(store.bytesRead <= 5 * 8192)
    store.gets = 0
    assert.equal((await sliced.retain(new Bitmap(64), Int32Array.of(1))).count(), 0)
    assert.equal(store.gets, 0)
  })
})

describe('terms of a segment', () => {
  const word = fc.string({ unit: fc.constantFrom(...'abcé', '\ue000', '\u{10400}'), minLength: 1, maxLength: 5 })
  const wordsOfBlocks = fc.array(fc.option(fc.uniqueArray(word, { maxLength: 30 })), { minLength: 1, maxLength: 40 })

  it('give the blocks of words, prefixes and near words, and the words of blocks', async () => {
    await fc.assert(
      fc.asyncProperty(wordsOfBlocks, fc.array(word, { maxLength: 8 }), async (lists, asked) => {
        const { data, runs } = await encodeTerms(lists, pace)
        const { region, store } = await regionOf(data)
        const withWords = new Bitmap(lists.length)
        for (const [block, words] of lists.entries()) if (words !== null) withWords.add(block)
        const terms = new SegmentTerms(runs, region, withWords)
        const blocksWhere = (test: (word: string) => boolean) =>
          lists.flatMap((words, block) => (words?.some(test) ? [block] : []))
        for (const text of [...asked, ...lists.flatMap((words) => words?.slice(0, 1) ?? [])]) {
          store.gets = 0
          const exact = new Bitmap(lists.length)
          await terms.addBlocksWith(text, exact)
          assert.deepEqual(
            [...exact],
            blocksWhere((w) => w === text),
          )
          assert.ok(store.gets <= 1, 'one read finds a word')
          const prefixed = new Bitmap(lists.length)
          await terms.addBlocksWithPrefix(text, prefixed)
          assert.deepEqual(
            [...prefixed],
            blocksWhere((w) => w.startsWith(text)),
          )
        }
        const near = new Bitmap(lists.length)
        assert.ok(await terms.addBlocksNear('abc', 2, near))
        assert.deepEqual(
          [...near],
          blocksWhere((w) => withinEditDistance(w, 'abc', 2)),
        )
        const blocks = lists.map((words) => ({ hasWords: words !== null }))
        const sorted = lists.map((words) => words && [...words].sort(compareByCodePoint))
        assert.deepEqual(await readWords({ blocks, termRuns: runs }, region, pace), sorted)
      }),
      { numRuns: 80 },
    )
  })

  it('are ordered as their UTF-8 forms are', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
        assert.equal(Math.sign(compareByCodePoint(a, b)), Buffer.compare(Buffer.from(a), Buffer.from(b)))
      }),
    )
  })
})
