import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createServer } from '../../../api/server.ts'
import { systemClock } from '../../../base/clock.ts'
import { silentLogger } from '../../../base/logger.ts'
import { Metrics, renderPrometheus } from '../../../base/metrics.ts'
import { MemoryBackend } from '../../harness/memory-backend.ts'
import { startTestServer } from '../../harness/test-server.ts'

test('what is not there is a 404, and a method that a path lacks a 405 with those it has', async (t) => {
  const { client } = await startTestServer(t)
  const missing = await client.get('/v1/nothing?secret=1')
  assert.equal(missing.status, 404)
  assert.equal(missing.headers['content-type'], 'application/problem+json; charset=utf-8')
  assert.equal(missing.json().instance, '/v1/nothing')
  const tries: [string, string, string][] = [
    ['GET', '/v1/logs/ingest', 'POST, OPTIONS'],
    ['DELETE', '/v1/logs/search', 'HEAD, GET, POST, OPTIONS'],
    ['POST', '/v1/logs/r1', 'HEAD, GET, OPTIONS'],
    ['PUT', '/v1/keys', 'HEAD, POST, GET, OPTIONS'],
    ['PATCH', '/', 'HEAD, GET, OPTIONS'],
  ]
  for (const [method, path, allow] of tries) {
    const answer = await client.send(path, { method })
    assert.equal(answer.status, 405, `${method} ${path}`)
    assert.equal(answer.json().code, 'method_not_allowed')
    assert.equal(answer.headers.allow, allow)
  }
  const options = await client.send('/v1/logs/search', { method: 'OPTIONS' })
  assert.equal(options.status, 204)
  assert.equal(options.headers.allow, 'HEAD, GET, POST, OPTIONS')
  const head = await client.send('/healthz', { method: 'HEAD' })
  assert.equal(head.status, 200)
  assert.equal(head.text, '')
})

test('every answer carries the version and the headers that keep browsers careful', async (t) => {
  const { client } = await startTestServer(t)
  for (const path of ['/healthz', '/nothing', '/docs', '/v1/logs/search', '/v1/logs/search?x=1']) {
    const { headers } = await client.get(path)
    assert.equal(headers['x-weir-version'], '0.0.1', path)
    assert.equal(headers['x-content-type-options'], 'nosniff', path)
    assert.match(String(headers['content-security-policy']), /^default-src 'none'/, path)
  }
})

test('readiness tells why a node is not ready', async (t) => {
  const { client, backend } = await startTestServer(t)
  assert.deepEqual((await client.get('/readyz')).json(), { status: 'ready', reasons: [] })
  backend.notReady = ['shard 3 replays its journal']
  const answer = await client.get('/readyz')
  assert.equal(answer.status, 503)
  assert.deepEqual(answer.json(), { status: 'not_ready', reasons: ['shard 3 replays its journal'] })
  assert.equal((await client.get('/healthz')).status, 200)
})

test('a draining node refuses records, ends what waits, still searches, and lets connections go', async (t) => {
  const { client, backend, server } = await startTestServer(t)
  const waits = Promise.withResolvers<void>()
  backend.before = () => {
    waits.resolve()
    return new Promise(() => {})
  }
  const tail = client.get('/v1/logs/tail?wait=50s')
  await waits.promise
  backend.before = () => {}
  server.drain()
  const ended = await tail
  assert.equal(ended.status, 503)
  assert.equal(ended.json().code, 'draining')

  const refused = await client.post('/v1/logs/ingest', { message: 'a' })
  assert.equal(refused.status, 503)
  assert.equal(refused.json().code, 'draining')
  assert.equal(refused.headers['retry-after'], '5')
  assert.equal(refused.headers.connection, 'close')
  assert.equal(backend.ingested.length, 0)
  assert.equal((await client.get('/v1/logs/search')).status, 200)
  assert.deepEqual((await client.get('/readyz')).json().reasons, ['draining'])
})

test('closing waits for requests in progress', async (t) => {
  const { client, backend, server } = await startTestServer(t)
  const began = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  backend.before = () => {
    began.resolve()
    return goOn.promise
  }
  const answer = client.post('/v1/logs/ingest', { message: 'a' })
  await began.promise
  const closed = server.close()
  goOn.resolve()
  assert.equal((await answer).status, 200)
  await closed
  await assert.rejects(client.get('/healthz'))
  await server.close()
})

test('several servers share one port', async (_t) => {
  const options = {
    authMode: 'off',
    host: '127.0.0.1',
    reusePort: true,
    bodyBytesMax: 1000,
    inflatedBytesMax: 1000,
    uploadBytesMax: 1000,
    clock: systemClock,
    logger: silentLogger,
    version: '0.0.1',
  } as const
  const backend = new MemoryBackend(() => 0)
  const first = await createServer(backend, { ...options, port: 0, nodeId: 'a' })
  const { port } = await first.listen()
  const second = await createServer(backend, { ...options, port, nodeId: 'b' })
  assert.equal((await second.listen()).port, port)
  await first.close()
  await second.close()
})

test('answers are counted by route and status, never by what clients put into a path', async (t) => {
  const metrics = new Metrics()
  const { client } = await startTestServer(t, { metrics })
  await client.get('/v1/logs/abc')
  await client.get('/v1/logs/def')
  await client.get('/nothing/here')
  await client.post('/v1/logs/ingest', { message: 'a' })
  const text = renderPrometheus([metrics.snapshot()])
  assert.match(text, /weir_http_requests_total\{route="\/v1\/logs\/:id",status="404"\} 2/)
  assert.match(text, /weir_http_requests_total\{route="unknown",status="404"\} 1/)
  assert.match(text, /weir_http_request_seconds_count\{route="\/v1\/logs\/ingest"\} 1/)
  assert.match(text, /weir_http_connections [1-9]/)
})
