import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HttpAnswer } from '../../harness/http-client.ts'
import { startTestServer } from '../../harness/test-server.ts'

const BULK = '/elastic/_bulk'
const NDJSON = { 'content-type': 'application/x-ndjson' }

function lines(...values: readonly unknown[]): string {
  return `${values.map((value) => JSON.stringify(value)).join('\n')}\n`
}

/** An error in Elasticsearch's words, by its type. */
function errorType({ headers, json }: HttpAnswer): string {
  assert.equal(headers['x-elastic-product'], 'Elasticsearch')
  assert.match(String(headers['content-type']), /^application\/json/)
  const { error, status } = json()
  assert.equal(error.root_cause[0].type, error.type)
  assert.ok(error.reason.length > 0 && status >= 400)
  return error.type
}

test('an item for each action, in order', async (t) => {
  const { client } = await startTestServer(t)
  const body = lines({ create: {} }, { m: 1 }, { delete: { _id: 'x' } }, { index: { _index: 'b', _id: 'y' } }, { m: 2 })
  for (const method of ['POST', 'PUT']) {
    const answer = await client.send('/elastic/a%20b/_bulk', { method, headers: NDJSON, body })
    assert.equal(answer.status, 200, answer.text)
    assert.equal(answer.headers['x-elastic-product'], 'Elasticsearch')
    const { took, errors, items } = answer.json()
    assert.ok(Number.isInteger(took))
    assert.equal(errors, true)
    assert.deepEqual(items[0], { create: { _index: 'a b', status: 201 } })
    assert.deepEqual(items[2], { index: { _index: 'b', _id: 'y', status: 201 } })
    assert.equal(items[1].delete.status, 400)
    assert.equal(items[1].delete.error.type, 'illegal_argument_exception')
  }
})

test('the answer is of the type and the brevity that clients ask for', async (t) => {
  const { client } = await startTestServer(t)
  const body = lines({ create: {} }, { m: 1 })
  const accept = 'application/vnd.elasticsearch+json; compatible-with=9'
  const typed = await client.send('/elastic/a/_bulk', { method: 'POST', headers: { ...NDJSON, accept }, body })
  assert.equal(typed.headers['content-type'], 'application/vnd.elasticsearch+json;compatible-with=9;charset=utf-8')
  const sparing = await client.send('/elastic/a/_bulk?filter_path=errors,items.*.error,items.*.status', {
    method: 'POST',
    headers: { ...NDJSON, accept: 'application/json' },
    body,
  })
  assert.equal(sparing.headers['content-type'], 'application/json; charset=utf-8')
  assert.deepEqual(sparing.json().items, [{ create: { status: 201 } }])
  const other = await client.send('/elastic/a/_bulk?filter_path=items.*._index&refresh=true', { method: 'POST', body })
  assert.equal(other.json().items[0].create._index, 'a')
})

test('an answer of many items is whole', async (t) => {
  const { client } = await startTestServer(t)
  const body = lines(...Array.from({ length: 20_000 }, (_, i) => [{ create: {} }, i % 1000 === 7 ? i : { i }]).flat())
  const { items } = (await client.send('/elastic/a/_bulk', { method: 'POST', headers: NDJSON, body })).json()
  assert.equal(items.length, 20_000)
  items.forEach(({ create }: { create: { status: number } }, i: number) => {
    assert.equal(create.status, i % 1000 === 7 ? 400 : 201, `${i}`)
  })
})

test("whatever goes wrong is said in Elasticsearch's words", async (t) => {
  const { client, backend, clientOf } = await startTestServer(t, { authMode: 'keys' })
  const stranger = await client.send(BULK, { method: 'POST', body: lines({ create: { _index: 'a' } }, {}) })
  assert.deepEqual([stranger.status, errorType(stranger)], [401, 'security_exception'])
  const reader = await (await clientOf('acme', 'read')).get('/elastic/')
  assert.deepEqual([reader.status, errorType(reader)], [403, 'security_exception'])
  const sender = await clientOf('acme', 'ingest')
  const malformed = await sender.send(BULK, { method: 'POST', body: 'x\n{}\n' })
  assert.deepEqual([malformed.status, errorType(malformed)], [400, 'illegal_argument_exception'])
  const nothing = await sender.get('/elastic/nothing/here')
  assert.deepEqual([nothing.status, errorType(nothing)], [404, 'resource_not_found_exception'])
  const method = await sender.get('/elastic/_bulk')
  assert.deepEqual([method.status, errorType(method)], [405, 'illegal_argument_exception'])
  const large = await sender.send(BULK, { method: 'POST', body: Buffer.alloc(1024 * 1024 + 1) })
  assert.deepEqual([large.status, errorType(large)], [413, 'content_too_long_exception'])
  const encoded = await sender.send(BULK, { method: 'POST', headers: { 'content-encoding': 'br' }, body: 'x' })
  assert.deepEqual([encoded.status, errorType(encoded)], [415, 'illegal_argument_exception'])
  backend.inFlightBytesMax = 100
  const full = await sender.send(BULK, {
    method: 'POST',
    body: lines({ create: { _index: 'a' } }, { m: 'x'.repeat(200) }),
  })
  assert.deepEqual([full.status, errorType(full)], [503, 'es_rejected_execution_exception'])
  assert.match(String(full.headers['retry-after']), /^\d+$/)
  assert.equal(backend.ingested.length, 0)
  assert.equal(backend.inFlightBytes, 0)
})

test('at the root the same is answered where that is wished, beside the landing page', async (t) => {
  const { client } = await startTestServer(t, { elasticAtRoot: true })
  const body = lines({ create: {} }, { m: 1 })
  assert.equal((await client.send('/a/_bulk', { method: 'POST', headers: NDJSON, body })).status, 200)
  assert.equal((await client.send('/_cat/health', { method: 'HEAD' })).status, 200)
  const info = await client.get('/', { accept: 'application/vnd.elasticsearch+json; compatible-with=8' })
  assert.equal(info.headers['x-elastic-product'], 'Elasticsearch')
  assert.equal(info.json().tagline, 'You Know, for Search')
  assert.match(String((await client.get('/', { accept: 'text/html' })).headers['content-type']), /^text\/html/)
  const usual = await startTestServer(t)
  assert.equal((await usual.client.send('/a/_bulk', { method: 'POST', headers: NDJSON, body })).status, 404)
  assert.equal((await usual.client.get('/')).json().tagline, undefined)
  for (const path of ['/elastic', '/elastic/']) assert.ok((await usual.client.get(path)).json().version.number)
})

test('health says whether the node is ready', async (t) => {
  const { client, backend } = await startTestServer(t)
  assert.equal((await client.get('/elastic/_cluster/health')).json().status, 'green')
  backend.notReady = ['journal']
  assert.equal((await client.get('/elastic/_cluster/health')).json().status, 'red')
  assert.match((await client.get('/elastic/_cat/health')).text, / red /)
})
