import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { WeirError } from '../../../base/errors.ts'
import { regionOf } from './region-fixture.ts'

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
