import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Bitmap } from '../../../base/bitmap.ts'
import { systemClock } from '../../../base/clock.ts'
import type { DayNumber, TenantId } from '../../../base/ids.ts'
import { BlockCache } from '../../../storage/block-cache.ts'
import { encodeBlock } from '../../../storage/block-codec.ts'
import { readBlockHeader } from '../../../storage/block-header.ts'
import { LoadedBlock, openBlock } from '../../../storage/block-reader.ts'
import { columnSourceOf, flatRecord } from '../../harness/column-source.ts'
import { rowsOf } from './arbitrary-table.ts'

const records = Array.from({ length: 500 }, (_, i) =>
  flatRecord(1000 + i, {
    message: `request ${i} took ${i * 7} ms`,
    id: (i * 2654435761).toString(16).padStart(12, '0'),
    n: i % 97,
  }),
)
const source = columnSourceOf(records, (name) => (name === 'n' ? 'integer' : 'bytes'))
const identity = { tenant: 'acme' as TenantId, day: 0 as DayNumber, retentionClass: 0, generation: 1 }
const part = { source, rows: null, sequence: 1, rowBase: 0, receivedMs: 5 }
const { bytes } = await encodeBlock([part], identity, { zstdLevel: 1, clock: systemClock })
const header = readBlockHeader(bytes)

/** The columns named, of a block that the cache has or is given. */
function read(cache: BlockCache, key: string, names: readonly string[]): LoadedBlock {
  const block = cache.get(key, (onGrow) => new LoadedBlock(header, onGrow))
  block.load(block.missing(names).map(({ start, end }) => ({ start, bytes: bytes.slice(start, end) })))
  for (const name of names) block.column(name)
  return block
}

const names = fc.subarray(['message', 'id', 'n'])

test('a block that is loaded piece by piece has the columns of one that was read whole', () => {
  fc.assert(
    fc.property(fc.array(names, { maxLength: 4 }), (loads) => {
      const cache = new BlockCache(1 << 20)
      for (const some of loads) read(cache, 'a', some)
      const block = read(
        cache,
        'a',
        header.columns.map(({ name }) => name),
      )
      assert.deepEqual(rowsOf(block), rowsOf(openBlock(bytes)))
      assert.deepEqual(block.missing(block.columnNames), [])
    }),
  )
})

test('the memory of the blocks stays within the bound, and all of it is let go of with them', () => {
  const reads = fc.array(fc.tuple(fc.nat(9), names, fc.boolean()), { maxLength: 60 })
  fc.assert(
    fc.property(reads, fc.constantFrom(0, 10_000, 60_000, 1 << 20), (all, bytesMax) => {
      const cache = new BlockCache(bytesMax)
      for (const [key, some, isNewQuery] of all) {
        if (isNewQuery) cache.beginQuery()
        read(cache, `block ${key}`, some)
        assert(cache.memoryBytes >= 0 && cache.memoryBytes <= bytesMax)
      }
    }),
  )
})

test('a query that reads more than there is room for keeps what it read first', () => {
  const cache = new BlockCache(60_000)
  for (let round = 0; round < 2; round++) {
    cache.beginQuery()
    for (let i = 0; i < 20; i++) read(cache, `block ${i}`, ['message'])
  }
  assert(cache.has('block 0'))
  assert(!cache.has('block 19'))
})

test('a block remembers what the last filters matched, and no more of them than a few', () => {
  const cache = new BlockCache(1 << 20)
  const block = read(cache, 'a', [])
  const matches = Bitmap.full(block.rowCount)
  for (let i = 0; i < 40; i++) block.keepMatches(`filter ${i}`, matches)
  assert.equal(block.matchesOf('filter 39'), matches)
  assert.equal(block.matchesOf('filter 0'), undefined)
})
