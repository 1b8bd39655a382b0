import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../../base/clock.ts'
import { WeirError } from '../../../base/errors.ts'
import { startTestServer, type TestServer } from '../../harness/test-server.ts'

const SEARCH = '/v1/logs/search'

async function fill({ client }: TestServer, count: number): Promise<void> {
  const records = Array.from({ length: count }, (_, i) => ({
    message: `order ${i} created`,
    level: i % 3 === 0 ? 'ERROR' : 'INFO',
    service: i % 2 === 0 ? 'shop' : 'mail',
    traceId: `t${i % 4}`,
  }))
  assert.equal((await client.post('/v1/logs/ingest', records)).status, 200)
}

test('a search answers with records, total, page, coverage and stats', async (t) => {
  const server = await startTestServer(t)
  await fill(server, 5)
  const answer = (await server.client.get(`${SEARCH}?query=order&limit=2`)).json()
  assert.deepEqual(Object.keys(answer), [
    'logs',
    'total',
    'totalRelation',
    'page',
    'nextCursor',
    'tookMs',
    'coverage',
    'stats',
  ])
  assert.deepEqual(
    answer.logs.map((log: { message: string }) => log.message),
    ['order 4 created', 'order 3 created'],
  )
  assert.equal(answer.total, 5)
  assert.equal(answer.tookMs, 0.123)
  assert.equal(answer.coverage.complete, true)
  const next = (await server.client.get(`${SEARCH}?query=order&limit=2&cursor=${answer.nextCursor}`)).json()
  assert.equal(next.logs[0].message, 'order 2 created')
})

test('records go out as the text they came in, not parsed and written again', async (t) => {
  const { client, backend } = await startTestServer(t)
  const text = '{"id":"r1","n":9007199254740993,"z":1.0, "u":"\\u0041"}'
  backend.search.search = async () => ({
    kind: 'rows',
    logs: [text],
    total: 1,
    totalRelation: 'eq',
    nextCursor: null,
    coverage: {
      complete: true,
      shards: 0,
      answered: 0,
      missing: [],
      tiers: { hot: { blocks: 0, rows: 0 }, warm: { blocks: 0, rows: 0 }, cold: { blocks: 0, rows: 0 } },
    },
    stats: { blocks: 0, blocksSkipped: 0, rowsScanned: 0, bytesRead: 0 },
    tookMs: 1,
  })
  assert.ok((await client.get(SEARCH)).text.startsWith(`{"logs":[${text}],"total":1,`))
})

test('every parameter reaches the backend; those that are left out have their defaults', async (t) => {
  const { client, backend } = await startTestServer(t)
  const before = systemClock.nowMs()
  await client.get(SEARCH)
  const { range, ...defaults } = backend.searched[0]!
  assert.deepEqual(defaults, {
    tenant: 'default',
    query: '',
    timeoutMs: 30_000,
    limit: 100,
    order: 'desc',
    page: 1,
    total: 'upToLimit',
  })
  assert.ok(range.fromMs >= before - 3_600_000 && range.toMs > before)

  const parameters = {
    query: 'level:ERROR AND "a b"',
    from: '2026-01-01T00:00:00Z',
    to: '1767229200000',
    service: 'shop',
    level: 'ERROR',
    host: 'h1',
    traceId: 't1',
    limit: '7',
    order: 'asc',
    page: '3',
    fields: 'timestamp, message,,metadata.userId',
    total: 'exact',
    timeout: '1.5s',
  }
  const wanted = {
    tenant: 'default',
    query: 'level:ERROR AND "a b"',
    range: { fromMs: 1767225600000, toMs: 1767229200000 },
    service: 'shop',
    level: 'ERROR',
    host: 'h1',
    traceId: 't1',
    timeoutMs: 1500,
    limit: 7,
    order: 'asc',
    page: 3,
    total: 'exact',
    fields: ['timestamp', 'message', 'metadata.userId'],
  }
  const query = new URLSearchParams(parameters).toString()
  await client.get(`${SEARCH}?${query}`)
  const json = {
    ...parameters,
    limit: 7,
    page: 3,
    to: 1767229200000,
    fields: ['timestamp', 'message', 'metadata.userId'],
  }
  await client.post(SEARCH, json)
  await client.send(SEARCH, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: query,
  })
  await client.send(`${SEARCH}?limit=7&page=3`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: JSON.stringify({ ...json, limit: undefined, page: undefined }),
  })
  for (const request of backend.searched.slice(1)) assert.deepEqual(request, wanted)
  assert.equal(backend.searched.length, 5)
})

