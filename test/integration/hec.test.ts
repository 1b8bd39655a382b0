import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { HttpClient } from '../harness/http-client.ts'
import { protocolSuite, type SuiteAnswer, type SuiteRecord } from '../harness/protocol-suite.ts'
import { shareNode } from '../harness/shared-node.ts'

const JSON_HEADERS = { 'content-type': 'application/json' }
const CHANNEL = 'FE0ECFAD-13D5-401B-847D-77833BD77131'

function envelopeOf({ uid, message, timeMs, isBad }: SuiteRecord): Buffer {
  const time = isBad ? 'not a time' : (timeMs / 1000).toFixed(3)
  return Buffer.from(
    JSON.stringify({ time, host: 'h1', source: 'shop', event: { message, severity: 'warn' }, fields: { uid } }),
  )
}

function eventsBody(records: readonly SuiteRecord[]): Buffer {
  return Buffer.concat(
    records.flatMap((record, i) => (i % 2 === 0 ? [envelopeOf(record)] : [envelopeOf(record), Buffer.from('\n')])),
  )
}

await protocolSuite('hec', {
  protocol: 'hec',
  path: '/services/collector/event',
  headers: JSON_HEADERS,
  encode: eventsBody,
  sourceOf: envelopeOf,
  credential: (key) => ({ authorization: `Splunk ${key}` }),
  hostile: { huge: [413], 'gzip bomb': [413] },
  async send({ url, headers }, records, { gzip }): Promise<SuiteAnswer> {
    const http = new HttpClient(url, headers)
    try {
      const body = eventsBody(records)
      const { status, json } = await http.send('/services/collector/event', {
        method: 'POST',
        headers: { ...JSON_HEADERS, ...(gzip ? { 'content-encoding': 'gzip' } : {}) },
        body: gzip ? gzipSync(body) : body,
      })
      const { code, rejected = 0, 'invalid-event-number': first } = json()
      if (code === 0) return { outcome: 'taken', rejected: 0, indexes: [], status }
      if (code === 9 || code === 23) return { outcome: 'again', rejected: 0, status }
      if (code === 2 || code === 4) return { outcome: 'denied', rejected: 0, status }
      if (code === 6) assert.equal(records[first]?.isBad, true)
      return { outcome: 'malformed', rejected, status }
    } finally {
      http.close()
    }
  },
})

const shared = await shareNode()
let tenants = 0
const newTenant = () => shared.client({ 'x-scope-orgid': `hec-more-${++tenants}` })

test('events come back with their envelope, those of text as messages', async () => {
  const client = newTenant()
  const time = Math.floor(Date.now() / 1000) - 60
  const body = [
    {
      time: `${time}.000000001`,
      host: 'web-1',
      source: '/var/log/shop.log',
      sourcetype: 'shop',
      index: 'main',
      event: 'ERROR out of stock',
    },
    {
      time: time + 1,
      sourcetype: 'nginx',
      event: { time: 'noon', message: 'a', big: 0, nested: { a: [1, null] } },
      fields: { region: 'eu' },
    },
    { time: time + 2, sourcetype: 'nginx', event: [1, 'x'] },
    { time: time + 3, sourcetype: 'other', event: { service: 'own', message: 'b' } },
    { time: time + 4, event: 7.5, extra: true },
  ]
    .map((envelope) => JSON.stringify(envelope).replace('"big":0', '"big":9007199254740993'))
    .join('')
  const answer = await client.http.send('/services/collector', {
    method: 'POST',
    headers: JSON_HEADERS,
    body: `[${body}]`,
  })
  assert.deepEqual([answer.status, answer.text], [200, '{"text":"Success","code":0}'])
  const found = await client.found(5)
  const [text, object, array, own, number] = found
  assert.equal(text!.message, 'ERROR out of stock')
  assert.deepEqual(
    [text!.level, text!.service, text!.host, text!.sourcetype, text!.index],
    ['ERROR', '/var/log/shop.log', 'web-1', 'shop', 'main'],
  )
  assert.match(text!.timestamp, /\.000000001Z$/)
  assert.deepEqual(
    [object!.service, object!.time, object!.region, object!.nested],
    ['nginx', 'noon', 'eu', { a: [1, null] }],
  )
  await client.found(1, { query: 'big:9007199254740993' })
  assert.deepEqual([array!.service, array!.message], ['nginx', '[1,"x"]'])
  assert.deepEqual([own!.service, own!.job], ['own', 'other'])
  assert.deepEqual([number!.message, number!.extra, number!.service], ['7.5', true, 'unknown'])
})

test('raw lines are messages, with what the parameters say', async () => {
  const client = newTenant()
  const time = Math.floor(Date.now() / 1000) - 60
  const path = `/services/collector/raw/1.0?channel=${CHANNEL}&host=h%201&sourcetype=syslog&index=main&time=${time}`
  const answer = await client.http.send(path, { method: 'POST', body: 'first "line"\r\n\n{"a":1}\nlast' })
  assert.equal(answer.status, 200)
  const found = await client.found(3)
  assert.deepEqual(found.map(({ message }) => message).sort(), ['first "line"', 'last', '{"a":1}'])
  for (const record of found) {
    assert.deepEqual([record.host, record.service, record.index], ['h 1', 'syslog', 'main'])
    assert.equal(Date.parse(record.timestamp), time * 1000)
  }
  const id = answer.json().ackId
  const acked = await client.http.send('/services/collector/ack', {
    method: 'POST',
    headers: { ...JSON_HEADERS, 'x-splunk-request-channel': CHANNEL },
    body: JSON.stringify({ acks: [id] }),
  })
  assert.deepEqual(acked.json(), { acks: { [id]: true } })
})
