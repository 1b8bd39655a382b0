import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { QueryScope } from '../../../actors/messages/leaf.ts'
import { ResultCache } from '../../../actors/result-cache.ts'
import type { DayNumber, TenantId } from '../../../base/ids.ts'
import type { SegmentMeta } from '../../../storage/segment.ts'

const KIB = 1024
const ALL = { fromMs: 0, toMs: 1000 }

function scopeOf(changes: Partial<QueryScope> = {}): QueryScope {
  return { tenant: 'acme' as TenantId, filter: { kind: 'all' }, range: ALL, ...changes }
}

function segment(key: string, minMs = 100, maxMs = 200): SegmentMeta {
  return {
    key,
    day: 0 as DayNumber,
    retentionClass: 0,
    tenants: null,
    services: null,
    rowCount: 1,
    blockCount: 1,
    byteLength: 1,
    minMs,
    maxMs,
    generation: 1,
    firstSequence: 1,
    lastSequence: 1,
    mergeLevel: 0,
    createdMs: 0,
  }
}

describe('Q3: kept results', () => {
  it('are given again for the same work, filter and tenant in the same segment, and for no others', () => {
    const cache = new ResultCache()
    const kept = { result: ['found'], blocks: 3, rows: 9 }
    cache.of('count', scopeOf(), 'f')!.keep(segment('a'), kept)
    const recall = (work: string, scope: QueryScope, filter: string, key: string) =>
      cache.of(work, scope, filter)!.recall(segment(key))
    assert.equal(recall('count', scopeOf(), 'f', 'a'), kept)
    assert.equal(recall('count', scopeOf(), 'f', 'b'), undefined)
    assert.equal(recall('sum', scopeOf(), 'f', 'a'), undefined)
    assert.equal(recall('count', scopeOf(), 'g', 'a'), undefined)
    assert.equal(recall('count', scopeOf({ tenant: 'other' as TenantId }), 'f', 'a'), undefined)
    // Texts that would be one if they were put together plainly.
    assert.equal(recall('countf', scopeOf(), '', 'a'), undefined)
  })

  it('outlast a range that moves on, as long as all of the segment lies in it', () => {
    const cache = new ResultCache()
    const of = (fromMs: number, toMs: number) => cache.of('count', scopeOf({ range: { fromMs, toMs } }), 'f')!
    const whole = { result: 1, blocks: 1, rows: 1 }
    of(50, 201).keep(segment('a'), whole)
    assert.equal(of(100, 500).recall(segment('a')), whole)
    for (const [fromMs, toMs] of [
      [101, 500],
      [0, 200],
    ] as const) {
      assert.equal(of(fromMs, toMs).recall(segment('a')), undefined)
      const part = { result: fromMs, blocks: 1, rows: 1 }
      of(fromMs, toMs).keep(segment('a'), part)
      assert.equal(of(fromMs, toMs).recall(segment('a')), part)
    }
    assert.equal(of(0, 1000).recall(segment('a')), whole)
  })

  it('stay within their bytes: those that were not used for longest go first', () => {
    const bytesMax = 64 * KIB
    const cache = new ResultCache(bytesMax)
    const result = 'x'.repeat(4 * KIB)
    const count = cache.of('count', scopeOf(), 'f')!
    for (let i = 0; i < 100; i++) {
      count.keep(segment(`s${i}`), { result, blocks: 1, rows: 1 })
      assert.ok(cache.memoryBytes <= bytesMax)
      assert.ok(count.recall(segment('s0')) !== undefined, 'what is used stays')
    }
    assert.equal(count.recall(segment('s1')), undefined)
    assert.ok(count.recall(segment('s99')) !== undefined)
    assert.ok(cache.memoryBytes > bytesMax / 2)
    // The texts of questions count as well.
    for (let i = 0; i < 100; i++) {
      const filter = `${i}${'y'.repeat(10 * KIB)}`
      cache.of('count', scopeOf(), filter)!.keep(segment('a'), { result: i, blocks: 1, rows: 1 })
      assert.ok(cache.memoryBytes <= bytesMax)
    }
  })

  it('are not kept where one would take most of the room, or there is none', () => {
    const cache = new ResultCache(64 * KIB)
    const count = cache.of('count', scopeOf(), 'f')!
    count.keep(segment('a'), { result: 'x'.repeat(9 * KIB), blocks: 1, rows: 1 })
    assert.equal(count.recall(segment('a')), undefined)
    assert.equal(cache.memoryBytes, 0)
    assert.equal(new ResultCache(0).of('count', scopeOf(), 'f'), undefined)
  })

  it('tell hits from misses', () => {
    const lookups: boolean[] = []
    const cache = new ResultCache(64 * KIB, (isHit) => lookups.push(isHit))
    const count = cache.of('count', scopeOf(), 'f')!
    count.recall(segment('a'))
    count.keep(segment('a'), { result: 1, blocks: 1, rows: 1 })
    count.recall(segment('a'))
    assert.deepEqual(lookups, [false, true])
  })
})
