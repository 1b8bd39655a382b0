import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type {
  FindRows,
  LeafExplained,
  LeafFields,
  LeafFollowed,
  LeafMined,
  LeafReport,
  LeafRows,
  QueryLeafMessage,
} from '../../../../actors/messages/leaf.ts'
import type { CheckKey } from '../../../../actors/messages/shard.ts'
import type { AnswerOf } from '../../../../actors/runtime/actor.ts'
import { decodeWire, encodeWire } from '../../../../actors/runtime/wire-codec.ts'
import { Bitmap } from '../../../../base/bitmap.ts'
import type { NodeId, ShardId, TenantId } from '../../../../base/ids.ts'
import { Prng } from '../../../../base/prng.ts'
import { parseQuery } from '../../../../query/parser.ts'
import { createPatternMiner } from '../../../../query/patterns.ts'
import { finishPipes, type PipesPartial, type PipeUnit, runPipes } from '../../../../query/pipes.ts'
import { planPipes } from '../../../../query/pipes-plan.ts'
import { DistinctSketch } from '../../../../query/sketch-distinct.ts'
import { columnSourceOf, type FlatRecord, flatRecord } from '../../../harness/column-source.ts'
import { randomFilter } from '../../../harness/random-query.ts'

const arrived = <T>(value: T): T => decodeWire(encodeWire(value)) as T
const arrives = (value: unknown): void => assert.deepStrictEqual(arrived(value), value)

const shard = 3 as ShardId
const A = 'node-a' as NodeId
const B = 'node-b' as NodeId
const key = { timeMs: 1.7e12 + 1, timeNs: 999_999, shard, generation: 1, sequence: 2 ** 40, row: 7 }
const report: LeafReport = {
  missing: [{ shard, part: 'hot', reason: 'the node that was asked does not own the shard', retry: true }],
  stats: { blocks: 1, blocksSkipped: 2, rowsScanned: 3, bytesRead: 2 ** 35 },
  hot: { blocks: 1, rows: 2 },
  warm: { blocks: 0, rows: 0 },
  bytes: 100,
}
const row = { key, json: '{"message":"größe 日本 😀","n":1}' }
const findRows: FindRows = {
  kind: 'findRows',
  scope: {
    tenant: 'default' as TenantId,
    filter: { kind: 'all' },
    range: { fromMs: 0, toMs: Number.POSITIVE_INFINITY },
    shares: [
      { shard, hot: { as: 'owner', epoch: 3 }, segments: false },
      { shard, pin: { page: 'key', floor: { generation: 1, sequence: 2 ** 40 } }, segments: true },
    ],
    deal: { among: [A, B], to: B, after: [{ among: [A, B], to: A }] },
  },
  order: 'desc',
  limit: 100,
  after: undefined,
  countMax: Number.POSITIVE_INFINITY,
  fields: undefined,
  original: false,
}

function unitOf(records: readonly FlatRecord[]): PipeUnit {
  const rows = {
    columns: columnSourceOf(records),
    generation: 1,
    sequenceOf: () => 1,
    rowOf: (index: number) => index,
    receivedMsOf: () => 0,
  }
  return { shard: 0, rows, reopen: async () => rows }
}

/** Enough values that sketches are dense for some groups and sparse for others. */
const UNIT = unitOf(
  Array.from({ length: 6000 }, (_, i) =>
    flatRecord(i * 1000, {
      message: `user=u${i % 7} took=${i}ms`,
      service: i % 1000 === 0 ? 'rare' : 'common',
      level: ['INFO', 'constructor', '__proto__'][i % 3]!,
      n: i % 5 === 0 ? null : i - 3000.5,
      trace: `t${i}`,
    }),
  ),
)

async function partialOf(text: string): Promise<PipesPartial> {
  const leaf = runPipes(planPipes(parseQuery(text, { nowMs: 0 }).pipes), { order: 'desc', limit: 10, idOf: () => 'id' })
  leaf.add(UNIT, Bitmap.full(UNIT.rows.columns.rowCount))
  return leaf.partial()
}

