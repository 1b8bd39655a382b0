import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shareNode } from '../harness/shared-node.ts'
import type { Found } from '../harness/weir-client.ts'

const shared = await shareNode()
const SERVICES = ['cart', 'checkout', 'gateway']
const LEVELS = ['DEBUG', 'INFO', 'WARN', 'ERROR']
const COUNT = 600
/** On a multiple of five minutes, so that buckets are known. */
const START_MS = Math.floor(Date.now() / 300_000) * 300_000 - 20 * 60_000
const STEP_MS = 1000

interface Sent {
  readonly n: number
  readonly timestamp: string
  readonly level: string
  readonly service: string
  readonly host: string
  readonly message: string
  readonly traceId: string
  readonly latency_ms: number
  readonly metadata: { readonly userId: string }
}

/** `COUNT` records a second apart; two of them a time share it. */
const records: readonly Sent[] = Array.from({ length: COUNT }, (_, n) => ({
  n,
  timestamp: new Date(START_MS + Math.floor(n / 2) * STEP_MS).toISOString(),
  level: LEVELS[n % 4]!,
  service: SERVICES[n % 3]!,
  host: `h${n % 2}`,
  message: n % 10 === 0 ? `gateway timeout after ${n}ms` : `Order ${n} created for customer c${n % 7}`,
  traceId: `trace-${Math.floor(n / 6)}`,
  latency_ms: n,
  metadata: { userId: `u_${n % 50}` },
}))

const client = shared.tenant()
await client.ingest(records)
await client.found(COUNT)

const ALL = { from: START_MS, to: START_MS + COUNT * STEP_MS }
const numbers = (logs: readonly Found[]): number[] => logs.map(({ n }) => n)
const times = (logs: readonly Found[]): string[] => logs.map(({ timestamp }) => timestamp)

test('a search answers with records, totals, coverage and statistics', async () => {
  const answer = await client.search({ query: 'timeout level:WARN', ...ALL, limit: 5 })
  assert.deepEqual(Object.keys(answer).sort(), [
    ...['coverage', 'logs', 'nextCursor', 'page', 'stats', 'tookMs', 'total', 'totalRelation'],
  ])
  const wanted = records.filter(({ message, level }) => /timeout/.test(message) && level === 'WARN')
  assert.equal(answer.total, wanted.length)
  assert.equal(answer.totalRelation, 'eq')
  assert.equal(answer.page, 1)
  assert.ok(answer.tookMs >= 0)
  assert.equal(answer.coverage.complete, true)
  assert.equal(answer.coverage.answered, answer.coverage.shards)
  assert.deepEqual(answer.coverage.missing, [])
  assert.deepEqual(Object.keys(answer.coverage.tiers), ['hot', 'warm', 'cold'])
  assert.ok(answer.stats.rowsScanned > 0)
  const { id, ingestedAt, ...rest } = answer.logs[0]
  assert.deepEqual(rest, records[wanted.at(-1)!.n])
  assert.ok(Date.parse(ingestedAt) > START_MS && id.length === 42)
})

test('both orders agree, ids sort as the records do, and ties keep one order', async () => {
  const down: Found[] = (await client.search({ ...ALL, limit: COUNT })).logs
  const up: Found[] = (await client.search({ ...ALL, limit: COUNT, order: 'asc' })).logs
  assert.equal(up.length, COUNT)
  assert.deepEqual(numbers(down), numbers(up).reverse())
  assert.deepEqual(
    up.map(({ id }) => id),
    up.map(({ id }) => id).sort(),
  )
  assert.deepEqual(times(up), times(up).sort())
})

test('narrowing parameters are ANDed to the query, also by POST as JSON or a form', async () => {
  const parameters = { query: 'timeout', service: 'cart', level: 'warn', host: 'h0', ...ALL, limit: 100, order: 'asc' }
  const wanted = records
    .filter((r) => /timeout/.test(r.message) && r.service === 'cart' && r.level === 'WARN' && r.host === 'h0')
    .map(({ n }) => n)
  assert.ok(wanted.length > 0)
  assert.deepEqual(numbers((await client.search(parameters)).logs), wanted)
  const byJson = await client.http.post('/v1/logs/search', parameters)
  assert.deepEqual(numbers(byJson.json().logs), wanted)
  const byForm = await client.http.send('/v1/logs/search', {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(Object.entries(parameters).map(([k, v]): [string, string] => [k, String(v)])).toString(),
  })
  assert.deepEqual(numbers(byForm.json().logs), wanted)
  const oneTrace = await client.search({ ...ALL, traceId: 'trace-7', order: 'asc' })
  assert.deepEqual(numbers(oneTrace.logs).sort(), [42, 43, 44, 45, 46, 47])
})

