import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freeBytes, ownCopy } from '../../../base/free-bytes.ts'

test('bytes that are the whole of their buffer are freed at once', () => {
  const bytes = new Uint8Array(100_000)
  assert.equal(freeBytes(bytes), true)
  assert.equal(bytes.length, 0)
  assert.equal(freeBytes(bytes), false)
})

test('a part of a buffer is left alone, for the rest of it may be in use', () => {
  const whole = new Uint8Array(100).fill(7)
  assert.equal(freeBytes(whole.subarray(0, 99)), false)
  assert.equal(freeBytes(whole.subarray(1)), false)
  assert.equal(whole.length, 100)
})

test('bytes of memory shared by threads are left alone', () => {
  assert.equal(freeBytes(new Uint8Array(new SharedArrayBuffer(8))), false)
})

test('a copy of its own is the whole of its buffer', () => {
  const copy = ownCopy(Uint8Array.of(1, 2, 3, 4).subarray(1, 3))
  assert.deepEqual([...copy], [2, 3])
  assert.equal(copy.buffer.byteLength, 2)
})
