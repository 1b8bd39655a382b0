import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  dayKey,
  KEYSPACE_APPLIED,
  KEYSPACE_BLOCK,
  KEYSPACE_SUMMARY,
  keyspaceRange,
} from '../../../storage/keyspaces.ts'

const isWithin = (key: Uint8Array, [from, to]: [Uint8Array, Uint8Array]) =>
  Buffer.compare(key, from) >= 0 && Buffer.compare(key, to) < 0

describe('keys of a day', () => {
  it('lie in the range of their keyspace alone', () => {
    const key = dayKey(KEYSPACE_BLOCK, 'acme', 'b1')
    assert.ok(isWithin(key, keyspaceRange(KEYSPACE_BLOCK)))
    for (const other of [KEYSPACE_APPLIED, KEYSPACE_SUMMARY] as const) assert.ok(!isWithin(key, keyspaceRange(other)))
  })

  it('differ where tenant and block differ, also where one tenant begins like another (S1)', () => {
    const names = [
      ['acme', 'b1'],
      ['acme', 'b2'],
      ['acme2', 'b1'],
      ['acm', 'eb1'],
    ] as const
    const keys = names.map(([tenant, block]) => Buffer.from(dayKey(KEYSPACE_BLOCK, tenant, block)).toString('hex'))
    assert.equal(new Set(keys).size, names.length)
  })
})
