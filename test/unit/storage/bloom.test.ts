import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { WeirError } from '../../../base/errors.ts'
import { tokenHash } from '../../../base/hash.ts'
import {
  BLOOM_HEADER_BYTES,
  BLOOM_PROBES,
  bloomBits,
  bloomLog2Bits,
  bloomMayContain,
  bloomProbes,
  buildBloom,
} from '../../../storage/bloom.ts'

test('a filter holds everything that was put in', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), { maxLength: 300 }), (hashes) => {
      const bloom = buildBloom(Int32Array.from(hashes))
      for (const hash of hashes) assert(bloomMayContain(bloom, hash))
    }),
  )
})

test('a filter errs in few lookups at every fill of its size', () => {
  for (const count of [6000, 8000, 11_000]) {
    const bloom = buildBloom(Int32Array.from({ length: count }, (_, i) => tokenHash(`in${i}`)))
    let wrong = 0
    for (let i = 0; i < 100_000; i++) if (bloomMayContain(bloom, tokenHash(`out${i}`))) wrong++
    assert(wrong < 2200, `${wrong} of 100,000 at ${count}`)
  }
})

test('probes are the bits that are set, within the size', () => {
  const bloom = buildBloom(Int32Array.of(tokenHash('error')))
  const bits = bloomBits(bloom)
  const out = new Uint32Array(BLOOM_PROBES)
  bloomProbes(bloomLog2Bits(bloom), tokenHash('error'), out)
  const expected = new Uint8Array(bits.length)
  for (const bit of out) expected[bit >>> 3]! |= 1 << (bit & 7)
  assert.deepEqual(bits, expected)
})

test('bytes that are no filter are refused', () => {
  const bloom = buildBloom(Int32Array.of(1, 2, 3))
  for (let i = 0; i < BLOOM_HEADER_BYTES - 1; i++) {
    const changed = bloom.slice()
    changed[i]! ^= 1
    assert.throws(() => bloomMayContain(changed, 1), isCorrupt)
  }
  assert.throws(() => bloomMayContain(bloom.subarray(0, 10), 1), isCorrupt)
  assert.throws(() => bloomMayContain(new Uint8Array(0), 1), isCorrupt)
})

function isCorrupt(error: unknown): boolean {
  return error instanceof WeirError && error.code === 'corrupt_data'
}
