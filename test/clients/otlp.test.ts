import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OTLPLogExporter as JsonExporter } from '@opentelemetry/exporter-logs-otlp-http'
import { OTLPLogExporter as ProtobufExporter } from '@opentelemetry/exporter-logs-otlp-proto'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs'
import { shareNode } from '../harness/shared-node.ts'

const shared = await shareNode()
const RECORDS = 1000
const WARN = 13

const EXPORTERS = [
  { name: 'protobuf', Exporter: ProtobufExporter, path: '/v1/logs' },
  { name: 'JSON', Exporter: JsonExporter, path: '/otlp/v1/logs' },
] as const

for (const { name, Exporter, path } of EXPORTERS) {
  test(`the official exporter sends records in ${name}, in order, with all that they hold`, async () => {
    const headers = { 'x-scope-orgid': `otlp-${name}` }
    const exporter = new Exporter({ url: `${shared.node.url}${path}`, headers, compression: 'gzip' as never })
    const provider = new LoggerProvider({
      resource: resourceFromAttributes({ 'service.name': 'shop', 'host.name': 'web-1', zone: 'a' }),
      processors: [new BatchLogRecordProcessor({ exporter, maxExportBatchSize: 300, maxQueueSize: 5000 })],
    })
    const logger = provider.getLogger('orders', '1.2.3')
    const startMs = Date.now() - 60_000
    for (let i = 0; i < RECORDS; i++) {
      logger.emit({
        timestamp: [Math.floor((startMs + i) / 1000), ((startMs + i) % 1000) * 1e6 + 789],
        severityNumber: WARN,
        severityText: 'warning',
        body: `order ${i} "placed"\n\tü`,
        attributes: { uid: i, order: { id: `o-${i}`, lines: [1, 'two', true] }, ratio: 0.5 },
      })
    }
    await provider.shutdown()
    const found = await shared.client(headers).found(RECORDS)
    for (const [i, record] of found.entries()) {
      assert.equal(record.uid, i)
      assert.equal(record.message, `order ${i} "placed"\n\tü`)
      assert.equal(record.timestamp, `${new Date(startMs + i).toISOString().slice(0, -1)}000789Z`)
      assert.deepEqual([record.level, record.service, record.host], ['WARN', 'shop', 'web-1'])
      assert.deepEqual(record.order, { id: `o-${i}`, lines: [1, 'two', true] })
      assert.equal(record.ratio, 0.5)
      assert.deepEqual(record.scope, { name: 'orders', version: '1.2.3' })
      assert.equal((record.resource as { zone: string }).zone, 'a')
    }
  })
}
