import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Bitmap } from '../../../base/bitmap.ts'
import type { ColumnSource } from '../../../base/columns.ts'
import { type AggregationSpec, createAggregation, mergePartials } from '../../../query/aggregate.ts'
import { histogramOf, histogramSpec } from '../../../query/aggregate-histogram.ts'
import type { GroupKey, Metric } from '../../../query/ast.ts'
import { DistinctSketch } from '../../../query/sketch-distinct.ts'
import { QuantileSketch } from '../../../query/sketch-quantile.ts'
import { columnSourceOf, type FlatRecord, flatRecord } from '../../harness/column-source.ts'

const metric = (name: Metric['name'], field: string | null = null, quantile: number | null = null): Metric => ({
  name,
  field,
  quantile,
  as: field === null ? name : `${name}_${field}`,
})
const field = (name: string): GroupKey => ({ kind: 'field', field: name, as: name })
const bucket: GroupKey = { kind: 'bucket', widthMs: 10, as: 'bucket' }

function aggregate(
  spec: AggregationSpec,
  units: readonly (readonly FlatRecord[])[],
  kind: 'bytes' | 'dictionary' | 'integer',
) {
  const partials = units.map((records) => {
    const one = createAggregation(spec)
    one.add(
      columnSourceOf(records, () => kind),
      Bitmap.full(records.length),
    )
    return structuredClone(one.partial())
  })
  return mergePartials(spec, partials).finish().rows
}

describe('an aggregation', () => {
  it('counts rows that are in order of time as it counts any rows', () => {
    const row = fc.record({ timeMs: fc.nat(60), s: fc.constantFrom('a', 'b', '5', null, undefined), on: fc.boolean() })
    const keys = fc.constantFrom([], [bucket], [field('s')], [field('s'), bucket], [bucket, field('s')])
    fc.assert(
      fc.property(fc.array(row, { maxLength: 100 }), keys, fc.boolean(), (rows, by, all) => {
        const ordered = rows.toSorted((a, b) => a.timeMs - b.timeMs)
        const records = ordered.map(({ timeMs, s }) => flatRecord(timeMs, s === undefined ? {} : { s }))
        const wanted = new Bitmap(rows.length)
        ordered.forEach(({ on }, i) => {
          if (on || all) wanted.add(i)
        })
        const source = columnSourceOf(records)
        const count = (of: ColumnSource) => {
          const aggregation = createAggregation({ metrics: [metric('count')], by, groupsMax: 100 })
          aggregation.add(of, wanted)
          return aggregation.finish().rows
        }
        // A sketch of values needs each row's group.
        const plain = createAggregation({ metrics: [metric('count'), metric('uniq', 's')], by, groupsMax: 100 })
        plain.add(source, wanted)
        const expected = plain.finish().rows.map(({ uniq_s: _, ...rest }) => rest)
        assert.deepEqual(count({ ...source, isOrderedByTime: true, column: (name) => source.column(name) }), expected)
        assert.deepEqual(count(source), expected)
      }),
    )
  })

  it('equals counting by hand, whatever the columns and however the rows are dealt out', () => {
    const record = fc
      .record({
        timeMs: fc.nat(40),
        n: fc.option(fc.integer({ min: -50, max: 50 })),
        s: fc.constantFrom('a', 'b', '5', undefined),
        overflow: fc.boolean(),
      })
      .map(({ timeMs, n, s, overflow }) => {
        const made = flatRecord(timeMs, { ...(n === null ? {} : { n }), ...(s === undefined ? {} : { s }) })
        return { ...made, overflow: new Set(overflow ? ['s'] : []) }
      })
    fc.assert(
      fc.property(
        fc.array(fc.array(record, { maxLength: 20 }), { maxLength: 3 }),
        fc.constantFrom('bytes', 'dictionary', 'integer'),
        (units, kind) => {
          const spec = {
            metrics: [metric('count'), metric('sum', 'n'), metric('min', 'n'), metric('max', 'n'), metric('uniq', 'n')],
            by: [field('s'), bucket],
            groupsMax: 100,
          }
          const byHand = new Map<string, { s: string | null; bucket: string; numbers: number[]; count: number }>()
          for (const { timeMs, fields } of units.flat()) {
            const s = fields.get('s')?.text ?? null
            const start = new Date(Math.floor(timeMs / 10) * 10).toISOString()
            const group = byHand.get(`${s} ${start}`) ?? { s, bucket: start, numbers: [], count: 0 }
            byHand.set(`${s} ${start}`, group)
            group.count++
            const n = fields.get('n')
            if (n !== undefined) group.numbers.push(Number(n.text))
          }
          const expected = [...byHand.values()].map(({ s, bucket, numbers, count }) => ({
            s,
            bucket,
            count,
            sum_n: numbers.length === 0 ? null : numbers.reduce((a, b) => a + b, 0),
            min_n: numbers.length === 0 ? null : Math.min(...numbers),
            max_n: numbers.length === 0 ? null : Math.max(...numbers),
            uniq_n: new Set(numbers).size,
          }))
          const order = (a: { s: unknown; bucket: unknown }, b: { s: unknown; bucket: unknown }): number =>
            `${a.s} ${a.bucket}` < `${b.s} ${b.bucket}` ? -1 : 1
          const rows = aggregate(spec, units, kind as 'bytes') as unknown as typeof expected
          assert.deepEqual(rows.toSorted(order), expected.toSorted(order))
        },
      ),
      { numRuns: 300 },
    )
  })

  it('names the field that has too many values', () => {
    const records = Array.from({ length: 30 }, (_, i) => flatRecord(i, { a: i % 2, user: `u${i}` }))
    const spec = { metrics: [metric('count')], by: [field('a'), field('user')], groupsMax: 29 }
    assert.throws(() => aggregate(spec, [records], 'bytes'), {
      code: 'result_too_large',
      details: { field: 'user', limit: 29 },
    })
  })

  it('fills a histogram with every bucket of the range', () => {
    const records = [flatRecord(12, { level: 'INFO' }), flatRecord(13, { level: 'ERROR' }), flatRecord(35, {})]
    const spec = histogramSpec(10, 'level')
    const one = createAggregation(spec)
    one.add(columnSourceOf(records), Bitmap.full(3))
    assert.deepEqual(histogramOf(spec, [one.partial()], 10, 5, 40), [
      { startMs: 0, count: 0, by: {} },
      { startMs: 10, count: 2, by: { ERROR: 1, INFO: 1 } },
      { startMs: 20, count: 0, by: {} },
      { startMs: 30, count: 1, by: { null: 1 } },
    ])
  })
})

