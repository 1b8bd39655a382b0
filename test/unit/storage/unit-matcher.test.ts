import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ShardId, TenantId } from '../../../base/ids.ts'
import { compileFilter } from '../../../query/filter.ts'
import { parseQuery } from '../../../query/parser.ts'
import { sectionRows } from '../../../storage/row-source.ts'
import { SearchPace } from '../../../storage/search-pace.ts'
import type { SearchUnit } from '../../../storage/search-unit.ts'
import { UnitMatcher } from '../../../storage/unit-matcher.ts'
import { columnSourceOf, flatRecord } from '../../harness/column-source.ts'
import { SimulatedClock } from '../../harness/simulated-clock.ts'

/** Units of published segments whose reads take a while, and how many were read at once. */
class Units {
  readonly clock = new SimulatedClock(1)
  readonly all: readonly SearchUnit[]
  readonly opened: number[] = []
  atOnce = 0
  mostAtOnce = 0

  constructor(count: number, readMs: number, fails: (unit: number) => boolean = () => false) {
    this.all = Array.from({ length: count }, (_, i): SearchUnit => {
      const columns = columnSourceOf([flatRecord(i, { service: i % 2 === 0 ? 'web' : 'cart' })], () => 'bytes')
      return {
        tier: 'segment',
        shard: 0 as ShardId,
        tenant: 'acme' as TenantId,
        rowCount: 1,
        minMs: i,
        maxMs: i,
        lastSequence: i,
        afterSequence: undefined,
        columnNames: columns.columnNames,
        summary: undefined,
        open: async () => {
          this.opened.push(i)
          this.mostAtOnce = Math.max(this.mostAtOnce, ++this.atOnce)
          await this.clock.sleep(readMs)
          this.atOnce--
          if (fails(i)) throw new Error(`unit ${i} cannot be read`)
          return { rows: sectionRows(columns, null, 1, i, 0, 0), bytesRead: 1 }
        },
      }
    })
  }

  matcher(query: string, remainingMs = 1e6): UnitMatcher {
    const pace = new SearchPace(this.clock, new AbortController().signal, remainingMs)
    const { filter } = parseQuery(query, { nowMs: 0 })
    return new UnitMatcher(compileFilter(filter), { filter: () => ['service'] }, { fromMs: 0, toMs: 1000 }, pace)
  }

  /** Those of the first `count` units that match, as far as there was time. */
  found(matcher: UnitMatcher, count: number): Promise<number[]> {
    const look = async () => {
      const found: number[] = []
      for (let i = 0; i < count; i++) {
        const matches = await matcher.match(this.all, i)
        if (matches === 'late') break
        if (matches !== undefined) found.push(matches.unit.minMs)
      }
      return found
    }
    return this.clock.run(look())
  }
}

const EVEN = Array.from({ length: 20 }, (_, i) => 2 * i)

describe('matching units one after the other', () => {
  it('begins reads side by side once they are slow, a few ahead', async () => {
    const units = new Units(40, 20)
    assert.deepEqual(await units.found(units.matcher('service:web'), 40), EVEN)
    assert.equal(units.mostAtOnce, 9)
    assert.deepEqual(
      units.opened.toSorted((a, b) => a - b),
      Array.from({ length: 40 }, (_, i) => i),
    )
    const tookMs = units.clock.monotonicMs()
    assert.ok(tookMs < (40 / 5) * 20, `${tookMs} ms`)
  })

  it('reads nothing ahead that is near', async () => {
    const units = new Units(40, 0)
    assert.deepEqual(await units.found(units.matcher('service:web'), 10), EVEN.slice(0, 5))
    assert.equal(units.mostAtOnce, 1)
    assert.equal(units.opened.length, 10)
  })

  it('fails for a unit that cannot be read when its turn comes, and not before', async () => {
    const units = new Units(40, 20, (unit) => unit === 12)
    const matcher = units.matcher('service:web')
    assert.deepEqual(await units.found(matcher, 12), EVEN.slice(0, 6))
    await assert.rejects(units.clock.run(Promise.resolve(matcher.match(units.all, 12))), /unit 12/)
    const early = new Units(40, 20, (unit) => unit === 12)
    assert.deepEqual(await early.found(early.matcher('service:web'), 10), EVEN.slice(0, 5))
    await early.clock.advance(1000)
  })

  it('does not wait beyond the deadline for a read', async () => {
    const units = new Units(40, 20)
    const found = await units.found(units.matcher('service:web', 50), 40)
    assert.equal(units.clock.monotonicMs(), 50)
    assert.deepEqual(found, EVEN.slice(0, found.length))
    assert.ok(found.length > 0 && found.length < 20)
    await units.clock.advance(1000)
  })
})