test('pages and cursors go through all records once', async () => {
  const all = numbers((await client.search({ ...ALL, limit: COUNT })).logs)
  const paged: number[] = []
  for (let page = 1; page <= 6; page++) {
    const answer = await client.search({ ...ALL, limit: 100, page })
    assert.equal(answer.page, page)
    paged.push(...numbers(answer.logs))
  }
  assert.deepEqual(paged, all)
  for (const order of ['asc', 'desc']) {
    const walked: number[] = []
    let cursor: string | null = null
    do {
      const answer = await client.search({ ...ALL, order, limit: 77, ...(cursor === null ? {} : { cursor }) })
      walked.push(...numbers(answer.logs))
      assert.equal(answer.total, COUNT)
      cursor = answer.nextCursor
    } while (cursor !== null)
    assert.deepEqual(walked, order === 'desc' ? all : all.toReversed())
  }
})

test('a cursor neither repeats nor misses a record while others arrive', async () => {
  const own = shared.tenant()
  const startMs = Date.now() - 60_000
  const old = Array.from({ length: 500 }, (_, n) => ({ n, old: true, timestamp: startMs + n, service: `s${n % 5}` }))
  await own.ingest(old)
  await own.found(500)
  let isDone = false
  let more = 0
  const flood = (async () => {
    while (!isDone) {
      await own.ingest(Array.from({ length: 50 }, () => ({ n: 10_000 + more++, service: `s${more % 5}` })))
    }
  })()
  const seen: number[] = []
  let cursor: string | null = null
  do {
    const answer = await own.search({ limit: 23, ...(cursor === null ? {} : { cursor }) })
    seen.push(...numbers(answer.logs))
    cursor = answer.nextCursor
  } while (cursor !== null)
  isDone = true
  await flood
  assert.equal(new Set(seen).size, seen.length, 'none twice')
  assert.deepEqual(
    seen.filter((n) => n < 10_000),
    Array.from({ length: 500 }, (_, n) => 499 - n),
  )
})

test('fields choose what comes back', async () => {
  const answer = await client.search({ ...ALL, query: 'n:5', fields: 'timestamp,message,metadata.userId' })
  const { timestamp, message, metadata } = records[5]!
  assert.deepEqual(answer.logs, [{ timestamp, message, metadata }])
})

test('a total is exact up to 10,000, or on demand, or not there', async () => {
  const own = shared.tenant()
  for (let i = 0; i < 3; i++) {
    await own.ingest(Array.from({ length: 4100 }, (_, n) => ({ n, service: `s${n % 9}` })))
  }
  await own.found(12_300)
  const bounded = await own.search({ limit: 1 })
  assert.deepEqual([bounded.total, bounded.totalRelation], [10_000, 'gte'])
  const exact = await own.search({ limit: 1, total: 'exact' })
  assert.deepEqual([exact.total, exact.totalRelation], [12_300, 'eq'])
  const none = await own.search({ limit: 1, total: 'none' })
  assert.equal(none.total, null)
  assert.equal((await own.search({ limit: 10_000 })).logs.length, 10_000)
})

test('lines are streamed when asked for, with a summary last', async () => {
  const answer = await client.get('/v1/logs/search', { ...ALL, limit: 300 }, { accept: 'application/x-ndjson' })
  assert.match(answer.headers['content-type']!, /application\/x-ndjson/)
  const lines = answer.text.trimEnd().split('\n')
  assert.equal(lines.length, 301)
  const summary = JSON.parse(lines.at(-1)!)
  assert.equal(summary.summary, true)
  assert.equal(summary.total, COUNT)
  assert.deepEqual(
    lines.slice(0, -1).map((line) => JSON.parse(line).n),
    numbers((await client.search({ ...ALL, limit: 300 })).logs),
  )
})

test('pipes make tables', async () => {
  const answer = await client.search({
    ...ALL,
    query: '* | stats count() as n, max(latency_ms), p95(latency_ms) by service | sort service',
  })
  assert.deepEqual(answer.columns, ['service', 'n', 'max_latency_ms', 'p95_latency_ms'])
  assert.deepEqual(
    answer.rows.map(({ p95_latency_ms, ...row }: Found) => row),
    SERVICES.map((service, i) => ({ service, n: 200, max_latency_ms: 597 + i })),
  )
  for (const { p95_latency_ms } of answer.rows) assert.ok(Math.abs(p95_latency_ms - 570) < 12, `${p95_latency_ms}`)
  const top = await client.search({ ...ALL, query: 'timeout | top 2 level' })
  assert.deepEqual(top.rows, [
    { level: 'DEBUG', count: 30 },
    { level: 'WARN', count: 30 },
  ])
  const rows = await client.search({ ...ALL, query: 'timeout | sort latency_ms | limit 3 | fields latency_ms' })
  assert.deepEqual(rows.logs, [{ latency_ms: 0 }, { latency_ms: 10 }, { latency_ms: 20 }])
})

