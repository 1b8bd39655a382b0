import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { DAY_MS, dayOf } from '../../../base/ids.ts'
import { daysOf, rowsByDay } from '../../../storage/section-rows.ts'
import { NOON_MS, sectionOf } from '../../harness/shard-fixture.ts'

describe('rows of a section by their day', () => {
  it('are each in their own day once, but for those dropped', () => {
    const row = fc.record({ day: fc.nat(3), isDropped: fc.boolean() })
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 30 }), fc.boolean(), (rows, drops) => {
        const timesMs = rows.map(({ day }) => NOON_MS - day * DAY_MS)
        const { source } = sectionOf(
          rows.map((_, i) => String(i)),
          { timesMs },
        )
        const dropped = drops ? Uint8Array.from(rows, ({ isDropped }) => (isDropped ? 1 : 0)) : undefined
        const all = rows.map((_, i) => i)
        const found = [...rowsByDay(source, dropped)].flatMap(([day, selected]) =>
          [...(selected ?? all)].map((i) => {
            assert.equal(dayOf(timesMs[i]!), day)
            return i
          }),
        )
        assert.deepEqual(
          found.sort((a, b) => a - b),
          all.filter((i) => !drops || !rows[i]!.isDropped),
        )
        assert.deepEqual(daysOf(source), new Set(timesMs.map(dayOf)))
      }),
    )
  })
})