describe('a quantile sketch', () => {
  it('is within 1 % of the true quantile, merged or not', () => {
    // Within a factor of 10^15; beyond 10^17 the smallest share a bin, see below.
    const value = fc.oneof(
      fc.integer({ min: -1000, max: 100_000 }),
      fc.double({ min: -1e6, max: 1e9, noNaN: true }).map((v) => (Math.abs(v) < 1e-6 ? 0 : v)),
    )
    fc.assert(
      fc.property(
        fc.array(value, { minLength: 1, maxLength: 300 }),
        fc.constantFrom(0, 0.25, 0.5, 0.9, 0.99, 1),
        (values, q) => {
          const [whole, left, right] = [new QuantileSketch(), new QuantileSketch(), new QuantileSketch()]
          values.forEach((v, i) => {
            whole.add(v)
            ;(i % 3 === 0 ? left : right).add(v)
          })
          left.merge(structuredClone(right.state()))
          const sorted = values.toSorted((a, b) => a - b)
          const rank = q * (values.length - 1)
          const [low, high] = [sorted[Math.floor(rank)]!, sorted[Math.ceil(rank)]!]
          for (const sketch of [whole, left]) {
            const got = sketch.quantile(q)!
            assert.ok(
              got >= low - Math.abs(low) * 0.0101 && got <= high + Math.abs(high) * 0.0101,
              `${got} of ${low} … ${high}`,
            )
          }
          assert.equal(left.quantile(q)! + 0, whole.quantile(q)! + 0) // -0 is 0
        },
      ),
    )
  })

  it('holds at the border between negative values and zero', () => {
    const sketch = new QuantileSketch()
    for (const value of [0, -1, -1.0000000000000002]) sketch.add(value)
    assert.ok(Math.abs(sketch.quantile(0.9)! + 1) <= 0.0101)
  })

  it('stays small and keeps the large values when magnitudes differ without end', () => {
    const sketch = new QuantileSketch()
    for (let exponent = -290; exponent < 290; exponent++) sketch.add(10 ** exponent)
    assert.ok(sketch.state().positive.length <= 2 * 2048)
    assert.ok(Math.abs(sketch.quantile(1)! / 1e289 - 1) < 0.01)
    assert.ok(Math.abs(sketch.quantile(0.99)! / 1e283 - 1) < 0.02)
  })
})

describe('a sketch of distinct values', () => {
  it('is exact up to a thousand values, however often each comes', () => {
    const sketch = new DistinctSketch()
    for (let i = 0; i < 3000; i++) sketch.addText(`value ${i % 1000}`)
    assert.equal(sketch.count(), 1000)
    const numbers = new DistinctSketch()
    for (const n of [0, 7, -7, 2 ** 53 - 1, -(2 ** 53 - 1)]) {
      numbers.addInteger(n)
      numbers.addText(String(n))
    }
    assert.equal(numbers.count(), 5)
  })

  it('is within 5 % beyond, and the same however it was merged', () => {
    for (const size of [2000, 20_000, 200_000]) {
      const [whole, left, right] = [new DistinctSketch(), new DistinctSketch(), new DistinctSketch()]
      for (let i = 0; i < size; i++) {
        whole.addText(`user ${i}`)
        ;(i % 100 === 0 ? left : right).addText(`user ${i}`)
      }
      left.merge(structuredClone(right.state()))
      assert.equal(left.count(), whole.count())
      assert.ok(Math.abs(whole.count() / size - 1) < 0.05, `${whole.count()} of ${size}`)
    }
  })
})
