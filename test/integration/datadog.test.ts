import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { HttpClient } from '../harness/http-client.ts'
import { protocolSuite, type SuiteAnswer, type SuiteRecord } from '../harness/protocol-suite.ts'
import { shareNode } from '../harness/shared-node.ts'
import { startTestServer } from '../harness/test-server.ts'

const LOGS = '/api/v2/logs'
const JSON_HEADERS = { 'content-type': 'application/json' }

function entryOf({ uid, message, timeMs, isBad }: SuiteRecord): Buffer {
  const timestamp = isBad ? 'not a time' : timeMs
  return Buffer.from(JSON.stringify({ timestamp, message, status: 'warn', service: 'shop', ddtags: 'env:prod', uid }))
}

function entries(records: readonly SuiteRecord[]): Buffer {
  return Buffer.from(`[${records.map((record) => entryOf(record).toString()).join(',')}]`)
}

await protocolSuite('datadog', {
  protocol: 'datadog',
  path: LOGS,
  headers: JSON_HEADERS,
  encode: entries,
  sourceOf: entryOf,
  credential: (key) => ({ 'dd-api-key': key }),
  hostile: { huge: [413], 'gzip bomb': [413], deep: [400] },
  async send({ url, headers }, records, { gzip }): Promise<SuiteAnswer> {
    const http = new HttpClient(url, headers)
    try {
      const body = entries(records)
      const { status, json, text } = await http.send(LOGS, {
        method: 'POST',
        headers: { ...JSON_HEADERS, ...(gzip ? { 'content-encoding': 'gzip' } : {}) },
        body: gzip ? gzipSync(body) : body,
      })
      if (status === 202) {
        assert.equal(text, '{}')
        return { outcome: 'taken', rejected: 0, indexes: [], status }
      }
      if (status === 429 || status === 503) return { outcome: 'again', rejected: 0, status }
      if (status === 401 || status === 403) return { outcome: 'denied', rejected: 0, status }
      const { errors } = json() as { errors: { status: string; detail: string }[] }
      const indexes = errors.flatMap(({ detail }) => /^entry (\d+): ./.exec(detail)?.[1] ?? []).map(Number)
      return { outcome: 'malformed', rejected: indexes.length, indexes, status }
    } finally {
      http.close()
    }
  },
})

const shared = await shareNode()
let tenants = 0
const newTenant = () => shared.client({ 'x-scope-orgid': `datadog-more-${++tenants}` })

test('tags, status, source and the parameters say what they say there', async () => {
  const client = newTenant()
  const body = [
    {
      date: Date.now() - 3000,
      message: 'a',
      status: 'error',
      ddsource: 'nginx',
      ddtags: 'env:prod,team:a,team:b,urgent,url:http://x',
      hostname: 'h1',
    },
    {
      date: Date.now() - 2000,
      message: 'b',
      status: 200,
      level: 'debug',
      service: 'pay',
      ddtags: 'env:dev',
      tags: ['x'],
    },
    { date: Date.now() - 1000, message: 'c' },
  ]
  const answer = await client.http.send('/v1/input?ddsource=q&ddtags=env:q&hostname=hq', {
    method: 'POST',
    headers: { ...JSON_HEADERS, 'content-encoding': 'zstd' },
    body: zstdCompressSync(JSON.stringify(body)),
  })
  assert.deepEqual([answer.status, answer.text], [200, '{}'])
  const [a, b, c] = await client.found(3)
  assert.deepEqual([a!.level, a!.status, a!.service, a!.host, a!.ddsource], ['ERROR', 'error', 'nginx', 'h1', 'nginx'])
  assert.deepEqual(a!.tags, { env: 'prod', team: ['a', 'b'], urgent: true, url: 'http://x' })
  assert.deepEqual(
    [b!.level, b!.status, b!.service, b!.host, b!.ddtags, b!.tags],
    ['DEBUG', 200, 'pay', 'hq', 'env:dev', ['x']],
  )
  assert.deepEqual([c!.level, c!.service, c!.host, c!.tags], ['INFO', 'q', 'hq', { env: 'q' }])
})

test('lines of text are messages, and a probe stores nothing', async () => {
  const client = newTenant()
  const probe = await client.http.send(LOGS, { method: 'POST', headers: JSON_HEADERS, body: '{}' })
  assert.equal(probe.status, 202)
  const text = { 'content-type': 'text/plain' }
  const path = `${LOGS}?service=s&ddtags=env:x`
  assert.equal((await client.http.send(path, { method: 'POST', headers: text, body: 'one\r\n\ntwo' })).status, 202)
  const found = await client.found(2)
  assert.deepEqual(found.map(({ message }) => message).sort(), ['one', 'two'])
  for (const record of found) assert.deepEqual([record.service, record.tags], ['s', { env: 'x' }])
})

test('a key is validated as there', async (t) => {
  const { client, clientOf } = await startTestServer(t, { authMode: 'keys' })
  const stranger = await client.get('/api/v1/validate')
  assert.deepEqual([stranger.status, stranger.text], [403, '{"errors":["Forbidden"]}'])
  const sender = await (await clientOf('acme', 'ingest')).get('/api/v1/validate')
  assert.deepEqual([sender.status, sender.text], [200, '{"valid":true}'])
})
