import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { AlertNotifier } from '../../actors/notifier.ts'
import { DeliveryLedger } from '../../actors/notifier-ledger.ts'
import { normaliseChannel } from '../../alerts/notify/channel-definition.ts'
import { systemClock } from '../../base/clock.ts'
import { TENANT_DEFAULT } from '../../base/ids.ts'
import { silentLogger } from '../../base/logger.ts'
import { createLmdbRegistry } from '../../cluster/lmdb-registry.ts'
import { openLmdbRegistry } from '../../cluster/lmdb-registry-remote.ts'
import { NatsConnection } from '../../cluster/nats-connection.ts'
import { openNatsRegistry } from '../../cluster/nats-registry.ts'
import type { Registry } from '../../cluster/registry.ts'
import { ChannelSender } from '../../node/channels/channel-sender.ts'
import { notificationOf } from '../harness/alert-notification.ts'
import { NatsServers } from '../harness/nats-server.ts'
import { startWebhookReceiver } from '../harness/webhook-receiver.ts'
import { waitUntil } from '../harness/weir-client.ts'

const FIRINGS = 30

/** Two nodes deliver through one registry, and the rules change hands all the time. */
async function deliversOnce(t: TestContext, registries: readonly [Registry, Registry]): Promise<void> {
  const receiver = await startWebhookReceiver(t)
  let count = 0
  receiver.answer = (response) => response.writeHead(++count % 5 === 0 ? 500 : 200).end()
  const channel = normaliseChannel('hook', { type: 'webhook', url: receiver.url })
  const mail = { server: undefined, from: undefined }
  const sender = new ChannelSender({ clock: systemClock, version: '1', allowPrivate: true, mail })
  let owner = 'a'
  const nodes = await Promise.all(
    ['a', 'b'].map((node, i) =>
      AlertNotifier.open({
        ledger: new DeliveryLedger(registries[i]!),
        channels: { get: async () => channel, known: () => channel },
        send: (to, notification, signal) => sender.send(to, notification, signal),
        isMine: () => owner === node,
        isAlive: () => true,
        node,
        boot: 'boot',
        clock: systemClock,
        logger: silentLogger,
      }),
    ),
  )
  t.after(() => Promise.all(nodes.map((node) => node.close(1000))))
  for (let i = 0; i < FIRINGS; i++) {
    if (i % 4 === 3) owner = owner === 'a' ? 'b' : 'a'
    const notification = notificationOf({ firingId: `f${i}`, channels: ['hook'] })
    await Promise.all(nodes.map((node) => node.submit(notification)))
  }
  const ledger = new DeliveryLedger(registries[0])
  await waitUntil(
    async () => (await ledger.list(TENANT_DEFAULT)).every(({ status }) => status === 'delivered'),
    () => 'all are delivered',
    60_000,
  )
  const taken = receiver.requests.filter((_, i) => (i + 1) % 5 !== 0).map(({ headers }) => headers['weir-firing-id'])
  assert.deepEqual(taken.sort(), Array.from({ length: FIRINGS }, (_, i) => `f${i}`).sort())
}

test('each firing is delivered once, by whichever node, through LMDB', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'weir-notifier-'))
  const host = await createLmdbRegistry({ directory })
  t.after(async () => {
    await host.close()
    await rm(directory, { recursive: true })
  })
  await deliversOnce(t, [host, openLmdbRegistry(host.share())])
})

test('each firing is delivered once, by whichever node, through JetStream', async (t) => {
  const servers = await NatsServers.start(1)
  t.after(() => servers.stop())
  const open = async () => {
    const connection = await NatsConnection.open({ servers: [servers.urls[0]!], name: 'notifier' }, systemClock)
    const options = { connection, cluster: 'notifier', replicas: 1, clock: systemClock, logger: silentLogger }
    const registry = await openNatsRegistry(options)
    t.after(async () => {
      await registry.close()
      await connection.close()
    })
    return registry
  }
  await deliversOnce(t, [await open(), await open()])
})
