import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { pino } from 'pino'
import { pinoLoki } from 'pino-loki'
import winston from 'winston'
import LokiTransport from 'winston-loki'
import { shareNode } from '../harness/shared-node.ts'
import type { Found } from '../harness/weir-client.ts'

const shared = await shareNode()
const RECORDS = 500

test('pino-loki sends the lines of a logger, in order, with labels and structured metadata', async () => {
  const headers = { 'x-scope-orgid': 'pino-loki' }
  const stream = pinoLoki({
    host: shared.node.url,
    headers,
    labels: { app: 'shop', region: 'eu' },
    propsToLabels: ['tier'],
    structuredMetaKey: 'meta',
    batching: { interval: 1 },
    silenceErrors: false,
  })
  const logger = pino({ level: 'trace' }, stream)
  for (let i = 0; i < RECORDS; i++) logger.warn({ tier: 'web', meta: { uid: `pino-${i}` } }, `order ${i} "placed"\n\tü`)
  stream.end()
  await once(stream, 'close')
  const found = await shared.client(headers).found(RECORDS)
  for (const [i, record] of found.entries()) {
    assert.equal(record.uid, `pino-${i}`)
    assert.match(record.message, new RegExp(`order ${i} `))
    assert.deepEqual([record.service, record.region, record.tier, record.level], ['shop', 'eu', 'web', 'WARN'])
  }
})

for (const json of [true, false]) {
  const name = json ? 'JSON' : 'protobuf'

  test(`winston-loki sends the lines of a logger in ${name}, in order, with its labels`, async () => {
    const headers = { 'x-scope-orgid': `winston-${json}` }
    const { transport, logger, errors } = winstonOf(headers, json)
    for (let i = 0; i < RECORDS; i++) logger.error(`order ${i} placed ü`)
    await transport.close()
    assert.deepEqual(errors, [])
    const found: Found[] = await shared.client(headers).found(RECORDS)
    for (const [i, record] of found.entries()) {
      assert.match(record.message, new RegExp(`^order ${i} placed ü`))
      assert.deepEqual([record.service, record.region, record.level], ['shop', 'eu', 'ERROR'])
    }
  })
}

test('winston-loki tells of entries that were refused, and does not send the good ones again', async () => {
  const headers = { 'x-scope-orgid': 'winston-partly' }
  const { transport, logger, errors } = winstonOf(headers, true)
  const oldMs = Date.now() - 90 * 86_400_000
  for (let i = 0; i < 100; i++) logger.error({ message: `order ${i}`, timestamp: i === 7 ? oldMs : Date.now() })
  await transport.close()
  await transport.close()
  assert.equal(errors.length, 1)
  const client = shared.client(headers)
  const found = await client.found(99)
  assert.equal(new Set(found.map(({ message }) => message)).size, 99)
  assert.equal((await client.json('/v1/dead-letters')).deadLetters.length, 1)
})

function winstonOf(headers: Readonly<Record<string, string>>, json: boolean) {
  const errors: unknown[] = []
  const transport = new LokiTransport({
    host: shared.node.url,
    headers: { ...headers },
    json,
    labels: { job: 'shop', region: 'eu' },
    interval: 600,
    replaceTimestamp: false,
    gracefulShutdown: false,
    clearOnError: true,
    onConnectionError: (error) => errors.push(error),
  })
  return { transport, errors, logger: winston.createLogger({ transports: [transport] }) }
}
