import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { shareNode } from '../harness/shared-node.ts'

const shared = await shareNode()
const RECORDS = 500

/** splunk-logging has no types. */
interface SplunkLogger {
  send(context: object): void
  flush(done: (error: Error | null, response: unknown, body: string) => void): void
}
const { Logger } = createRequire(import.meta.url)('splunk-logging') as { Logger: new (config: object) => SplunkLogger }

test('splunk-logging sends a batch of events, in order, with their fields', async () => {
  const logger = new Logger({
    token: 'not-looked-at-without-auth',
    url: shared.node.url,
    maxBatchCount: 0,
  })
  const startMs = Date.now() - 60_000
  for (let i = 0; i < RECORDS; i++) {
    logger.send({
      message: { message: `order ${i} "placed"\n\tü`, uid: i, deep: { list: [1, 'two', null] } },
      severity: 'warn',
      metadata: { time: (startMs + i) / 1000, host: 'web-1', source: 'shop', sourcetype: 'json', index: 'main' },
    })
  }
  const answer = await promisify((done: (error: Error | null, body: string) => void) =>
    logger.flush((error, _response, body) => done(error, body)),
  )()
  assert.deepEqual(answer, { text: 'Success', code: 0 })
  const found = await shared.client().found(RECORDS)
  for (const [i, record] of found.entries()) {
    assert.equal(Date.parse(record.timestamp), startMs + i)
    assert.deepEqual([record.host, record.service, record.sourcetype, record.index], ['web-1', 'shop', 'json', 'main'])
    assert.deepEqual(record.message, { message: `order ${i} "placed"\n\tü`, uid: i, deep: { list: [1, 'two', null] } })
    assert.equal(record.level, 'WARN')
  }
})