describe('messages of queries between nodes', () => {
  it('any filter of a question arrives', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const filter = randomFilter(new Prng(`filter/${seed}`), 1.7e12)
        arrives({ ...findRows, scope: { ...findRows.scope, filter } })
      }),
    )
  })

  it('every question to a leaf arrives', () => {
    const { scope } = findRows
    const { pipes } = parseQuery(
      '* | parse "user=<user> <_>" | where n > 5 and user != "x" | stats count(), p95(n) by (service, bucket(1m)) | sort count desc | limit 3',
      { nowMs: 0 },
    )
    const questions: readonly QueryLeafMessage[] = [
      { ...findRows, after: key, fields: ['message', 'metadata.userId'] },
      { kind: 'runPipes', scope, pipes, order: 'asc', limit: 10, fields: undefined, groupsMax: 100_000 },
      { kind: 'minePatterns', scope },
      { kind: 'followRows', scope, behind: [{ shard, generation: 1, sequence: 5, row: 2 ** 32 }], limit: 10 },
      { kind: 'findRecord', scope, key },
      { kind: 'listFields', scope },
      { kind: 'explainPlan', scope },
    ]
    for (const question of questions) arrives(question)
  })

  it('a count that is shared between threads stays behind', () => {
    const { counted, ...rest } = arrived({ ...findRows, counted: new SharedArrayBuffer(4) })
    assert.equal(counted, undefined)
    assert.deepStrictEqual(rest, findRows)
  })

  it('every answer of a leaf arrives', async () => {
    const distinct = new DistinctSketch()
    distinct.addBytes(new Uint8Array([1, 2, 3]), 0, 3)
    const miner = createPatternMiner(() => 'id')
    miner.add(UNIT, Bitmap.full(UNIT.rows.columns.rowCount))
    const patterns = await miner.partial()
    assert.ok(patterns.some(({ levels }) => Object.hasOwn(levels, '__proto__')))
    arrives({ report, rows: [row, row], count: 2, countIsLowerBound: true } satisfies LeafRows)
    arrives({ report, patterns } satisfies LeafMined)
    arrives({
      report,
      shards: [{ shard, applied: { generation: 1, sequence: 5 }, rows: [row] }],
    } satisfies LeafFollowed)
    arrives({ report, fields: [{ name: 'n', types: [0, 1], distinct: distinct.state() }] } satisfies LeafFields)
    arrives({
      report,
      shards: [
        {
          shard,
          headRows: 1,
          localBlocks: 2,
          segments: 3,
          segmentBlocks: 4,
          candidates: 5,
          pruned: [{ clause: 'words', blocks: 1 }],
        },
      ],
    } satisfies LeafExplained)
    arrives({ row: undefined, service: '', host: '' })
  })

  it('partials of pipes arrive, and merge as they would have where they were made', async () => {
    const texts = [
      '* | stats count(), sum(n), avg(n), min(n), max(n), uniq(trace), p50(n), p99(n) by service, level',
      '* | stats p95(n), uniq(trace)',
      '* | rate 1m',
      '* | where n > 10 | sort n desc | limit 20',
      '* | limit 100 | stats uniq(level) by trace',
      '* | dedup service',
    ]
    for (const text of texts) {
      const partial = await partialOf(text)
      arrives(partial)
      const plan = planPipes(parseQuery(text, { nowMs: 0 }).pipes)
      const finish = (partials: readonly PipesPartial[]) => finishPipes(plan, partials, { order: 'desc', limit: 10 })
      assert.deepStrictEqual(finish([arrived(partial), arrived(partial)]), finish([partial, partial]), text)
    }
  })
})

describe('messages of ingest between nodes', () => {
  it('the question whether a key is known, and its answer, arrive', () => {
    const { tenant } = findRows.scope
    arrives({ kind: 'checkKey', shard, tenant, keyHash: '00ff', bodyHash: 'ff00' } satisfies CheckKey)
    arrives('repeat' satisfies AnswerOf<CheckKey>)
  })
})
