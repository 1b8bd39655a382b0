import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HttpClient } from '../harness/http-client.ts'
import { startTestServer } from '../harness/test-server.ts'
import { startWebhookReceiver } from '../harness/webhook-receiver.ts'

const SLACK = { name: 'Slack: Ops', type: 'slack', url: 'https://hooks.slack.com/services/T0/B0/s3cret' }

function send(client: HttpClient, method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  return client.send(`/v1/alerts/${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
}

test('a channel is made, shown without its secrets, changed under a condition, and deleted', async (t) => {
  const { client } = await startTestServer(t)
  const made = await send(client, 'POST', 'channels', SLACK)
  assert.equal(made.status, 201, made.text)
  const channel = made.json()
  assert.deepEqual(
    [channel.id, channel.revision, channel.url, channel.ratePerMinute, made.headers.etag],
    ['slack-ops', 1, 'https://hooks.slack.com/********', 60, '"1"'],
  )
  assert.equal((await send(client, 'POST', 'channels', SLACK)).status, 409)
  const got = await send(client, 'GET', 'channels/slack-ops')
  assert.doesNotMatch(got.text, /s3cret/)
  // What was shown can be sent back as it is.
  const changed = await send(
    client,
    'PUT',
    'channels/slack-ops',
    { ...got.json(), ratePerMinute: 30 },
    { 'if-match': '"1"' },
  )
  assert.deepEqual([changed.status, changed.json().revision, changed.json().ratePerMinute], [200, 2, 30], changed.text)
  assert.equal((await send(client, 'PUT', 'channels/slack-ops', SLACK, { 'if-match': '"1"' })).status, 409)
  const listed = await send(client, 'GET', 'channels')
  assert.deepEqual(
    listed.json().channels.map(({ id }: { id: string }) => id),
    ['slack-ops'],
  )
  assert.doesNotMatch(listed.text, /s3cret/)
  assert.equal((await send(client, 'DELETE', 'channels/slack-ops')).status, 204)
  assert.equal((await send(client, 'GET', 'channels/slack-ops')).status, 404)
  assert.equal((await send(client, 'DELETE', 'channels/slack-ops')).status, 404)
  assert.equal((await send(client, 'PUT', 'channels/slack-ops', SLACK)).status, 201)
})

test('what is wrong with a definition is said, with its path and without its secrets', async (t) => {
  const { client } = await startTestServer(t)
  const wrong = await send(client, 'POST', 'channels', { ...SLACK, url: 'ftp://hooks.slack.com/s3cret' })
  assert.equal(wrong.status, 400)
  assert.match(wrong.text, /url must begin with/)
  assert.doesNotMatch(wrong.text, /s3cret/)
  assert.equal((await send(client, 'POST', 'channels', 'x')).status, 400)
  assert.equal((await send(client, 'PUT', 'channels/a%20b', SLACK)).status, 400)
  assert.equal((await send(client, 'POST', 'channels', { ...SLACK, id: '../x' })).status, 400)
  assert.equal((await send(client, 'GET', 'deliveries?firing=a/b')).status, 400)
})

test('a test message is sent, and the answer says what became of it', async (t) => {
  const { client } = await startTestServer(t)
  const receiver = await startWebhookReceiver(t)
  await send(client, 'PUT', 'channels/hook', {
    type: 'webhook',
    url: `${receiver.url}/in`,
    headers: { 'X-Key': 's3cret' },
  })
  const good = await send(client, 'POST', 'channels/hook/test')
  assert.deepEqual(
    [good.status, good.json().delivered, good.json().outcome, good.json().status],
    [200, true, 'delivered', 200],
  )
  assert.equal(receiver.requests[0]!.headers['x-key'], 's3cret')
  assert.equal(JSON.parse(receiver.requests[0]!.body).kind, 'test')
  receiver.answer = (response) => response.writeHead(403).end('s3cret is not known')
  const refused = await send(client, 'POST', 'channels/hook/test')
  assert.deepEqual(
    [refused.json().delivered, refused.json().outcome, refused.json().detail],
    [false, 'status', '403: ******** is not known'],
  )
  receiver.answer = () => undefined
  assert.equal((await send(client, 'POST', 'channels/hook/test')).json().outcome, 'timeout')
  assert.equal((await send(client, 'POST', 'channels/none/test')).status, 404)
  assert.deepEqual((await send(client, 'GET', 'deliveries')).json(), { deliveries: [] })
})

test('channels are those of the tenant, and need the role', async (t) => {
  const server = await startTestServer(t, { authMode: 'keys' })
  const ours = await server.clientOf('ours', 'alert')
  const theirs = await server.clientOf('theirs', 'alert')
  const reader = await server.clientOf('ours', 'read')
  assert.equal((await send(ours, 'PUT', 'channels/slack-ops', SLACK)).status, 201)
  assert.equal((await send(theirs, 'GET', 'channels/slack-ops')).status, 404)
  assert.equal((await send(theirs, 'POST', 'channels/slack-ops/test')).status, 404)
  assert.deepEqual((await send(theirs, 'GET', 'channels')).json(), { channels: [] })
  for (const [method, path] of [
    ['GET', 'channels'],
    ['PUT', 'channels/x'],
    ['POST', 'channels/slack-ops/test'],
    ['GET', 'deliveries'],
  ] as const) {
    assert.equal(
      (await send(reader, method, path, method === 'PUT' ? SLACK : undefined)).status,
      403,
      `${method} ${path}`,
    )
  }
})
