import assert from 'node:assert/strict'
import { test } from 'node:test'
import { client, v2 } from '@datadog/datadog-api-client'
import { shareNode } from '../harness/shared-node.ts'

const shared = await shareNode()
const RECORDS = 500

for (const contentEncoding of [undefined, 'gzip', 'deflate'] as const) {
  const name = contentEncoding ?? 'identity'
  test(`the official client submits logs, ${name}, in order, with tags and attributes`, async () => {
    const service = `shop-${name}`
    const configuration = client.createConfiguration({
      authMethods: { apiKeyAuth: 'not-looked-at-without-auth' },
      baseServer: new client.BaseServerConfiguration(shared.node.url, {}),
    })
    const logs = new v2.LogsApi(configuration)
    const startMs = Date.now() - 60_000
    for (let from = 0; from < RECORDS; from += 100) {
      const body = Array.from({ length: 100 }, (_, n) => ({
        message: `order ${from + n} "placed"\n\tü`,
        ddsource: 'node',
        ddtags: 'env:prod,team:a,urgent',
        hostname: 'web-1',
        service,
        additionalProperties: { status: 'warn', uid: String(from + n), timestamp: String(startMs + from + n) },
      }))
      await logs.submitLog({ body, ...(contentEncoding === undefined ? {} : { contentEncoding }) })
    }
    const found = await shared.client().found(RECORDS, { service })
    for (const [i, record] of found.entries()) {
      assert.equal(record.message, `order ${i} "placed"\n\tü`)
      assert.equal(record.uid, String(i))
      assert.equal(Date.parse(record.timestamp), startMs + i)
      assert.deepEqual([record.level, record.host, record.ddsource], ['WARN', 'web-1', 'node'])
      assert.deepEqual(record.tags, { env: 'prod', team: 'a', urgent: true })
    }
  })
}
