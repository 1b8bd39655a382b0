import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Client, credentials, Metadata } from '@grpc/grpc-js'
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-grpc'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs'
import { bytesField, fixed64Field } from '../harness/protobuf-writer.ts'
import { shareNode } from '../harness/shared-node.ts'
import { type Found, waitUntil } from '../harness/weir-client.ts'

const shared = await shareNode({ 'otlpGrpc.port': 0 })
const RECORDS = 1000
const WARN = 13

for (const compression of ['none', 'gzip']) {
  test(`the official exporter sends records over gRPC, compression ${compression}, in order, with all that they hold`, async () => {
    const headers = { 'x-scope-orgid': `grpc-${compression}` }
    const metadata = new Metadata()
    metadata.set('x-scope-orgid', headers['x-scope-orgid'])
    const url = `http://127.0.0.1:${shared.node.ports.otlpGrpc}`
    const exporter = new OTLPLogExporter({ url, metadata, compression: compression as never })
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

test('of 100 records 3 bad ones are counted in partial_success and kept with their bytes, the others are found in order', async (t) => {
  const startMs = Date.now() - 60_000
  const bad = [7, 50, 99]
  const records = Array.from({ length: 100 }, (_, i) => {
    const time = fixed64Field(1, bad.includes(i) ? 5n : BigInt(startMs + i) * 1_000_000n)
    return Buffer.concat([time, bytesField(5, bytesField(1, `record ${i}`))])
  })
  const message = bytesField(1, bytesField(2, ...records.map((record) => bytesField(2, record))))
  const client = new Client(`127.0.0.1:${shared.node.ports.otlpGrpc}`, credentials.createInsecure())
  t.after(() => client.close())
  const metadata = new Metadata()
  metadata.set('x-scope-orgid', 'grpc-partly')
  const same = (bytes: Buffer) => bytes
  const answer = await new Promise<Buffer>((resolve, reject) => {
    const path = '/opentelemetry.proto.collector.logs.v1.LogsService/Export'
    client.makeUnaryRequest(path, same, same, message, metadata, (error, bytes) =>
      error === null ? resolve(bytes ?? Buffer.alloc(0)) : reject(error),
    )
  })
  assert.equal(answer[answer.indexOf(0x08) + 1], bad.length)
  const weir = shared.client({ 'x-scope-orgid': 'grpc-partly' })
  const found = await weir.found(97)
  assert.deepEqual(
    found.map((record) => record.message),
    records.flatMap((_, i) => (bad.includes(i) ? [] : [`record ${i}`])),
  )
  let letters: Found[] = []
  await waitUntil(
    async () => {
      letters = (await weir.json('/v1/dead-letters')).deadLetters
      return letters.length === bad.length
    },
    () => `${bad.length} dead letters are listed, not ${letters.length}`,
  )
  const kept = letters.map(({ raw, encoding }) => Buffer.from(raw, encoding).toString('hex'))
  assert.deepEqual(kept.sort(), bad.map((i) => records[i]!.toString('hex')).sort())
})
