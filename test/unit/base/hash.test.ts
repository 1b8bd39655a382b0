import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hashBytes, hashText, shardOf, tokenHash, valueHash, valueHashOfBytes, valueSeed } from '../../../base/hash.ts'

test('a text and its UTF-8 bytes have one hash', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.integer(), (text, seed) => {
      const bytes = new TextEncoder().encode(text)
      assert.equal(hashText(text, seed), hashBytes(bytes, 0, bytes.length, seed))
      assert.equal(valueHash('f', text), valueHashOfBytes(valueSeed('f'), bytes, 0, bytes.length))
    }),
  )
})

test('hashes are part of the formats and never change', () => {
  assert.equal(tokenHash('error'), 1816862461)
  assert.equal(tokenHash('straße'), -2143138040)
  assert.equal(valueHash('service', 'Checkout'), -1160307747)
  assert.equal(shardOf('default', 'checkout', 0, 32), 0)
  assert.equal(shardOf('default', 'checkout', 1, 32), 26)
})

test('value hashes ignore ASCII case and depend on the field', () => {
  assert.equal(valueHash('level', 'ERROR'), valueHash('level', 'error'))
  assert.notEqual(valueHash('a', 'x'), valueHash('b', 'x'))
})

test('tokens rarely share a hash', () => {
  const hashes = new Set<number>()
  const count = 100_000
  for (let i = 0; i < count; i++) hashes.add(tokenHash(`user_${i}`))
  // Of 100,000 random 32-bit numbers, 1.2 pairs are equal on average.
  assert(hashes.size >= count - 12, `${count - hashes.size} equal`)
})

test('shards get even shares of services', () => {
  const counts = new Uint32Array(32)
  for (let i = 0; i < 32_000; i++) counts[shardOf('default', `service-${i}`, 0, 32)]!++
  for (const count of counts) assert(count > 800 && count < 1200, String(counts))
})
