import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Bitmap } from '../../../base/bitmap.ts'
import { parseQuery } from '../../../query/parser.ts'
import { finishPipes, type PipesPartial, type PipesResult, type PipeUnit, runPipes } from '../../../query/pipes.ts'
import { planPipes } from '../../../query/pipes-plan.ts'
import { columnSourceOf, type FlatRecord, flatRecord } from '../../harness/column-source.ts'

function unitOf(shard: number, records: readonly FlatRecord[]): PipeUnit {
  const rows = {
    columns: columnSourceOf(records, (name) =>
      name === 'n' ? 'integer' : name === 'message' ? 'bytes' : 'dictionary',
    ),
    generation: 1,
    sequenceOf: () => 1,
    rowOf: (row: number) => row,
    receivedMsOf: () => 0,
  }
  return { shard, rows, reopen: async () => rows }
}

/** Runs the pipes of `text` over leaves, each with its units. */
async function run(
  text: string,
  leaves: readonly (readonly PipeUnit[])[],
  { order = 'desc' as 'asc' | 'desc', limit = 100 } = {},
): Promise<PipesResult> {
  const plan = planPipes(parseQuery(text, { nowMs: 0 }).pipes)
  const partials: PipesPartial[] = []
  for (const units of leaves) {
    const leaf = runPipes(plan, { order, limit, idOf: (key) => `${key.shard}-${key.timeMs}-${key.row}` })
    for (const unit of units) {
      const { timeMs, rowCount } = unit.rows.columns
      if (rowCount > 0 && leaf.needs(Math.min(...timeMs), Math.max(...timeMs))) leaf.add(unit, Bitmap.full(rowCount))
    }
    partials.push(structuredClone(await leaf.partial()))
  }
  return finishPipes(plan, partials, { order, limit })
}

function tableOf(result: PipesResult): readonly unknown[] {
  assert.equal(result.kind, 'table')
  return result.kind === 'table' ? result.table.rows : []
}

function rowsOf(result: PipesResult): Record<string, unknown>[] {
  assert.equal(result.kind, 'rows')
  return result.kind === 'rows' ? result.rows.map((row) => JSON.parse(row.json) as Record<string, unknown>) : []
}

const RECORDS = Array.from({ length: 300 }, (_, i) =>
  flatRecord(i * 1000, {
    message: `user=u${i % 7} took=${i % 40}ms`,
    service: ['api', 'web', 'db'][i % 3]!,
    n: i % 40,
    ...(i % 10 === 0 ? { 'a.b': `x${i % 4}` } : {}),
  }),
)
const LEAVES = [
  [unitOf(0, RECORDS.slice(0, 90)), unitOf(0, RECORDS.slice(90, 140))],
  [unitOf(1, RECORDS.slice(140, 300))],
]

