import assert from 'node:assert/strict'
import { test } from 'node:test'
import { constants, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { startTestServer } from '../../harness/test-server.ts'

const INGEST = '/v1/logs/ingest'

test('records are counted, and a receipt names each reject by its index', async (t) => {
  const { client } = await startTestServer(t)
  const answer = await client.post(INGEST, [{ message: 'a' }, 5, { message: 'b' }])
  assert.equal(answer.status, 200)
  assert.equal(answer.headers['content-type'], 'application/json; charset=utf-8')
  assert.deepEqual(answer.json(), {
    accepted: 2,
    rejected: 1,
    errors: [{ index: 1, code: 'not_an_object', reason: 'A record is a JSON object' }],
  })
})

test('the format comes from the content type, and from the body where that says nothing', async (t) => {
  const { client, backend } = await startTestServer(t)
  const lines = '{"message":"a"}\n{"message":"b"}'
  const types: [string | undefined, string, string][] = [
    ['application/json', '{"message":"a"}', 'json'],
    ['application/x-ndjson', lines, 'ndjson'],
    ['application/stream+json', lines, 'ndjson'],
    ['application/x-www-form-urlencoded', lines, 'ndjson'],
    ['application/x-www-form-urlencoded', '{"message":"a=b&c"}', 'json'],
    ['text/plain', '[{"message":"a"}]', 'json'],
    [undefined, lines, 'ndjson'],
  ]
  for (const [type, body, format] of types) {
    const headers = type === undefined ? {} : { 'content-type': type }
    const answer = await client.send(INGEST, { method: 'POST', headers, body })
    assert.equal(answer.status, 200, `${type}: ${answer.text}`)
    const request = backend.ingested.at(-1)!
    assert.equal(request.format, format, type)
    assert.equal(Buffer.from(request.body).toString(), body)
  }
  const csv = await client.send(INGEST, { method: 'POST', headers: { 'content-type': 'text/csv' }, body: 'a,b' })
  assert.equal(csv.status, 415)
  assert.equal(csv.headers['accept-encoding'], 'gzip, zstd, deflate')
})

test('a body inflates to what was compressed, in every encoding and over several frames', async (t) => {
  const { client, backend } = await startTestServer(t)
  const text = `${JSON.stringify({ message: 'x'.repeat(500_000) })}\n`
  const double = Buffer.from(text + text)
  const bodies: [string, Buffer, Buffer][] = [
    ['gzip', gzipSync(text), Buffer.from(text)],
    ['gzip', Buffer.concat([gzipSync(text), gzipSync(text)]), double],
    ['zstd', zstdCompressSync(text), Buffer.from(text)],
    ['zstd', Buffer.concat([zstdCompressSync(text), zstdCompressSync(text)]), double],
    ['deflate', deflateSync(text), Buffer.from(text)],
    ['deflate', deflateRawSync(text), Buffer.from(text)],
    ['identity', Buffer.from(text), Buffer.from(text)],
    ['gzip', gzipSync('{"message":"tiny"}'), Buffer.from('{"message":"tiny"}')],
    ['zstd', zstdCompressSync('{"message":"tiny"}'), Buffer.from('{"message":"tiny"}')],
  ]
  for (const [encoding, body, plain] of bodies) {
    const headers = { 'content-type': 'application/x-ndjson', 'content-encoding': encoding }
    const answer = await client.send(INGEST, { method: 'POST', headers, body })
    assert.equal(answer.status, 200, `${encoding}: ${answer.text}`)
    assert.ok(plain.equals(backend.ingested.at(-1)!.body), `${encoding} of ${body.length} bytes`)
    assert.equal(backend.inFlightBytes, 0)
  }
})

test('compressed bodies that are cut off, corrupt or followed by rubbish are refused', async (t) => {
  const { client, backend } = await startTestServer(t)
  const text = JSON.stringify({ message: 'x'.repeat(5000) })
  const gzip = gzipSync(text)
  const zstd = zstdCompressSync(text, { params: { [constants.ZSTD_c_checksumFlag]: 1 } })
  const corrupt = Buffer.from(zstd)
  corrupt[corrupt.length - 1]! ^= 1
  const bodies: [string, Buffer][] = [
    ['gzip', gzip.subarray(0, gzip.length - 9)],
    ['gzip', gzip.subarray(0, 5)],
    ['gzip', Buffer.concat([gzip, Buffer.from('rubbish')])],
    ['gzip', Buffer.from(text)],
    ['zstd', zstd.subarray(0, zstd.length - 5)],
    ['zstd', Buffer.concat([zstd, Buffer.from('rubbish')])],
    ['zstd', corrupt],
    ['deflate', deflateSync(text).subarray(0, 20)],
    ['deflate', Buffer.concat([deflateSync(text), Buffer.from('rubbish')])],
  ]
  for (const [encoding, body] of bodies) {
    const answer = await client.send(INGEST, { method: 'POST', headers: { 'content-encoding': encoding }, body })
    assert.equal(answer.status, 400, `${encoding}: ${answer.text}`)
    assert.equal(answer.json().code, 'invalid_body')
  }
  const chain = await client.send(INGEST, { method: 'POST', headers: { 'content-encoding': 'gzip, gzip' }, body: gzip })
  assert.equal(chain.status, 415)
  const empty = await client.send(INGEST, { method: 'POST', body: '' })
  assert.equal(empty.json().code, 'invalid_body')
  assert.equal(backend.ingested.length, 0)
  assert.equal(backend.inFlightBytes, 0)
})

test('overrides and the idempotency key reach the backend; a repeat says so', async (t) => {
  const { client, backend } = await startTestServer(t)
  const path = `${INGEST}?time_field=at&message_field=text&service=shop&host=h1`
  await client.post(path, { text: 'a' }, { 'idempotency-key': 'order 1', 'x-scope-orgid': 'acme' })
  const { body, receivedMs, ...rest } = backend.ingested[0]!
  assert.ok(receivedMs > 0 && body.length > 0)
  assert.deepEqual(rest, {
    tenant: 'acme',
    protocol: 'http',
    format: 'json',
    idempotencyKey: 'order 1',
    timeField: 'at',
    messageField: 'text',
    serviceDefault: 'shop',
    hostDefault: 'h1',
  })
  backend.receipt = { accepted: 1, rejected: 0, errors: [], repeated: true }
  const repeat = await client.post(INGEST, { text: 'a' }, { 'idempotency-key': 'order 1' })
  assert.equal(repeat.headers['idempotent-replayed'], 'true')
  assert.deepEqual(repeat.json(), { accepted: 1, rejected: 0, errors: [] })
  for (const key of ['', 'x'.repeat(257), 'caf\u00e9']) {
    const answer = await client.post(INGEST, {}, { 'idempotency-key': key })
    assert.equal(answer.status, 400)
    assert.equal(answer.json().parameter, 'Idempotency-Key')
  }
})

test('a request of which nothing was accepted is a problem that still lists the rejects', async (t) => {
  const { client, backend } = await startTestServer(t)
  const none = await client.post(INGEST, [1, 2])
  assert.equal(none.status, 400)
  assert.equal(none.headers['content-type'], 'application/problem+json; charset=utf-8')
  const problem = none.json()
  assert.equal(problem.code, 'nothing_accepted')
  assert.equal(problem.status, 400)
  assert.equal(problem.accepted, 0)
  assert.equal(problem.rejected, 2)
  assert.equal(problem.errors.length, 2)

  const empty = await client.post(INGEST, [])
  assert.equal(empty.status, 400)
  assert.equal(empty.json().rejected, 0)

  const refused = { index: 0, code: 'overloaded', reason: 'DEBUG is refused first' } as const
  backend.receipt = { accepted: 0, rejected: 1, errors: [refused], repeated: false }
  const overloaded = await client.post(INGEST, [{ level: 'DEBUG' }])
  assert.equal(overloaded.status, 429)
  assert.equal(overloaded.headers['retry-after'], '1')
  assert.equal(overloaded.json().code, 'overloaded')
  assert.deepEqual(overloaded.json().errors, [refused])
})

test('without budget a request is refused before anything is stored, and told when to come back', async (t) => {
  const { client, backend } = await startTestServer(t)
  backend.inFlightBytesMax = 1000
  const large = await client.post(INGEST, { message: 'x'.repeat(2000) })
  assert.equal(large.status, 429)
  assert.equal(large.json().code, 'overloaded')
  assert.ok(Number(large.headers['retry-after']) >= 1)
  assert.equal(backend.ingested.length, 0)
  assert.equal(backend.inFlightBytes, 0)
  const small = await client.post(INGEST, { message: 'x' })
  assert.equal(small.status, 200)
  assert.equal(backend.inFlightBytes, 0)
})
