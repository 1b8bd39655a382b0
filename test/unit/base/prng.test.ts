import { deepEqual, equal, notDeepEqual, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { deflateRawSync } from 'node:zlib'
import { Prng } from '../../../base/prng.ts'

const draw = (prng: Prng, count: number) => Array.from({ length: count }, () => prng.uint32())

test('a seed fixes the sequence, for good', () => {
  deepEqual(draw(new Prng('weir'), 3), draw(new Prng('weir'), 3))
  deepEqual(draw(new Prng(7), 3), draw(new Prng('7'), 3))
  notDeepEqual(draw(new Prng(1), 3), draw(new Prng(2), 3))
})

test('bytes are spread evenly and do not compress', () => {
  const bytes = new Prng('spread').bytes(1 << 18)
  const counts = new Float64Array(256)
  for (const byte of bytes) counts[byte]!++
  const expected = bytes.length / 256
  const chiSquared = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
  // 255 degrees of freedom: 99.99 % of good generators lie between these.
  ok(chiSquared > 176 && chiSquared < 348, String(chiSquared))
  ok(deflateRawSync(bytes).length >= bytes.length)
})

test('seeds that differ little give unrelated sequences', () => {
  let bits = 0
  for (let seed = 0; seed < 1_000; seed++) {
    let difference = new Prng(seed).uint32() ^ new Prng(seed + 1).uint32()
    for (; difference !== 0; difference &= difference - 1) bits++
  }
  ok(Math.abs(bits / 1_000 - 16) < 0.5, String(bits / 1_000))
})

test('numbers drawn from a range reach both its ends and nothing beyond', () => {
  const prng = new Prng('range')
  const seen = new Set(Array.from({ length: 1_000 }, () => prng.between(-2, 3)))
  deepEqual(
    [...seen].sort((a, b) => a - b),
    [-2, -1, 0, 1, 2, 3],
  )
  deepEqual(prng.shuffle([1, 2, 3, 4, 5]).sort(), [1, 2, 3, 4, 5])
  equal(prng.hex(13).length, 13)
  const mean = Array.from({ length: 10_000 }, () => prng.exponential(5)).reduce((a, b) => a + b) / 10_000
  ok(Math.abs(mean - 5) < 0.3)
})

test('a fork does not follow its parent', () => {
  const parent = new Prng('fork')
  notDeepEqual(draw(parent.fork('a'), 3), draw(new Prng('fork').fork('b'), 3))
  deepEqual(draw(new Prng('fork').fork('a'), 3), draw(new Prng('fork').fork('a'), 3))
})
