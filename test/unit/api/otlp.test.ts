import assert from 'node:assert/strict'
import { test } from 'node:test'
import { zstdCompressSync } from 'node:zlib'
import { WeirError } from '../../../base/errors.ts'
import { bytesField, varintField } from '../../harness/protobuf-writer.ts'
import { startTestServer } from '../../harness/test-server.ts'

const PROTOBUF = { 'content-type': 'application/x-protobuf' }
const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' }
const EXPORT = bytesField(1, bytesField(2, bytesField(2, bytesField(5, bytesField(1, 'hello')))))

test('zstd is taken, and what is durable is answered by an empty message of the same type', async (t) => {
  const { client, backend } = await startTestServer(t)
  const headers = { ...PROTOBUF, 'content-encoding': 'zstd' }
  const answer = await client.send('/v1/logs', { method: 'POST', headers, body: zstdCompressSync(EXPORT) })
  assert.deepEqual([answer.status, answer.text], [200, ''])
  assert.equal(answer.headers['content-type'], 'application/x-protobuf')
  assert.equal(Buffer.from(backend.ingested[0]!.body).toString(), '{"message":"hello"}\n')
  const body = '{"resourceLogs":[]}'
  const empty = await client.send('/otlp/v1/logs', { method: 'POST', headers: JSON_TYPE, body })
  assert.deepEqual([empty.status, empty.json()], [200, { partialSuccess: {} }])
})

test('what fails is a google.rpc.Status of the type of the request', async (t) => {
  const { client, backend } = await startTestServer(t)
  const unread = await client.send('/v1/logs', { method: 'POST', headers: JSON_TYPE, body: '{"resourceLogs":7}' })
  assert.equal(unread.status, 400)
  assert.equal(unread.json().code, 3)
  assert.match(unread.json().message, /an array is expected/)
  const foreign = await client.send('/v1/logs', { method: 'POST', headers: { 'content-type': 'text/csv' }, body: 'a' })
  assert.deepEqual([foreign.status, foreign.json().code], [415, 3])
  const detail = `The journal is full: ${'ü'.repeat(200)}`
  for (const [code, status, rpcCode] of [
    ['overloaded', 429, 8],
    ['journal_full', 503, 14],
  ] as const) {
    backend.before = () => Promise.reject(new WeirError(code, detail))
    const answer = await client.send('/v1/logs', { method: 'POST', headers: PROTOBUF, body: EXPORT })
    assert.equal(answer.status, status)
    assert.ok(Number(answer.headers['retry-after']) > 0)
    assert.equal(answer.headers['content-type'], 'application/x-protobuf')
    const message = `The journal is full: ${'ü'.repeat(53)}`
    assert.deepEqual(Buffer.from(answer.text), Buffer.concat([varintField(1, rpcCode), bytesField(2, message)]))
  }
})
