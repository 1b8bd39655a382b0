import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Bitmap } from '../../../base/bitmap.ts'
import { bloomMayContain, buildBloom } from '../../../storage/bloom.ts'
import { SlicedBlooms, sliceBlooms, unsliceBlooms } from '../../../storage/segment-blooms.ts'
import { pace, regionOf } from './region-fixture.ts'

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
