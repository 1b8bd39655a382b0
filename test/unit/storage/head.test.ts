import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { valueText } from '../../../base/columns.ts'
import type { DayNumber } from '../../../base/ids.ts'
import { BLOCK_BYTES_MAX, BLOCK_ROWS_MAX, HEAD_AGE_MAX_MS } from '../../../base/limits.ts'
import { Head, type HeadPart } from '../../../storage/head.ts'
import { sectionRows, storedRows } from '../../../storage/row-source.ts'
import { ACME, NOON_MS, sectionOf } from '../../harness/shard-fixture.ts'

const DAY = 20_000 as DayNumber

function append(head: Head, sequence: number, count: number, rowBase = 0): string[] {
  const uids = Array.from({ length: count }, (_, i) => `${sequence}.${rowBase + i}`)
  const { source } = sectionOf(uids, { timesMs: uids.map((_, i) => NOON_MS + ((i * 7919 + sequence) % 1000)) })
  head.append({ source, rows: null, sequence, rowBase, receivedMs: sequence }, 100)
  return uids
}

/** What a query would say of each row: its uid, which names the place where it was put. */
function rowsOf(part: HeadPart): string[] {
  const rows = part.source.columnNames.includes('\\@seq')
    ? storedRows(part.source, 1)
    : sectionRows(part.source, part.rows, 1, part.sequence, part.rowBase, part.receivedMs)
  const column = rows.columns.column('uid')!
  return Array.from({ length: part.source.rowCount }, (_, row) => {
    assert.equal(valueText(column, row), `${rows.sequenceOf(row)}.${rows.rowOf(row)}`)
    assert.equal(rows.receivedMsOf(row), rows.sequenceOf(row))
    return valueText(column, row)!
  })
}

describe('a head', () => {
  it('keeps every row at its place however small parts are joined, and few parts', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 120 }), (counts) => {
        const head = new Head(ACME, DAY, 1, 0)
        const expected = counts.flatMap((count, i) => append(head, i + 1, count, i % 3))
        const parts = head.parts()
        assert.deepEqual(parts.flatMap(rowsOf), expected)
        assert.equal(head.rowCount, expected.length)
        assert.ok(parts.length <= 48, `${parts.length} parts of ${counts.length} sections`)
        assert.deepEqual(head.lastPosition, { generation: 1, sequence: counts.length })
        assert.equal(head.firstSequence, 1)
        for (const { source, minMs, maxMs } of parts) {
          assert.equal(Math.min(...source.timeMs), minMs)
          assert.equal(Math.max(...source.timeMs), maxMs)
        }
      }),
      { numRuns: 40 },
    )
  })

  it('gives parts that stay as they are when the head goes on', () => {
    const head = new Head(ACME, DAY, 1, 0)
    append(head, 1, 2)
    const parts = head.parts()
    for (let sequence = 2; sequence < 40; sequence++) append(head, sequence, 1)
    assert.deepEqual(parts.flatMap(rowsOf), ['1.0', '1.1'])
  })

  it('is cut into runs of at most a block of rows, in order', () => {
    const head = new Head(ACME, DAY, 1, 0)
    for (let sequence = 1; sequence <= 20; sequence++) append(head, sequence, 1000)
    const runs = head.partsOfBlocks()
    const counts = runs.map((run) => run.reduce((rows, { source }) => rows + source.rowCount, 0))
    assert.deepEqual(counts, [8000, 8000, 4000])
    const large = new Head(ACME, DAY, 1, 0)
    append(large, 1, BLOCK_ROWS_MAX + 1)
    assert.equal(large.partsOfBlocks().length, 1)
  })

  it('is full at a block of rows or bytes, and rather begins anew than grow far beyond one', () => {
    const head = new Head(ACME, DAY, 1, 0)
    append(head, 1, BLOCK_ROWS_MAX / 2)
    assert.equal(head.isFullFor(BLOCK_ROWS_MAX / 2), false)
    assert.equal(head.isFullFor(BLOCK_ROWS_MAX / 2 + 1), true)
    const wide = new Head(ACME, DAY, 1, 0)
    const { source } = sectionOf(['a'])
    wide.append({ source, rows: null, sequence: 1, rowBase: 0, receivedMs: 0 }, BLOCK_BYTES_MAX)
    assert.equal(wide.isFullFor(1), true)
  })

  it('is old by the monotonic clock', () => {
    const head = new Head(ACME, DAY, 1, 500)
    assert.equal(head.isOld(500 + HEAD_AGE_MAX_MS - 1), false)
    assert.equal(head.isOld(500 + HEAD_AGE_MAX_MS), true)
  })

  it('takes parts in the order of the journal only', () => {
    const head = new Head(ACME, DAY, 1, 0)
    append(head, 2, 1)
    assert.throws(() => append(head, 1, 1), /order of the journal/)
  })

  it('lets go of what it was given once its rows lie elsewhere, each once', () => {
    const given: Uint8Array[] = []
    const gone: Uint8Array[] = []
    const head = new Head(ACME, DAY, 1, 0, (memory) => gone.push(...memory))
    const give = (count: number) => {
      const sequence = given.length + 1
      const { source } = sectionOf(Array.from({ length: count }, (_, i) => `${sequence}.${i}`))
      given.push(new Uint8Array(8))
      head.append({ source, rows: null, sequence, rowBase: 0, receivedMs: sequence }, 100, given.at(-1))
    }
    for (let i = 0; i < 15; i++) give(1)
    assert.equal(gone.length, 0)
    give(1)
    assert.deepEqual(gone, given, 'the rows of sixteen parts lie in one')
    const [joined] = head.parts()
    give(200)
    const rows = head.parts().flatMap(rowsOf)
    head.release()
    assert.ok(joined!.memory.length > 0 && joined!.memory.every((memory) => gone.includes(memory)))
    assert.ok(given.every((memory) => gone.includes(memory)))
    assert.equal(gone.length, given.length + joined!.memory.length)
    assert.equal(rows.length, 216)
  })
})
