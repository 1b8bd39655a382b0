import assert from 'node:assert/strict'
import { test } from 'node:test'
import fluentLogger from 'fluent-logger'
import { shareNode } from '../harness/shared-node.ts'

const KEY = 'a key that both know'
const shared = await shareNode({ 'forward.port': 0, 'forward.sharedKey': KEY })
const RECORDS = 200

for (const eventMode of ['Message', 'PackedForward', 'CompressedPackedForward']) {
  test(`fluent-logger sends events in mode ${eventMode}, in order, and hears that they are stored`, async () => {
    const sender = fluentLogger.createFluentSender<object>('shop', {
      host: '127.0.0.1',
      port: shared.node.ports.forward,
      eventMode,
      milliseconds: 1,
      requireAckResponse: true,
      ackResponseTimeout: 20_000,
      reconnectInterval: 100,
      flushInterval: 20,
      security: { clientHostname: 'client.of.test', sharedKey: KEY },
    })
    const startMs = Date.now() - 60_000
    const sent = Array.from(
      { length: RECORDS },
      (_, i) =>
        new Promise<void>((resolve, reject) => {
          const event = { message: `order ${i} "placed"\n\tü`, uid: i, deep: { list: [1, 'two', null] }, level: 'warn' }
          sender.emit(eventMode, event, new Date(startMs + i), (error?: Error) => (error ? reject(error) : resolve()))
        }),
    )
    await Promise.all(sent)
    await new Promise<void>((resolve) => sender.end('end', {}, () => resolve()))
    const found = await shared.client().found(RECORDS, { service: `shop.${eventMode}` })
    for (const [i, record] of found.entries()) {
      assert.equal(record.message, `order ${i} "placed"\n\tü`)
      assert.deepEqual([record.uid, record.level, record.tag], [i, 'WARN', `shop.${eventMode}`])
      assert.deepEqual(record.deep, { list: [1, 'two', null] })
      assert.equal(Date.parse(record.timestamp), startMs + i)
    }
  })
}
