import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Bitmap } from '../../../base/bitmap.ts'
import { PATTERN_CLUSTERS_MAX } from '../../../base/limits.ts'
import { createPatternMiner, mergePatterns } from '../../../query/patterns.ts'
import { PatternTree, patternTokens } from '../../../query/patterns-drain.ts'
import type { PipeUnit } from '../../../query/pipes.ts'
import { columnSourceOf, type FlatRecord, flatRecord } from '../../harness/column-source.ts'

function unitOf(shard: number, records: readonly FlatRecord[]): PipeUnit {
  const rows = {
    columns: columnSourceOf(records, (name) => (name === 'message' ? 'bytes' : 'dictionary')),
    generation: 1,
    sequenceOf: () => 1,
    rowOf: (row: number) => row,
    receivedMsOf: () => 0,
  }
  return { shard, rows, reopen: async () => rows }
}

async function mine(units: readonly PipeUnit[]) {
  const miner = createPatternMiner((key) => `${key.shard}/${key.row}`)
  for (const unit of units) miner.add(unit, Bitmap.full(unit.rows.columns.rowCount))
  return structuredClone(await miner.partial())
}

const NAMES = ['anna', 'bert', 'carl', 'dora']
const record = (i: number): FlatRecord =>
  flatRecord(i, {
    level: i % 5 === 0 ? 'ERROR' : 'INFO',
    message:
      i % 2 === 0
        ? `Order ${i * 31} created for customer ${NAMES[i % 4]} took=${i}ms`
        : `Connection to 10.0.0.${i % 9}:${i} refused`,
  })

describe('message templates', () => {
  it('put variables where messages differ, and count by level, first and last', async () => {
    const records = Array.from({ length: 100 }, (_, i) => record(i))
    const leaves = [
      await mine([unitOf(0, records.slice(0, 30)), unitOf(0, records.slice(30, 55))]),
      await mine([unitOf(1, records.slice(55))]),
    ]
    const [first, second, ...rest] = mergePatterns(leaves, 10)
    assert.deepEqual(rest, [])
    const byPattern = new Map([first!, second!].map((pattern) => [pattern.pattern, pattern]))
    const order = byPattern.get('Order <*> created for customer <*> took=<*>')
    const refused = byPattern.get('Connection to <*>:<*> refused')
    assert.ok(order !== undefined && refused !== undefined, [...byPattern.keys()].join(', '))
    assert.deepEqual([order.count, order.levels], [50, { ERROR: 10, INFO: 40 }])
    assert.deepEqual([order.firstAt, order.lastAt], ['1970-01-01T00:00:00.000Z', '1970-01-01T00:00:00.098Z'])
    assert.equal((JSON.parse(order.sample) as { id: string }).id, '1/43')
    assert.equal(refused.count, 50)
  })

  it('stay bounded when every message is another', () => {
    const tree = new PatternTree(() => ({ count: 0 }))
    for (let i = 0; i < PATTERN_CLUSTERS_MAX + 500; i++) {
      const letters = Array.from({ length: 6 }, (_, k) => String.fromCharCode(97 + ((i >> (2 * k)) & 3) * 5 + k)).join(
        '',
      )
      tree.assign(patternTokens(`${letters} ${letters}x ${letters}y`)).data.count++
    }
    assert.ok(tree.clusters.length <= PATTERN_CLUSTERS_MAX + 1)
    assert.equal(
      tree.clusters.reduce((sum, { data }) => sum + data.count, 0),
      PATTERN_CLUSTERS_MAX + 500,
    )
  })

  it('keep the separators of a message', () => {
    assert.equal(
      patternTokens('GET /a/b  status=200, took=(3ms) "x y"').join(''),
      'GET /a/b status=<*>, took=(<*>) "x y"',
    )
    assert.equal(patternTokens('a <*> b').join(''), 'a <*> b')
    assert.deepEqual(patternTokens(''), [])
  })
})
