import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { systemClock } from '../../../base/clock.ts'
import { WeirError } from '../../../base/errors.ts'
import type { DayNumber, TenantId } from '../../../base/ids.ts'
import { BLOCK_ROWS_MAX } from '../../../base/limits.ts'
import { SEGMENT_BYTES_MAX, type SegmentMeta } from '../../../storage/segment.ts'
import { mergeSegments, planMerges } from '../../../storage/segment-merge.ts'
import { readSegment } from '../../../storage/segment-reader.ts'
import { SegmentWriter } from '../../../storage/segment-writer.ts'
import { MemoryObjectStore } from '../../harness/memory-object-store.ts'
import { rowsOf, tableModels } from './arbitrary-table.ts'
import { DAY, encodeTable, IDENTITY, SHARD } from './segment-fixture.ts'

const OPTIONS = { zstdLevel: 3, clock: systemClock }
const MERGED = { ...IDENTITY, mergeLevel: 1 }

/** Rows of a segment with their tenants and positions, sorted. */
async function allRows(store: MemoryObjectStore, meta: SegmentMeta): Promise<string[]> {
  const segment = await readSegment(store, meta)
  const rows: string[] = []
  for (const [number, { tenant }] of segment.index.summaries.entries()) {
    for (const row of rowsOf(await segment.openBlock(number, null))) rows.push(tenant + row)
  }
  return rows.sort()
}

const segments = fc.array(
  fc.array(fc.tuple(tableModels({ rowsMax: 10 }), fc.constantFrom('acme', 'beta')), { minLength: 1, maxLength: 4 }),
  { minLength: 2, maxLength: 4 },
)

async function publish(store: MemoryObjectStore, tables: typeof segments extends fc.Arbitrary<infer T> ? T : never) {
  const metas: SegmentMeta[] = []
  let sequence = 0
  for (const blocks of tables) {
    const writer = new SegmentWriter(IDENTITY, 0)
    for (const [model, tenant] of blocks) writer.add(await encodeTable(model, ++sequence, tenant as TenantId))
    const { meta, bytes } = await writer.finish()
    await store.put(meta.key, bytes)
    metas.push(meta)
  }
  return metas
}

describe('merging segments', () => {
  it('keeps every row with its position, makes fewer blocks, and the same object when it is done again', async () => {
    await fc.assert(
      fc.asyncProperty(segments, async (tables) => {
        const store = new MemoryObjectStore()
        const inputs = await publish(store, tables)
        const before = (await Promise.all(inputs.map((meta) => allRows(store, meta)))).flat().sort()
        const [merged] = await mergeSegments(store, inputs, MERGED, OPTIONS)
        assert.deepEqual(await allRows(store, merged!), before)
        assert.equal(merged!.blockCount, new Set(tables.flat().map(([, tenant]) => tenant)).size)
        assert.equal(merged!.mergeLevel, 1)
        const [again] = await mergeSegments(store, [...inputs].reverse(), MERGED, OPTIONS)
        assert.equal(again!.key, merged!.key)
        // A merge of a merge.
        const more = await publish(
          store,
          tables.slice(0, 1).map(([block]) => [block!]),
        )
        const moved = more.map((meta) => ({ ...meta }))
        const [twice] = await mergeSegments(store, [merged!, ...moved], { ...IDENTITY, mergeLevel: 2 }, OPTIONS)
        assert.deepEqual(await allRows(store, twice!), [...before, ...(await allRows(store, moved[0]!))].sort())
      }),
      { numRuns: 15 },
    )
  })

  it('keeps full blocks as they are, words and filters included', async () => {
    const store = new MemoryObjectStore()
    const cells = Array.from({ length: BLOCK_ROWS_MAX }, (_, i) => ({ type: 1, text: `request ${i * 7919} took long` }))
    const full = {
      timeMs: cells.map((_, i) => DAY * 86_400_000 + i),
      timeNs: cells.map(() => 0),
      columns: [{ name: 'message', kind: 'bytes' as const, cells }],
    }
    const small = { ...full, timeMs: full.timeMs.slice(0, 5), timeNs: full.timeNs.slice(0, 5) }
    const tables = [full, { ...small, columns: [{ ...full.columns[0]!, cells: cells.slice(0, 5) }] }]
    const inputs = await publish(
      store,
      tables.map((model) => [[model, 'acme']]),
    )
    const [merged] = await mergeSegments(store, inputs, MERGED, OPTIONS)
    const from = await readSegment(store, inputs[0]!)
    const to = await readSegment(store, merged!)
    assert.equal(to.index.summaries.length, 2)
    const number = to.index.summaries.findIndex(({ rowCount }) => rowCount === BLOCK_ROWS_MAX)
    const { byteLength: before, ...summary } = from.index.summaries[0]!
    const { byteLength: after, ...kept } = to.index.summaries[number]!
    assert.deepEqual(kept, summary)
    assert.ok(after <= before)
    assert.deepEqual(rowsOf(await to.openBlock(number, null)), rowsOf(await from.openBlock(0, null)))
    for (const token of ['request', 'took', '7919', 'nowhere', '55426']) {
      assert.equal((await to.index.withToken(token)).has(number), (await from.index.withToken(token)).has(0), token)
    }
  })

  it('leaves nothing behind when an input is damaged or the store refuses', async () => {
    const store = new MemoryObjectStore()
    const inputs = await publish(store, fc.sample(segments, { numRuns: 1, seed: 9 })[0]!)
    const count = store.objects.size
    store.fault = (operation) =>
      operation === 'put' ? { kind: 'before', error: new WeirError('storage_unavailable', 'full') } : undefined
    await assert.rejects(mergeSegments(store, inputs, MERGED, OPTIONS), (e) => e instanceof WeirError)
    store.fault = () => undefined
    store.objects.get(inputs[0]!.key)![20]! ^= 1
    await assert.rejects(
      mergeSegments(store, inputs, MERGED, OPTIONS),
      (e) => e instanceof WeirError && e.code === 'corrupt_data',
    )
    assert.equal(store.objects.size, count)
  })
})