test('a parameter that is unknown, malformed or given twice is a 400 with its name', async (t) => {
  const { client, backend } = await startTestServer(t)
  const wrong: [string, string][] = [
    ['limit=0', 'limit'],
    ['limit=10001', 'limit'],
    ['limit=1e3', 'limit'],
    ['limit=0x10', 'limit'],
    ['limit=', 'limit'],
    ['limit=1&limit=2', 'limit'],
    ['page=0', 'page'],
    ['page=101&limit=100', 'page'],
    ['page=2&cursor=c1', 'page'],
    ['cursor=', 'cursor'],
    ['cursor=zzz', 'cursor'],
    ['order=up', 'order'],
    ['total=some', 'total'],
    ['from=yesterday', 'from'],
    ['to=now-', 'to'],
    ['from=now&to=now-1h', 'from'],
    ['timeout=5', 'timeout'],
    ['timeout=0s', 'timeout'],
    ['timeout=1d', 'timeout'],
    ['query=%ff', 'query'],
    ['Query=x', 'Query'],
    ['__proto__=x', '__proto__'],
    ['constructor=x', 'constructor'],
    ['size=5', 'size'],
  ]
  for (const [query, parameter] of wrong) {
    const answer = await client.get(`${SEARCH}?${query}`)
    assert.equal(answer.status, 400, query)
    assert.equal(answer.json().code, 'invalid_parameter')
    assert.equal(answer.json().parameter, parameter, query)
  }
  const bodies: [unknown, string][] = [
    [{ limit: '5' }, 'limit'],
    [{ query: 5 }, 'query'],
    [{ fields: [5] }, 'fields'],
    [{ nope: 1 }, 'nope'],
    [{ from: null }, 'from'],
  ]
  for (const [body, parameter] of bodies) {
    const answer = await client.post(SEARCH, body)
    assert.equal(answer.status, 400)
    assert.equal(answer.json().parameter, parameter)
  }
  assert.equal((await client.post(`${SEARCH}?limit=5`, { limit: 5 })).json().parameter, 'limit')
  assert.ok(backend.searched.every((request) => request.cursor === 'zzz'))
})

test('a query that does not parse is a problem with position, length and hint', async (t) => {
  const { client, backend } = await startTestServer(t)
  backend.before = () => {
    throw new WeirError('invalid_query', 'A quote is missing', {
      position: 3,
      length: 1,
      hint: 'Close the phrase with "',
    })
  }
  const answer = await client.get(`${SEARCH}?query=${encodeURIComponent('a "b')}`)
  assert.equal(answer.status, 400)
  const { requestId, ...problem } = answer.json()
  assert.ok(requestId.startsWith('n1-'))
  assert.deepEqual(problem, {
    type: '/docs/errors#invalid_query',
    title: 'The query does not parse',
    status: 400,
    code: 'invalid_query',
    detail: 'A quote is missing',
    instance: SEARCH,
    position: 3,
    length: 1,
    hint: 'Close the phrase with "',
  })
})

test('NDJSON gives a row a line and then the summary', async (t) => {
  const server = await startTestServer(t)
  await fill(server, 3)
  const accept = { accept: 'application/x-ndjson' }
  const answer = await server.client.get(`${SEARCH}?query=order`, accept)
  assert.equal(answer.headers['content-type'], 'application/x-ndjson; charset=utf-8')
  const lines = answer.text.split('\n')
  assert.equal(lines.pop(), '')
  assert.equal(lines.length, 4)
  assert.equal(JSON.parse(lines[0]!).message, 'order 2 created')
  const summary = JSON.parse(lines[3]!)
  assert.equal(summary.summary, true)
  assert.equal(summary.total, 3)
  assert.equal(summary.coverage.complete, true)
  const table = await server.client.get(`${SEARCH}?query=${encodeURIComponent('* | stats count()')}`, accept)
  assert.deepEqual(table.text.split('\n').slice(0, 1), ['{"count":3}'])
})

test('a search that aggregates answers with columns and rows', async (t) => {
  const server = await startTestServer(t)
  await fill(server, 3)
  const answer = (await server.client.post(SEARCH, { query: 'order | stats count()' })).json()
  assert.deepEqual(Object.keys(answer), ['columns', 'rows', 'tookMs', 'coverage', 'stats'])
  assert.deepEqual(answer.rows, [{ count: 3 }])
})

test('an answer of many megabytes arrives whole', async (t) => {
  const { client, backend } = await startTestServer(t)
  const log = JSON.stringify({ id: 'x', message: 'ü'.repeat(1000) })
  const search = backend.search.search
  backend.search.search = async (request, signal) => {
    const answer = await search(request, signal)
    return answer.kind === 'rows' ? { ...answer, logs: Array.from({ length: 8000 }, () => log) } : answer
  }
  const answer = await client.get(SEARCH)
  assert.equal(answer.json().logs.length, 8000)
  assert.ok(Buffer.byteLength(answer.text) > 16_000_000)
})

test('a client that goes away ends its query', async (t) => {
  const { client, backend } = await startTestServer(t)
  const began = Promise.withResolvers<AbortSignal>()
  backend.before = (signal) => {
    began.resolve(signal)
    return new Promise(() => {})
  }
  const leaving = new AbortController()
  const answer = client.send(SEARCH, { signal: leaving.signal })
  const signal = await began.promise
  const aborted = new Promise((resolve) => signal.addEventListener('abort', resolve))
  leaving.abort()
  await assert.rejects(answer)
  await aborted
  assert.equal(signal.reason.code, 'cancelled')
})

