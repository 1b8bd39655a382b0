import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { ShardId } from '../../../base/ids.ts'
import { compareRecordKeys, decodeRecordId, encodeRecordId, type RecordKey } from '../../../storage/record-id.ts'

const keys = fc.record<RecordKey>({
  timeMs: fc.oneof(fc.nat(5), fc.integer({ min: 0, max: Date.UTC(2261, 0, 1) })),
  timeNs: fc.oneof(fc.nat(3), fc.nat(999_999)),
  shard: fc.nat(0xffff) as fc.Arbitrary<ShardId>,
  generation: fc.nat(0xffff),
  sequence: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
  row: fc.nat(0xffffff),
})

describe('the id of a record', () => {
  it('gives back the key that it was made of', () => {
    fc.assert(fc.property(keys, (key) => assert.deepEqual(decodeRecordId(encodeRecordId(key)), { ...key })))
  })

  it('sorts as the keys do (Q1)', () => {
    fc.assert(
      fc.property(keys, keys, (a, b) => {
        const [idA, idB] = [encodeRecordId(a), encodeRecordId(b)]
        assert.equal(Math.sign(compareRecordKeys(a, b)), idA < idB ? -1 : idA > idB ? 1 : 0)
      }),
    )
  })

  it('of another form names no record', () => {
    for (const id of ['', 'x'.repeat(42), '0'.repeat(41), '0'.repeat(43), 'G'.padStart(42, '0')]) {
      assert.throws(() => decodeRecordId(id), { code: 'not_found' })
    }
  })
})
