import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BodyBuffer, BodyPool } from '../../../api/body-pool.ts'

test('a body is its chunks in order, however its buffer was used before', () => {
  const pool = new BodyPool()
  const chunk = fc.nat(100_000).map((length) => Buffer.alloc(length, length % 251))
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 6 }), fc.nat(300_000), fc.boolean(), (chunks, expected, isReleased) => {
      const body = new BodyBuffer(pool, expected)
      const whole = Buffer.concat(chunks)
      for (const one of chunks) body.append(Buffer.from(one)) // it takes them
      assert.equal(body.length, whole.length)
      assert.ok(body.bytes().equals(whole))
      if (isReleased) body.release()
    }),
    { numRuns: 50 },
  )
})

test('bodies in use at the same time never share a buffer', () => {
  const pool = new BodyPool()
  const bodyOf = (byte: number) => {
    const body = new BodyBuffer(pool, 0)
    body.append(Buffer.alloc(1000, byte))
    body.append(Buffer.alloc(1000, byte))
    return body
  }
  bodyOf(9).release()
  const a = bodyOf(1)
  const b = bodyOf(2)
  assert.ok(a.bytes().every((byte) => byte === 1))
  assert.ok(b.bytes().every((byte) => byte === 2))
  assert.notEqual(a.bytes().buffer, b.bytes().buffer)
})

test('a released buffer is used again, one that was transferred away is not', () => {
  const pool = new BodyPool()
  const first = pool.acquire(200_000)
  pool.release(first)
  assert.equal(pool.acquire(200_000), first)
  structuredClone(first.buffer, { transfer: [first.buffer as ArrayBuffer] })
  pool.release(first)
  assert.notEqual(pool.acquire(200_000), first)
})