test('wrong parameters are named, wrong queries have a position and a hint', async () => {
  const wrong: [Record<string, string | number>, string][] = [
    [{ order: 'up' }, 'order'],
    [{ limit: 10_001 }, 'limit'],
    [{ limit: 'many' }, 'limit'],
    [{ page: 0 }, 'page'],
    [{ timeout: 'soon' }, 'timeout'],
    [{ from: 'yesterday' }, 'from'],
    [{ from: 'now', to: 'now-1h' }, 'from'],
    [{ cursor: 'nonsense' }, 'cursor'],
    [{ cursor: Buffer.from('["s1",1]').toString('base64url') }, 'cursor'],
    [{ color: 'red' }, 'color'],
    [{ total: 'roughly' }, 'total'],
  ]
  for (const [parameters, name] of wrong) {
    const answer = await client.get('/v1/logs/search', parameters)
    assert.equal(answer.status, 400, `${name}: ${answer.text}`)
    assert.equal(answer.json().code, 'invalid_parameter')
    assert.equal(answer.json().parameter, name)
  }
  const tooDeep = await client.get('/v1/logs/search', { limit: 5000, page: 3 })
  assert.equal(tooDeep.status, 400)
  const syntax = await client.get('/v1/logs/search', { query: 'level:ERROR (timeout' })
  assert.equal(syntax.status, 400)
  assert.equal(syntax.json().code, 'invalid_query')
  assert.equal(typeof syntax.json().position, 'number')
  assert.ok(syntax.json().hint.length > 0)
  assert.equal(syntax.headers['content-type'], 'application/problem+json; charset=utf-8')
})

test('a histogram counts every bucket, split by level or by any field', async () => {
  const range = { from: START_MS, to: START_MS + 5 * 60_000 }
  const answer = await client.json('/v1/logs/histogram', { ...range, interval: '1m' })
  assert.equal(answer.interval, '1m')
  assert.equal(answer.total, COUNT)
  assert.deepEqual(
    answer.buckets.map(({ start, count }: Found) => [start, count]),
    Array.from({ length: 5 }, (_, i) => [new Date(START_MS + i * 60_000).toISOString(), 120]),
  )
  assert.deepEqual(answer.buckets[0].by, { DEBUG: 30, INFO: 30, WARN: 30, ERROR: 30 })
  const byService = await client.json('/v1/logs/histogram', { ...range, interval: '5m', groupBy: 'app' })
  assert.deepEqual(
    byService.buckets.map(({ by }: Found) => Object.entries(by).sort()),
    [SERVICES.map((service) => [service, 200])],
  )
  const chosen = await client.json('/v1/logs/histogram', { ...ALL, query: 'timeout' })
  assert.equal(chosen.total, 60)
  assert.ok(chosen.buckets.length <= 101)
  const tooMany = await client.get('/v1/logs/histogram', { from: 0, interval: '1ms' })
  assert.equal(tooMany.json().parameter, 'interval')
})

test('an aggregate groups by fields and time', async () => {
  const answer = await client.json('/v1/logs/aggregate', {
    ...ALL,
    groupBy: 'service,level',
    metric: 'avg',
    field: 'latency_ms',
    top: 3,
  })
  assert.deepEqual(answer.columns, ['service', 'level', 'avg_latency_ms'])
  const groups = new Map<string, number[]>()
  for (const { service, level, latency_ms } of records) {
    const key = `${service} ${level}`
    groups.set(key, [...(groups.get(key) ?? []), latency_ms])
  }
  const averages = [...groups].map(([key, all]) => ({ key, avg: all.reduce((a, b) => a + b, 0) / all.length }))
  averages.sort((a, b) => b.avg - a.avg)
  assert.deepEqual(
    answer.rows.map(({ service, level, avg_latency_ms }: Found) => ({
      key: `${service} ${level}`,
      avg: avg_latency_ms,
    })),
    averages.slice(0, 3),
  )
  const distinct = await client.json('/v1/logs/aggregate', { ...ALL, metric: 'uniq', field: 'metadata.userId' })
  assert.equal(distinct.rows[0]['uniq_metadata.userId'], 50)
  const overTime = await client.json('/v1/logs/aggregate', { ...ALL, interval: '1m' })
  assert.deepEqual(
    overTime.rows.map(({ count }: Found) => count),
    [120, 120, 120, 120, 120],
  )
  assert.equal((await client.get('/v1/logs/aggregate', { metric: 'sum' })).json().parameter, 'field')
  assert.equal((await client.get('/v1/logs/aggregate', { metric: 'mode', field: 'n' })).json().parameter, 'metric')
})

