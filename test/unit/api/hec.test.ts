import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startTestServer } from '../../harness/test-server.ts'

const EVENT = '/services/collector/event'
const CHANNEL = { 'x-splunk-request-channel': 'fe0ecfad-13d5-401b-847d-77833bd77131' }

test("whatever goes wrong is said in HEC's codes", async (t) => {
  const { client, server, backend, clientOf } = await startTestServer(t, { authMode: 'keys' })
  const event = '{"event":"e"}'
  const said = async (http: typeof client, path: string, call: object) => {
    const { status, headers, json } = await http.send(path, { method: 'POST', ...call })
    assert.match(String(headers['content-type']), /^application\/json/)
    return [status, json().code, json().text]
  }
  assert.deepEqual(await said(client, EVENT, { body: event }), [401, 2, 'Token is required'])
  const wrong = { headers: { authorization: 'Splunk nothing' }, body: event }
  assert.deepEqual(await said(client, EVENT, wrong), [403, 4, 'Invalid token'])
  assert.deepEqual(await said(await clientOf('acme', 'read'), EVENT, { body: event }), [403, 4, 'Invalid token'])
  const sender = await clientOf('acme', 'ingest')
  assert.deepEqual(await said(sender, EVENT, { body: ' ' }), [400, 5, 'No data'])
  assert.deepEqual(await said(sender, EVENT, { body: 'x' }), [400, 6, 'Invalid data format'])
  assert.deepEqual(await said(sender, EVENT, { body: '{}' }), [400, 12, 'Event field is required'])
  assert.deepEqual(await said(sender, EVENT, { body: '{"event":""}' }), [400, 13, 'Event field cannot be blank'])
  const fields = { body: '{"event":"e","fields":1}' }
  assert.deepEqual(await said(sender, EVENT, fields), [400, 15, 'Error in handling indexed fields'])
  assert.deepEqual(await said(sender, `${EVENT}?channel=x`, { body: event }), [400, 11, 'Invalid data channel'])
  assert.deepEqual(await said(sender, '/services/collector/ack', { body: '{}' }), [400, 10, 'Data channel is missing'])
  assert.equal((await said(sender, EVENT, { headers: { 'content-encoding': 'br' }, body: 'x' }))[0], 415)
  assert.equal((await said(sender, EVENT, { body: Buffer.alloc(1024 * 1024 + 1) }))[0], 413)
  backend.inFlightBytesMax = 100
  assert.deepEqual(await said(sender, EVENT, { body: event.padEnd(200) }), [503, 9, 'Server is busy'])
  server.drain()
  assert.deepEqual(await said(sender, EVENT, { body: event }), [503, 23, 'Server is shutting down'])
  assert.equal(backend.inFlightBytes, 0)
})

test('events of a channel have an ackId, each its own, and it is acknowledged', async (t) => {
  const { client } = await startTestServer(t)
  const ids: number[] = []
  for (let i = 0; i < 3; i++) {
    const answer = await client.send(`${EVENT}/1.0`, { method: 'POST', headers: CHANNEL, body: '{"event":"e"}' })
    const { text, code, ackId } = answer.json()
    assert.deepEqual([text, code], ['Success', 0])
    assert.ok(Number.isSafeInteger(ackId) && ackId >= 0)
    ids.push(ackId)
  }
  assert.equal(new Set(ids).size, 3)
  const ack = (body: string) => client.send('/services/collector/ack', { method: 'POST', headers: CHANNEL, body })
  assert.deepEqual((await ack(JSON.stringify({ acks: ids }))).json(), {
    acks: Object.fromEntries(ids.map((id) => [id, true])),
  })
  for (const body of ['', '[]', '{"acks":1}', '{"acks":[-1]}', '{"acks":["a"]}']) {
    assert.deepEqual([(await ack(body)).status, (await ack(body)).json().code], [400, 6], body)
  }
})

test('health is asked without a token', async (t) => {
  const { client, backend } = await startTestServer(t, { authMode: 'keys' })
  const health = async () => {
    const { status, text } = await client.get('/services/collector/health')
    return [status, text]
  }
  assert.deepEqual(await health(), [200, '{"text":"HEC is healthy","code":17}'])
  backend.notReady = ['journal']
  assert.deepEqual(await health(), [503, '{"text":"HEC is unhealthy, queues are full","code":18}'])
})