describe('pipes', () => {
  it('give one table, however the rows lie on leaves and units', async () => {
    const queries = [
      '* | stats count(), sum(n), avg(n), min(n), max(n), uniq(service), p50(n) by (service, bucket(1m))',
      '* | stats count() by a.b | sort count desc | limit 3',
      '* | parse "user=<user> took=<took>ms" | stats max(took), count() by user | where count > 42 | fields user, max_took',
      '* | where n > 20 | top 2 service',
      '* | rate 1m | sort rate desc, bucket',
      '* | limit 100 | stats count() by service',
      '* | dedup n | stats count(), sum(n)',
      '* | sort n desc | limit 50 | stats min(n)',
    ]
    for (const text of queries) {
      const one = tableOf(await run(text, [[unitOf(0, RECORDS)]]))
      assert.ok(one.length > 0, text)
      // Other shards order equal times otherwise, but no two records here have one time.
      assert.deepEqual(tableOf(await run(text, LEAVES)), one, text)
    }
  })

  it('count, sum and divide', async () => {
    assert.deepEqual(tableOf(await run('* | stats count(), sum(n) by service | sort service', LEAVES)), [
      { service: 'api', count: 100, sum_n: total((i) => i % 3 === 0) },
      { service: 'db', count: 100, sum_n: total((i) => i % 3 === 2) },
      { service: 'web', count: 100, sum_n: total((i) => i % 3 === 1) },
    ])
    assert.deepEqual(tableOf(await run('* | rate 1m | limit 1', LEAVES)), [
      { bucket: '1970-01-01T00:00:00.000Z', rate: 1 },
    ])
    assert.deepEqual(tableOf(await run('* | stats count(), sum(n), p50(n)', [[]])), [
      { count: 0, sum_n: null, p50_n: null },
    ])
  })

  it('show the rows of the pipe, in its order', async () => {
    const sorted = rowsOf(await run('* | sort n desc, message | fields n, message | limit 3', LEAVES))
    assert.deepEqual(
      sorted.map((row) => row.n),
      [39, 39, 39],
    )
    assert.deepEqual(Object.keys(sorted[0]!).sort(), ['message', 'n'])
    const captured = rowsOf(await run('* | parse "user=<user> took=<took>ms" | where took < 2 | limit 2', LEAVES))
    assert.deepEqual(
      captured.map((row) => [row.user, row.took, row.timestamp]),
      [
        ['u1', 1, '1970-01-01T00:04:41.000Z'],
        ['u0', 0, '1970-01-01T00:04:40.000Z'],
      ],
    )
    const firsts = await run('* | dedup service', LEAVES, { order: 'asc' })
    assert.deepEqual(
      rowsOf(firsts).map((row) => row.service),
      ['api', 'web', 'db'],
    )
    assert.ok(firsts.kind === 'rows' && firsts.total === 3 && firsts.isTotalExact)
  })

  it('name the pipe that needs more rows than may be kept', async () => {
    const many = [
      unitOf(
        0,
        Array.from({ length: 10_001 }, (_, i) => flatRecord(i, { n: i })),
      ),
    ]
    await assert.rejects(run('* | sort n | stats count()', [many]), {
      code: 'result_too_large',
      details: {
        pipe: 'sort',
        limit: 10_000,
        hint: 'Put a limit of at most 10000 right behind sort, or narrow the filter.',
      },
    })
  })

  it('agree with the plain meaning of each pipe', async () => {
    const record = fc.record({ timeMs: fc.nat(20), n: fc.nat(5), service: fc.constantFrom('a', 'b', null) })
    const pipe = fc.constantFrom(
      'where n > 1',
      'where service != "a"',
      'sort n',
      'sort service desc, n',
      'limit 3',
      'limit 10',
      'dedup n',
      'dedup service, n',
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(record, { maxLength: 40 }),
        fc.array(pipe, { minLength: 1, maxLength: 4 }),
        fc.constantFrom('asc', 'desc'),
        fc.integer({ min: 1, max: 12 }),
        async (plain, pipes, order, limit) => {
          const byShard = [plain.filter((_, i) => i % 2 === 0), plain.filter((_, i) => i % 2 === 1)]
          const keyed = byShard.flatMap((list, shard) => list.map((r, row) => ({ ...r, shard, row })))
          keyed.sort((a, b) => (order === 'asc' ? 1 : -1) * (a.timeMs - b.timeMs || a.shard - b.shard || a.row - b.row))
          const expected = pipes.reduce(plainPipe, keyed)
          const leaves = byShard.map((list, shard) => [
            unitOf(
              shard,
              list.map(({ timeMs, n, service }) => flatRecord(timeMs, { n, service })),
            ),
          ])
          const result = await run(`* | ${pipes.join(' | ')}`, leaves, { order, limit })
          assert.ok(result.kind === 'rows')
          assert.deepEqual(
            result.rows.map(({ key }) => [key.shard, key.row]),
            expected.slice(0, limit).map(({ shard, row }) => [shard, row]),
          )
          if (result.isTotalExact) assert.equal(result.total, expected.length)
        },
      ),
      { numRuns: 500 },
    )
  })
})

interface Keyed {
  readonly n: number
  readonly service: string | null
}

function plainPipe<T extends Keyed>(rows: readonly T[], pipe: string): T[] {
  const [name, rest] = [pipe.split(' ')[0]!, pipe.slice(pipe.indexOf(' ') + 1)]
  if (name === 'limit') return rows.slice(0, Number(rest))
  if (name === 'where') return rows.filter((row) => (rest.startsWith('n') ? row.n > 1 : row.service !== 'a'))
  if (name === 'dedup') {
    const seen = new Set<string>()
    return rows.filter((row) => {
      const key = rest === 'n' ? `${row.n}` : `${row.service} ${row.n}`
      return !seen.has(key) && seen.add(key)
    })
  }
  if (rest === 'n') return rows.toSorted((a, b) => a.n - b.n)
  const rank = (service: string | null): number => (service === null ? 0 : service === 'a' ? 1 : 2)
  return rows.toSorted((a, b) => rank(b.service) - rank(a.service) || a.n - b.n)
}

function total(counts: (i: number) => boolean): number {
  return RECORDS.reduce((sum, _, i) => sum + (counts(i) ? i % 40 : 0), 0)
}