test('a record is found by its id, with its neighbours', async () => {
  const { logs } = await client.search({ ...ALL, query: 'n:300' })
  const { id } = logs[0]
  assert.deepEqual(await client.json(`/v1/logs/${id}`), logs[0])
  const same = records.filter(({ service, host }) => service === records[300]!.service && host === records[300]!.host)
  const at = same.findIndex(({ n }) => n === 300)
  const context = await client.json(`/v1/logs/${id}/context`, { before: 3, after: 2 })
  assert.deepEqual(numbers(context.before), numbers(same.slice(at - 3, at)))
  assert.equal(context.record.n, 300)
  assert.deepEqual(numbers(context.after), numbers(same.slice(at + 1, at + 3)))
  const alone = await client.json(`/v1/logs/${id}/context`, { before: 0, after: 0 })
  assert.deepEqual([alone.before, alone.after], [[], []])
  for (const wrong of [
    '0'.repeat(42),
    id.slice(0, -1),
    `${id}0`,
    id.replace(/.$/, (c: string) => (c === '0' ? '1' : '0')),
  ]) {
    for (const path of [`/v1/logs/${wrong}`, `/v1/logs/${wrong}/context`]) {
      const answer = await client.get(path)
      assert.equal(answer.status, 404, `${path}: ${answer.text}`)
    }
  }
})

test('a trace comes whole and in order, with what its services did', async () => {
  const answer = await client.json('/v1/traces/trace-10')
  const wanted = records.filter(({ traceId }) => traceId === 'trace-10')
  assert.deepEqual(times(answer.logs), times(wanted))
  assert.deepEqual(numbers(answer.logs).sort(), numbers(wanted))
  assert.equal(answer.traceId, 'trace-10')
  assert.equal(answer.startedAt, wanted[0]!.timestamp)
  assert.equal(answer.durationMs, 2000)
  const services = answer.services.toSorted((a: Found, b: Found) => (a.service < b.service ? -1 : 1))
  assert.deepEqual(
    services,
    SERVICES.map((service) => {
      const own = wanted.filter((record) => record.service === service)
      const errors = own.filter(({ level }) => level === 'ERROR').length
      return { service, count: own.length, firstAt: own[0]!.timestamp, lastAt: own.at(-1)!.timestamp, errors }
    }),
  )
  assert.equal((await client.get('/v1/traces/none')).status, 404)
})

test('fields and their values are listed with counts', async () => {
  const { fields } = await client.json('/v1/fields', ALL)
  const field = (name: string) => fields.find((candidate: Found) => candidate.name === name)
  assert.deepEqual(field('service'), { name: 'service', type: 'string', count: COUNT, cardinality: 3 })
  assert.deepEqual(field('metadata.userId'), { name: 'metadata.userId', type: 'string', count: COUNT, cardinality: 50 })
  assert.equal(field('latency_ms').type, 'number')
  const values = await client.json('/v1/fields/metadata.userId/values', { ...ALL, limit: 3 })
  assert.deepEqual(values.values, [
    { value: 'u_0', count: 12 },
    { value: 'u_1', count: 12 },
    { value: 'u_10', count: 12 },
  ])
  assert.equal(values.other, 47 * 12)
  const errors = await client.json('/v1/fields/app/values', { ...ALL, query: 'level:ERROR' })
  assert.equal(
    errors.values.reduce((sum: number, { count }: Found) => sum + count, 0),
    150,
  )
})

test('patterns are mined from messages', async () => {
  const { patterns, coverage } = await client.json('/v1/logs/patterns', ALL)
  assert.equal(coverage.complete, true)
  assert.equal(
    patterns.reduce((sum: number, { count }: Found) => sum + count, 0),
    COUNT,
  )
  const order = patterns.find(({ pattern }: Found) => /^Order <\*> created for customer/.test(pattern))
  assert.ok(order !== undefined, JSON.stringify(patterns))
  assert.match(order.sample.message, /^Order \d+ created/)
  assert.deepEqual(Object.keys(order.levels).sort(), [...LEVELS].sort())
  assert.ok(order.firstAt < order.lastAt)
  assert.equal(order.sample.id.length, 42)
})

