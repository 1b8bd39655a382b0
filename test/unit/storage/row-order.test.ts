import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { rowOrder } from '../../../storage/row-order.ts'

const part = fc.record({
  fromMs: fc.nat({ max: 50 }),
  steps: fc.array(fc.integer({ min: -1, max: 3 }), { minLength: 1, maxLength: 12 }),
  ns: fc.nat({ max: 2 }),
})

test('rows are ordered by time, then by place, whether they come in few runs or in many', () => {
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 40 }), fc.boolean(), (parts, far) => {
      const rows: number[][] = []
      parts.forEach(({ fromMs, steps, ns }, sequence) => {
        let ms = fromMs
        steps.forEach((step, row) => {
          ms = Math.max(0, ms + step)
          rows.push([far && ms === 7 ? 8e15 : ms, (ns * row) % 3, sequence, row])
        })
      })
      const order = rowOrder({
        timeMs: Float64Array.from(rows, (row) => row[0]!),
        timeNs: Uint32Array.from(rows, (row) => row[1]!),
        sequence: Float64Array.from(rows, (row) => row[2]!),
        row: Float64Array.from(rows, (row) => row[3]!),
      })
      const compare = (a: number[], b: number[]) => a.map((key, i) => key - b[i]!).find((by) => by !== 0) ?? 0
      const expected = rows.map((_, i) => i).sort((a, b) => compare(rows[a]!, rows[b]!))
      assert.deepEqual([...(order ?? rows.keys())], expected)
    }),
    { numRuns: 500 },
  )
})
