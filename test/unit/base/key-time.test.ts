import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { keyTimeMs } from '../../../base/key-time.ts'

describe('the time of an idempotency key', () => {
  it('is read from a ULID and from a UUIDv7, whatever follows', () => {
    // The examples of the specifications.
    assert.equal(keyTimeMs('01ARZ3NDEKTSV4RRFFQ69G5FAV'), 1_469_922_850_259)
    assert.equal(keyTimeMs('01arz3ndektsv4rrffq69g5fav'), 1_469_922_850_259)
    assert.equal(keyTimeMs('017F22E2-79B0-7CC3-98C4-DC0C0C07398F'), 1_645_557_742_000)
    assert.equal(keyTimeMs('017f22e2-79b0-7cc3-98c4-dc0c0c07398f/12'), 1_645_557_742_000)
    assert.equal(keyTimeMs('01ARZ3NDEKTSV4RRFFQ69G5FAV:part-2'), 1_469_922_850_259)
    assert.equal(keyTimeMs('7ZZZZZZZZZZZZZZZZZZZZZZZZZ'), 2 ** 48 - 1)
  })

  it('is unknown for every other key', () => {
    const others = [
      '',
      'app-2026-11-21-0001',
      '8ZZZZZZZZZZZZZZZZZZZZZZZZZ', // more than 48 bits
      '01ARZ3NDEKTSV4RRFFQ69G5FA',
      '01ARZ3NDEKTSV4RRFFQ69G5FAVX',
      '01ARZ3NDEKTSV4RRFFQ69G5FAU', // no letter U
      '919108f7-52d1-4320-9bac-f847db4148a8', // version 4
      '017f22e2-79b0-7cc3-08c4-dc0c0c07398f',
      '017f22e279b07cc398c4dc0c0c07398f',
      'x017f22e2-79b0-7cc3-98c4-dc0c0c07398f',
    ]
    for (const key of others) assert.equal(keyTimeMs(key), undefined, key)
    fc.assert(fc.property(fc.string(), (key) => keyTimeMs(`-${key}`) === undefined))
  })
})
