import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { startMailReceiver } from '../harness/mail-receiver.ts'
import { NodeProcess } from '../harness/node-process.ts'
import { startWebhookReceiver, type WebhookReceiver } from '../harness/webhook-receiver.ts'
import { WeirClient, waitUntil } from '../harness/weir-client.ts'

const SECRET = 'a secret of ours'

async function put(client: WeirClient, path: string, body: object): Promise<void> {
  const answer = await client.http.send(`/v1/alerts/${path}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  assert.ok(answer.status === 200 || answer.status === 201, answer.text)
}

function rule(channels: readonly string[], more: object = {}): object {
  const condition = { count: '>3', window: '10s', allowedLateness: '1s' }
  return { name: 'Refused payments', query: 'refused', severity: 'P1', condition, channels, ...more }
}

function errors(count: number): object[] {
  return Array.from({ length: count }, (_, i) => ({
    level: 'ERROR',
    service: 'checkout',
    message: `payment ${i} refused`,
  }))
}

function received(receiver: WebhookReceiver, count: number): Promise<void> {
  const { requests } = receiver
  return waitUntil(
    () => requests.length >= count,
    () => `${count} requests came, not ${requests.length}`,
    60_000,
  )
}

test('a burst is told on every channel, with its lines, and that it is over; broken channels are seen, and hold up no other', async (t) => {
  const node = await NodeProcess.start({ workers: 1, 'alerts.allowPrivateTargets': true })
  const client = new WeirClient(node.url)
  t.after(async () => {
    client.close()
    await node.kill()
  })
  const good = await startWebhookReceiver(t)
  const broken = await startWebhookReceiver(t)
  const silent = await startWebhookReceiver(t)
  const mail = await startMailReceiver(t)
  broken.answer = (response) => response.writeHead(500).end('out of order')
  silent.answer = () => undefined
  await put(client, 'channels/silent', { type: 'webhook', url: silent.url })
  await put(client, 'channels/broken', { type: 'slack', url: `${broken.url}/s3cret` })
  await put(client, 'channels/good', { type: 'webhook', url: good.url, secret: SECRET })
  const server = { host: '127.0.0.1', port: mail.port, security: 'none' }
  await put(client, 'channels/mail', { type: 'email', from: 'weir@example.com', to: ['ops@example.com'], server })
  await put(client, 'rules/refused', rule(['silent', 'broken', 'none', 'good', 'mail']))
  const sentAt = performance.now()
  await client.ingest(errors(8))
  await received(good, 1)
  const tookMs = performance.now() - sentAt
  t.diagnostic(`from the request to the webhook: ${Math.round(tookMs)} ms`)
  assert.ok(tookMs < 10_000, `it took ${tookMs} ms, behind a channel that hangs`)
  const [fired] = good.requests
  const { 'webhook-id': id, 'webhook-timestamp': seconds, 'webhook-signature': signature } = fired!.headers
  assert.equal(
    signature,
    `v1,${createHmac('sha256', SECRET).update(`${id}.${seconds}.${fired!.body}`).digest('base64')}`,
  )
  const body = JSON.parse(fired!.body)
  assert.deepEqual([body.kind, body.rule.id, body.condition], ['fired', 'refused', 'count > 3 in 10s'])
  assert.ok(
    body.samples.length > 0 && body.samples.every(({ message }: { message: string }) => /refused$/.test(message)),
  )

  await received(good, 2)
  const resolved = JSON.parse(good.requests[1]!.body)
  assert.deepEqual([resolved.kind, resolved.firingId], ['resolved', body.firingId])
  await waitUntil(
    () => mail.mails.length >= 2,
    () => 'two mails came',
    20_000,
  )
  assert.match(mail.mails[0]!.text, /^Subject: \[P1\] FIRING: Refused payments\r$/m)

  const { events } = await client.json('/v1/alerts/events', { rule: 'refused' })
  assert.equal(events[0].id, body.firingId)
  const { deliveries } = await client.json('/v1/alerts/deliveries', { firing: body.firingId })
  const shown = (channel: string) =>
    deliveries.find((one: { channel: string; kind: string }) => one.channel === channel && one.kind === 'fired')
  assert.equal(shown('good').status, 'delivered')
  assert.equal(shown('mail').status, 'delivered')
  assert.deepEqual([shown('none').status, shown('none').log[0].outcome], ['givenUp', 'channelMissing'])
  assert.equal(shown('silent').status, 'waiting')
  assert.equal(shown('silent').log[0].outcome, 'timeout')
  assert.deepEqual([shown('broken').status, shown('broken').log[0].detail], ['waiting', '500: out of order'])
  assert.ok(shown('broken').attempts > 1)
  assert.doesNotMatch(node.stderr, /s3cret/)
})

test('a node that is killed before it knows whether a message arrived sends it again, under the same id', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'weir-notify-'))
  const settings = { 'data.dir': directory, workers: 1, 'alerts.allowPrivateTargets': true }
  const receiver = await startWebhookReceiver(t)
  // It has the message, and its answer never arrives.
  receiver.answer = () => undefined
  let node = await NodeProcess.start(settings)
  let client = new WeirClient(node.url)
  t.after(async () => {
    client.close()
    await node.kill()
    rmSync(directory, { recursive: true, force: true })
  })
  await put(client, 'channels/hook', { type: 'webhook', url: receiver.url })
  await put(client, 'rules/refused', rule(['hook'], { condition: { count: '>3', window: '10m' } }))
  await client.ingest(errors(8))
  await received(receiver, 1)
  client.close()
  await node.kill()
  receiver.answer = (response) => response.end('ok')
  node = await NodeProcess.start(settings)
  client = new WeirClient(node.url)
  await received(receiver, 2)
  const ids = receiver.requests.map(({ headers }) => headers['idempotency-key'])
  assert.equal(ids[0], ids[1])
  const deliveries = async () => (await client.json('/v1/alerts/deliveries')).deliveries
  await waitUntil(
    async () => (await deliveries())[0].status === 'delivered',
    () => 'the delivery is settled',
  )
  assert.equal((await deliveries()).length, 1)
  assert.equal(receiver.requests.length, 2)
})

test('a private target is refused unless it is allowed', async (t) => {
  const node = await NodeProcess.start({ workers: 1 })
  const client = new WeirClient(node.url)
  t.after(async () => {
    client.close()
    await node.kill()
  })
  for (const url of ['http://127.0.0.1:1', 'http://localhost:1', 'http://169.254.169.254/', 'https://[fd00::1]/']) {
    const answer = await client.http.send('/v1/alerts/channels', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'hook', type: 'webhook', url }),
    })
    assert.equal(answer.status, 400, url)
    assert.match(answer.text, /alerts\.allowPrivateTargets/)
  }
})
