import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shareNode } from '../harness/shared-node.ts'
import type { WeirClient } from '../harness/weir-client.ts'

// One worker: what it has taken is in force on it at once, and what it remembers is all that is remembered.
const shared = await shareNode({ workers: 1 })

async function inForce(client: WeirClient, steps: readonly object[]): Promise<void> {
  const answer = await client.http.send('/v1/pipelines/p', {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ steps }),
  })
  assert.ok(answer.status === 200 || answer.status === 201, answer.text)
}

const lines = (records: readonly object[]) => records.map((record) => `${JSON.stringify(record)}\n`).join('')

test('lines of an access log become records with fields, their own time and a client; what is none is a dead letter', async () => {
  const client = shared.tenant()
  await inForce(client, [
    { type: 'grok', pattern: '^%{COMBINEDAPACHELOG}$' },
    { type: 'timestamp', formats: ['dd/MMM/yyyy:HH:mm:ss Z'] },
    { type: 'userAgent', field: 'agent' },
    { type: 'lookup', field: 'clientip', by: 'cidr', table: { '203.0.113.0/24': { site: 'lab' } } },
  ])
  const at = new Date(Date.now() - 60_000)
  const month = at.toLocaleString('en-US', { month: 'short', timeZone: 'UTC' })
  const day = String(at.getUTCDate()).padStart(2, '0')
  const time = `${day}/${month}/${at.getUTCFullYear()}:${at.toISOString().slice(11, 19)} +0000`
  const agent = 'Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0'
  const answer = await client.ingestText(
    lines([
      { uid: 'a', message: `203.0.113.7 - ada [${time}] "GET /x?y=1 HTTP/1.1" 404 17 "-" "${agent}"` },
      { uid: 'b', message: 'not of that form' },
    ]),
  )
  const { accepted, errors } = answer.json()
  assert.equal(accepted, 1, answer.text)
  assert.match(errors[0].reason, /step 0 \(grok\): no pattern matches/)
  const [record] = await client.found(1)
  assert.equal(Date.parse(record!.timestamp), Math.floor(at.getTime() / 1000) * 1000)
  assert.deepEqual(
    [record!.verb, record!.request, record!.response, record!.bytes, record!.site],
    ['GET', '/x?y=1', 404, 17, 'lab'],
  )
  assert.deepEqual(record!.client, { name: 'Firefox', version: '130.0', os: 'Linux', osVersion: 'x86_64' })
})

test('a stack trace in container lines is one record', async () => {
  const client = shared.tenant()
  await inForce(client, [{ type: 'cri' }, { type: 'multiline', preset: 'java' }])
  const now = new Date().toISOString().replace('Z', '000001Z')
  const texts = ['INFO start', 'java.lang.Error: x', '\tat a.B.c(B.java:1)', '\tat a.B.d(B.java:2)', 'INFO end']
  const answer = await client.ingestText(
    lines(texts.map((text, i) => ({ uid: `${i}`, service: 's', message: `${now} stdout F ${text}` }))),
  )
  assert.equal(answer.json().accepted, 5, answer.text)
  const messages = (await client.found(3)).map((record) => record.message as string)
  assert.deepEqual(messages.sort(), ['INFO end', 'INFO start', texts.slice(1, 4).join('\n')].sort())
})

test('repeats are dropped across requests, and samples say their rate', async () => {
  const client = shared.tenant()
  await inForce(client, [{ type: 'dedup' }, { type: 'sample', rate: 0.5 }])
  const timestamp = new Date().toISOString()
  const body = lines(
    Array.from({ length: 200 }, (_, i) => ({
      uid: `${i}`,
      timestamp,
      level: i % 2 === 0 ? 'ERROR' : 'INFO',
      traceId: String(i >> 2),
      message: `m${i >> 1}-${i % 2}`,
    })),
  )
  for (let round = 0; round < 2; round++) assert.equal((await client.ingestText(body)).json().accepted, 200)
  const count = async (query: string) => {
    const { text } = await client.get('/v1/logs/search', { query, from: 0, limit: 1 })
    return (JSON.parse(text) as { total: number }).total
  }
  await client.found(100, { query: 'level:ERROR' })
  assert.equal(await count('level:ERROR'), 100)
  const sampled = await count('level:INFO')
  assert.ok(sampled > 20 && sampled < 80 && sampled % 2 === 0, `${sampled} of 100`)
  assert.equal(await count('level:INFO AND sampleRate:0.5'), sampled)
})