test('a backend that does not answer in time is answered for', async (t) => {
  const clock = { ...systemClock, after: (ms: number, run: () => void) => systemClock.after(ms / 100, run) }
  const { client, backend } = await startTestServer(t, { clock })
  backend.before = () => new Promise(() => {})
  const answer = await client.get(`${SEARCH}?timeout=1s`)
  assert.equal(answer.status, 504)
  assert.equal(answer.json().code, 'deadline_exceeded')
})

test('histogram, aggregate, patterns, fields and values have their shapes', async (t) => {
  const server = await startTestServer(t)
  const { client } = server
  await fill(server, 6)
  const histogram = (await client.get('/v1/logs/histogram?interval=5m')).json()
  assert.equal(histogram.interval, '5m')
  assert.equal(histogram.buckets[0].count, 6)
  assert.deepEqual(histogram.buckets[0].by, { ERROR: 2, INFO: 4 })
  assert.match(histogram.buckets[0].start, /^\d{4}-\d\d-\d\dT\d\d:\d[05]:00\.000Z$/)
  assert.equal(histogram.total, 6)

  const aggregate = (await client.get('/v1/logs/aggregate?groupBy=service&metric=count')).json()
  assert.deepEqual(aggregate.columns, ['service', 'count'])
  assert.equal(aggregate.rows.length, 2)
  assert.ok('stats' in aggregate && 'coverage' in aggregate)

  const patterns = (await client.get('/v1/logs/patterns?limit=2')).json()
  assert.equal(patterns.patterns.length, 2)
  assert.equal(patterns.patterns[0].pattern, 'Order <*> created')
  assert.equal(patterns.patterns[0].sample.message, 'order 0 created')

  assert.equal((await client.get('/v1/fields')).json().fields[0].name, 'service')
  const values = (await client.get('/v1/fields/metadata.a%2Fb%20c/values?limit=5')).json()
  assert.deepEqual(values.values, [{ value: 'metadata.a/b c-value', count: 2 }])
  assert.equal(values.other, 0)
})

test('parameters of the analytic endpoints are checked', async (t) => {
  const { client } = await startTestServer(t)
  const wrong: [string, string][] = [
    ['/v1/logs/histogram?interval=0s', 'interval'],
    ['/v1/logs/histogram?interval=1ms', 'interval'],
    ['/v1/logs/histogram?limit=5', 'limit'],
    ['/v1/logs/histogram?groupBy=', 'groupBy'],
    ['/v1/logs/aggregate?metric=median', 'metric'],
    ['/v1/logs/aggregate?metric=p95', 'field'],
    ['/v1/logs/aggregate?field=latency', 'field'],
    ['/v1/logs/aggregate?top=0', 'top'],
    ['/v1/logs/patterns?limit=5000', 'limit'],
    ['/v1/fields?limit=5', 'limit'],
    ['/v1/logs/tail?wait=10m', 'wait'],
    ['/v1/logs/tail?to=now', 'to'],
    ['/v1/logs/r1/context?before=-1', 'before'],
    ['/v1/logs/r1?fields=x', 'fields'],
    ['/v1/traces/t1?order=asc', 'order'],
    ['/v1/dead-letters?limit=0', 'limit'],
  ]
  for (const [path, parameter] of wrong) {
    const answer = await client.get(path)
    assert.equal(answer.status, 400, path)
    assert.equal(answer.json().parameter, parameter, path)
  }
})

test('record, context, trace, tail, explain and dead letters have their shapes', async (t) => {
  const server = await startTestServer(t)
  const { client } = server
  await fill(server, 5)
  const record = (await client.get('/v1/logs/r3')).json()
  assert.equal(record.message, 'order 2 created')
  assert.equal((await client.get('/v1/logs/r99')).status, 404)

  const context = (await client.get('/v1/logs/r3/context?before=1&after=5')).json()
  assert.deepEqual(
    [...context.before, context.record, ...context.after].map((log: { id: string }) => log.id),
    ['r2', 'r3', 'r4', 'r5'],
  )
  assert.equal(context.coverage.complete, true)

  const trace = (await client.get('/v1/traces/t0')).json()
  assert.deepEqual(Object.keys(trace), ['traceId', 'startedAt', 'durationMs', 'services', 'logs', 'coverage'])
  assert.equal(trace.logs.length, 2)

  const tail = (await client.get('/v1/logs/tail?limit=2')).json()
  assert.deepEqual(
    tail.logs.map((log: { id: string }) => log.id),
    ['r4', 'r5'],
  )
  await fill(server, 1)
  const more = (await client.get(`/v1/logs/tail?cursor=${tail.cursor}`)).json()
  assert.deepEqual(
    more.logs.map((log: { id: string }) => log.id),
    ['r6'],
  )

  const plan = (await client.post('/v1/logs/explain', { query: 'order' })).json()
  assert.deepEqual(Object.keys(plan), ['query', 'shards', 'totals', 'coverage'])

  const letters = (await client.get('/v1/dead-letters', { 'x-scope-orgid': 'acme' })).json()
  assert.equal(letters.deadLetters[0].tenant, 'acme')
  assert.equal(letters.nextCursor, null)
})
