import assert from 'node:assert/strict'
import { it } from 'node:test'
import { TailFilters } from '../../../actors/tail-filters.ts'
import type { TenantId } from '../../../base/ids.ts'
import { Prng } from '../../../base/prng.ts'
import type { Filter } from '../../../query/ast.ts'
import { compileFilter } from '../../../query/filter.ts'
import { parseQuery } from '../../../query/parser.ts'
import { columnSourceOf } from '../../harness/column-source.ts'
import { randomFilter, randomRecord } from '../../harness/random-query.ts'

const ACME = 'acme' as TenantId
const GLOBEX = 'globex' as TenantId
const NOON_MS = Date.UTC(2026, 0, 1, 12)

const parsed = (text: string): Filter => parseQuery(text, { nowMs: NOON_MS }).filter

function found(
  filters: TailFilters<number>,
  tenant: TenantId,
  source: Parameters<TailFilters<number>['candidates']>[1],
) {
  const rows = new Map<number, number[]>()
  for (const { followers, rows: matching } of filters.candidates(tenant, source)) {
    for (const follower of followers) {
      assert.ok(!rows.has(follower), 'a filter is told of once')
      rows.set(follower, [...matching()])
    }
  }
  return rows
}

it('finds for each of many filters what it matches alone, while filters come and go', () => {
  for (let seed = 0; seed < 40; seed++) {
    const random = new Prng(`tail-filters/${seed}`)
    const filters = new TailFilters<number>()
    const known = new Map<number, { readonly filter: Filter; readonly key: string }>()
    for (let follower = 0; follower < 60; follower++) {
      const parts = [
        ...(random.chance(0.5) ? [parsed(`service:${random.pick(['checkout', 'cart', '5', 'True', 'nobody'])}`)] : []),
        ...(random.chance(0.4) ? [parsed(`level:${random.pick(['ERROR', 'error', 'INFO'])}`)] : []),
        ...(random.chance(0.7) ? [randomFilter(random, NOON_MS)] : []),
      ]
      const filter: Filter =
        parts.length === 1 ? parts[0]! : parts.length === 0 ? { kind: 'all' } : { kind: 'and', of: parts }
      known.set(follower, { filter, key: filters.add(ACME, filter, follower) })
    }
    for (let round = 0; round < 4; round++) {
      const records = Array.from({ length: 1 + random.below(80) }, () => randomRecord(random, NOON_MS, 0))
      const source = columnSourceOf(records)
      const rows = found(filters, ACME, source)
      for (const [follower, { filter }] of known) {
        assert.deepEqual(rows.get(follower) ?? [], [...compileFilter(filter).evaluate(source)])
      }
      assert.equal(
        [...rows.keys()].every((follower) => known.has(follower)),
        true,
      )
      for (const [follower, { key }] of known) {
        if (random.chance(0.6)) continue
        filters.remove(ACME, key, follower)
        known.delete(follower)
      }
    }
    for (const [follower, { key }] of known) filters.remove(ACME, key, follower)
    assert.equal(filters.size, 0)
    assert.equal(filters.has(ACME), false)
  }
})

it('takes equal filters for one, of each tenant for itself', () => {
  const filters = new TailFilters<number>()
  for (let follower = 0; follower < 10; follower++) filters.add(ACME, parsed('service:cart timeout'), follower)
  const key = filters.add(GLOBEX, parsed('service:cart timeout'), 10)
  assert.equal(filters.size, 2)
  const source = columnSourceOf([randomRecord(new Prng(1), NOON_MS, 0)])
  assert.ok([...filters.candidates(ACME, source)].length <= 1)
  filters.remove(GLOBEX, key, 10)
  filters.remove(GLOBEX, key, 10)
  assert.deepEqual([filters.size, filters.has(GLOBEX), filters.has(ACME)], [1, false, true])
})
