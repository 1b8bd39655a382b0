import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { errorRecords, eventsWhen, putRule, sendAlert } from '../harness/alert-client.ts'
import { NodeProcess } from '../harness/node-process.ts'
import { startWebhookReceiver, type WebhookReceiver } from '../harness/webhook-receiver.ts'
import { WeirClient, waitUntil } from '../harness/weir-client.ts'

const CALLED_WAIT_MS = 40_000

function documentsOf({ requests }: WebhookReceiver, kind: string): Record<string, unknown>[] {
  return requests.map(({ body }) => JSON.parse(body)).filter((document) => document.kind === kind)
}

test('a burst is one call with the lines that matched, and one when it is over; what is silenced is none', async (t) => {
  const receiver = await startWebhookReceiver(t)
  const node = await NodeProcess.start({ workers: 2, 'alerts.allowPrivateTargets': true })
  const client = new WeirClient(node.url)
  t.after(async () => {
    client.close()
    await node.kill()
  })
  await sendAlert(client, 'PUT', 'channels/hook', { name: 'hook', type: 'webhook', url: receiver.url })
  const condition = { count: '>3', window: '10s', allowedLateness: '1s', groupBy: ['host'] }
  const rule = { query: 'refused', condition, channels: ['hook'] }
  await putRule(client, 'burst', rule)
  await sendAlert(client, 'POST', 'silences', { matchers: [{ field: 'host', value: 'quiet' }], endsAt: 'now+1h' })
  await client.ingest([...errorRecords(4, { host: 'quiet' }), ...errorRecords(9, { host: 'loud' })])
  await client.ingest(errorRecords(9, { host: 'loud' }))
  const events = await eventsWhen(client, 'burst', ({ length }) => length === 2)
  const loud = events.find(({ group }) => group.host === 'loud')
  await waitUntil(
    () => documentsOf(receiver, 'resolved').length > 0,
    () => 'the webhook is called when it is over',
    CALLED_WAIT_MS,
  )
  await eventsWhen(client, 'burst', (all) => all.every(({ state }) => state === 'resolved'))
  const [fired, ...more] = documentsOf(receiver, 'fired')
  assert.deepEqual(more, [])
  assert.equal(documentsOf(receiver, 'resolved').length, 1)
  assert.equal(fired?.firingId, loud.id)
  assert.match(receiver.requests[0]!.body, /payment \d refused/)
})

test('a node that is killed as it fires tells of the same firing when it is back, under the same id', async (t) => {
  const receiver = await startWebhookReceiver(t)
  const directory = mkdtempSync(join(tmpdir(), 'weir-webhook-'))
  const settings = { workers: 2, 'data.dir': directory, 'alerts.allowPrivateTargets': true }
  let node = await NodeProcess.start(settings)
  let client = new WeirClient(node.url)
  t.after(async () => {
    client.close()
    await node.kill()
    rmSync(directory, { recursive: true, force: true })
  })
  await sendAlert(client, 'PUT', 'channels/hook', { name: 'hook', type: 'webhook', url: receiver.url })
  await putRule(client, 'burst', { query: 'refused', condition: { count: '>3', window: '5m' }, channels: ['hook'] })
  // The call is heard, and never answered: the node dies while it waits.
  receiver.answer = () => undefined
  await client.ingest(errorRecords(5))
  await waitUntil(
    () => receiver.requests.length > 0,
    () => 'the webhook is called',
    CALLED_WAIT_MS,
  )
  client.close()
  await node.kill()
  receiver.answer = (response) => response.end()
  node = await NodeProcess.start(settings)
  client = new WeirClient(node.url)
  await waitUntil(
    () => receiver.requests.length > 1,
    () => 'the webhook is called again',
    CALLED_WAIT_MS,
  )
  const ids = new Set(documentsOf(receiver, 'fired').map(({ firingId }) => firingId))
  const [event, ...more] = await eventsWhen(client, 'burst', ({ length }) => length > 0)
  assert.deepEqual([[...ids], more], [[event.id], []])
})