test('explain tells what a query means and what it would look at', async () => {
  const answer = await client.http.post('/v1/logs/explain', { query: 'timeout or', service: 'cart', ...ALL })
  assert.equal(answer.status, 200, answer.text)
  const { query, shards, totals, coverage } = answer.json()
  assert.equal(query.filter, 'timeout AND or AND service:cart')
  assert.match(query.notes.join(), /operator is written OR/)
  assert.equal(shards.length, 1, 'a service lives in one shard')
  assert.deepEqual(Object.keys(shards[0]), [
    ...['shard', 'headRows', 'localBlocks', 'segments', 'segmentBlocks', 'candidates', 'pruned'],
  ])
  assert.equal(totals.rowsScanned, 0)
  assert.equal(coverage.complete, true)
})

test('a time range in the query narrows the search like the parameters do', async () => {
  const from = new Date(START_MS + 60_000).toISOString()
  const to = new Date(START_MS + 120_000).toISOString()
  const byQuery = await client.search({ ...ALL, query: `timestamp:[${from} TO ${to}}`, limit: 1000 })
  const byParameters = await client.search({ from, to, limit: 1000 })
  assert.equal(byQuery.total, 120)
  assert.deepEqual(numbers(byQuery.logs), numbers(byParameters.logs))
})

test('a tail gives every record once, in order of each service, under load', async () => {
  const own = shared.tenant()
  const total = 6000
  let sent = 0
  const follow = async (): Promise<number[]> => {
    const seen: number[] = []
    let cursor = (await own.json('/v1/logs/tail', { limit: 1 })).cursor
    ready()
    while (seen.filter((n) => n >= 0).length < total) {
      const answer = await own.json('/v1/logs/tail', { cursor, limit: 40 + (seen.length % 300), wait: '2s' })
      seen.push(...numbers(answer.logs))
      cursor = answer.cursor
    }
    return seen
  }
  let waiting = 2
  let start = () => {}
  const bothReady = new Promise<void>((resolve) => {
    start = resolve
  })
  const ready = () => {
    if (--waiting === 0) start()
  }
  const send = async () => {
    await bothReady
    while (sent < total) {
      const batch = Array.from({ length: 60 }, () => ({ n: sent++, service: `s${sent % 7}` }))
      await own.ingest(batch)
    }
  }
  const [first, second] = await Promise.all([follow(), follow(), send(), send()])
  for (const seen of [first, second]) {
    assert.deepEqual(
      seen.toSorted((a, b) => a - b),
      Array.from({ length: sent }, (_, n) => n).slice(0, seen.length),
    )
    assert.equal(new Set(seen).size, seen.length)
  }
})

test('a first poll of a tail and what follows leave no gap and repeat nothing, also while records arrive', async () => {
  const own = shared.tenant()
  const total = 3000
  let sent = 0
  const send = async () => {
    while (sent < total) await own.ingest(Array.from({ length: 20 }, () => ({ n: sent++, service: `s${sent % 7}` })))
  }
  const sending = send()
  const tails: number[][] = []
  while (sent < total) {
    const first = await own.json('/v1/logs/tail', { limit: 1000 })
    const next = await own.json('/v1/logs/tail', { limit: 1000, cursor: first.cursor, wait: '100ms' })
    tails.push([...numbers(first.logs), ...numbers(next.logs)])
  }
  await sending
  assert.ok(tails.length > 3)
  for (const seen of tails) {
    assert.equal(new Set(seen).size, seen.length, 'none twice')
    if (seen.length >= 1000) continue
    // One sender: records are durable in the order of their numbers, though not of those within one request.
    const last = Math.max(-1, ...seen)
    assert.ok(seen.length > last - 20, `of 0 to ${last} only ${seen.length} were seen`)
  }
})

test('a tail waits for what comes and no longer', async () => {
  const own = shared.tenant()
  const { cursor } = await own.json('/v1/logs/tail')
  const startedMs = performance.now()
  const nothing = await own.json('/v1/logs/tail', { cursor, wait: '150ms' })
  assert.deepEqual(nothing.logs, [])
  assert.ok(performance.now() - startedMs >= 140)
  const waiting = own.json('/v1/logs/tail', { cursor: nothing.cursor, wait: '10s', query: 'needle' })
  await own.ingest([{ message: 'hay' }, { message: 'a needle' }])
  assert.deepEqual(
    (await waiting).logs.map(({ message }: Found) => message),
    ['a needle'],
  )
  assert.equal((await own.get('/v1/logs/tail', { cursor: 'x' })).json().parameter, 'cursor')
  assert.equal((await own.get('/v1/logs/tail', { wait: '2m' })).json().parameter, 'wait')
})