let made = 0
function meta(day: number, sequence: number, byteLength: number, mergeLevel: number, retentionClass = 0): SegmentMeta {
  return {
    key: `v1/${SHARD}/${++made}.seg`,
    day: day as DayNumber,
    retentionClass,
    tenants: null,
    services: null,
    rowCount: byteLength,
    blockCount: 1,
    byteLength,
    minMs: 0,
    maxMs: 0,
    generation: 1,
    firstSequence: sequence,
    lastSequence: sequence,
    mergeLevel,
    createdMs: 0,
  }
}

/** Carries out plans on metas alone; returns the bytes written. */
function carryOut(current: SegmentMeta[]): { segments: SegmentMeta[]; written: number } {
  let written = 0
  let segments = current
  for (const plan of planMerges(current)) {
    const inputs = new Set(plan.inputs)
    const bytes = plan.inputs.reduce((sum, input) => sum + input.byteLength, 0)
    const first = plan.inputs[0]!
    segments = segments.filter((segment) => !inputs.has(segment))
    segments.push(meta(first.day, first.firstSequence, bytes, plan.mergeLevel, first.retentionClass))
    written += bytes
  }
  return { segments, written }
}

describe('planning merges', () => {
  it('never mixes days, classes or generations, never names a segment twice, never exceeds the size of a segment', () => {
    const one = fc
      .tuple(
        fc.nat({ max: 3 }),
        fc.nat({ max: 500 }),
        fc.integer({ min: 100, max: SEGMENT_BYTES_MAX }),
        fc.nat({ max: 2 }),
        fc.nat({ max: 1 }),
      )
      .map(([day, sequence, bytes, level, retention]) => meta(day, sequence, bytes, level, retention))
    fc.assert(
      fc.property(fc.array(one, { maxLength: 200 }), (all) => {
        const named = new Set<SegmentMeta>()
        for (const { inputs, mergeLevel } of planMerges(all)) {
          assert.ok(inputs.length > 1)
          assert.equal(new Set(inputs.map((s) => `${s.day}/${s.retentionClass}/${s.generation}`)).size, 1)
          assert.ok(inputs.reduce((sum, s) => sum + s.byteLength, 0) <= SEGMENT_BYTES_MAX)
          for (const input of inputs) {
            assert.ok(mergeLevel > input.mergeLevel && !named.has(input))
            named.add(input)
          }
        }
      }),
    )
  })

  for (const bytes of [2_000, 200_000, 3_000_000]) {
    it(`keeps segments few and rewrites few of a month of publishes of ${bytes} bytes every 2 minutes`, () => {
      let segments: SegmentMeta[] = []
      let published = 0
      let written = 0
      for (let day = 0; day < 5; day++) {
        for (let i = 0; i < 720; i++) {
          segments.push(meta(day, i, bytes, 0))
          published += bytes
          const done = carryOut(segments)
          segments = done.segments
          written += done.written
        }
      }
      assert.ok(written <= published * 5, `each byte is rewritten ${(written / published).toFixed(1)} times`)
      const least = Math.ceil((720 * bytes) / SEGMENT_BYTES_MAX)
      const ofClosedDay = segments.filter((segment) => segment.day === 1).length
      assert.ok(ofClosedDay <= 3 * least + 4, `${ofClosedDay} segments of a closed day`)
    })
  }

  it('settles: a closed day is not merged again and again for the sake of a late trickle', () => {
    let segments = [meta(10, 0, 1000, 0), meta(3, 0, 20_000_000, 3)]
    let written = 0
    for (let i = 1; i <= 200; i++) {
      segments.push(meta(3, i, 1000, 0))
      const done = carryOut(segments)
      segments = done.segments
      written += done.written
    }
    assert.ok(written < 2_000_000, `${written} bytes written for 200,000`)
    assert.ok(segments.length < 20)
  })
})
