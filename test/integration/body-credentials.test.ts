import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { HttpClient } from '../harness/http-client.ts'
import { NodeProcess } from '../harness/node-process.ts'
import { shareNode } from '../harness/shared-node.ts'
import { WeirClient, waitUntil } from '../harness/weir-client.ts'

const ADMIN = 'weir_the-first-key-of-this-cluster'
const PATH = '/v1/logs/ingest'
const shared = await shareNode()

test('a credential in the body opens the door, for its own tenant, and is found nowhere', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'weir-credentials-'))
  const node = await NodeProcess.start({
    'data.dir': dir,
    workers: 1,
    shards: 4,
    'auth.mode': 'keys',
    'auth.adminKey': ADMIN,
    'log.level': 'debug',
  })
  const anybody = new HttpClient(node.url)
  const admin = new WeirClient(node.url, { authorization: `Bearer ${ADMIN}` })
  t.after(async () => {
    anybody.close()
    admin.close()
    await node.kill()
    rmSync(dir, { recursive: true, force: true })
  })
  const keyFor = async (tenant: string, role: string): Promise<string> =>
    (await admin.http.post('/v1/keys', { name: role, tenant, roles: [role] })).json().key
  const token = await keyFor('acme', 'ingest')
  const reader = new WeirClient(node.url, { authorization: `Bearer ${await keyFor('acme', 'read')}` })
  t.after(() => reader.close())
  const clientId = 'agent-4711-of-acme'
  const logs = [{ message: 'one' }, { message: 'two' }]

  const taken = await anybody.post(PATH, { clientId, token, logs })
  assert.deepEqual(taken.json(), { accepted: 2, rejected: 0, errors: [] }, taken.text)
  const last = await anybody.send(PATH, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'content-encoding': 'gzip', 'x-service-id': 'shop' },
    body: gzipSync(JSON.stringify({ logs: [{ message: 'three' }, 'no record'], token, clientId })),
  })
  assert.deepEqual([last.status, last.json().accepted, last.json().rejected], [200, 1, 1])
  const withBoth = await reader.http.post(PATH, { clientId, token, logs })
  assert.equal(withBoth.status, 403, 'the key of the header fields counts')

  const refused: [object, number][] = [
    [{ logs }, 401],
    [{ clientId, logs }, 401],
    [{ clientId, token: 'weir_wrong', logs }, 401],
    [{ clientId, token: `x${token}`, logs }, 401],
    [{ clientId, token: await keyFor('acme', 'read'), logs }, 403],
    [{ clientId, token, logs, more: 1 }, 400],
    [{ clientId, token, logs: 'none' }, 400],
  ]
  for (const [body, status] of refused) {
    const answer = await anybody.post(PATH, body)
    assert.equal(answer.status, status, answer.text)
    assert.ok(!answer.text.includes(token))
  }
  assert.equal((await anybody.post(PATH, { clientId, token, logs }, { 'x-scope-orgid': 'other' })).status, 403)
  const cut = `{"clientId":"${clientId}","token":"${token}","logs":[{"message":"cut`
  const headers = { 'content-type': 'application/json' }
  assert.equal((await anybody.send(PATH, { method: 'POST', headers, body: cut })).status, 400)
  const lines = await anybody.send(PATH, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: '{}',
  })
  assert.equal(lines.status, 401, 'of lines nothing is read')
  const large = JSON.stringify({ clientId, token, logs: [{ message: 'x'.repeat(5 * 1024 * 1024) }] })
  assert.equal((await anybody.send(PATH, { method: 'POST', headers, body: large })).status, 413)
  const bomb = { ...headers, 'content-encoding': 'gzip' }
  assert.equal((await anybody.send(PATH, { method: 'POST', headers: bomb, body: gzipSync(large) })).status, 413)

  const found = await reader.found(3)
  assert.deepEqual(found.map(({ message }) => message).sort(), ['one', 'three', 'two'])
  assert.equal(found.find(({ message }) => message === 'three')?.service, 'shop')
  await waitUntil(
    async () => (await reader.json('/v1/dead-letters')).deadLetters.length === 1,
    () => 'the one refused record is a dead letter',
  )
  const [letter] = (await reader.json('/v1/dead-letters')).deadLetters
  assert.equal(letter.raw, '"no record"')
  await node.stop()
  for (const secret of [token, clientId]) {
    assert.ok(!node.stderr.includes(secret))
    for (const file of readdirSync(dir, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue
      assert.ok(!readFileSync(join(file.parentPath, file.name)).includes(secret), `${file.name} holds no secret`)
    }
  }
})

test('records without a service or host get those of the header fields', async () => {
  const client = shared.tenant()
  const headers = { 'x-service-id': 'by-header', 'x-host': Buffer.from('grün').toString('latin1') }
  // Of bytes: with a text Node's client would send the header fields as UTF-8 once more.
  await client.ingestText(Buffer.from('{"uid":1}\n{"uid":2,"service":"own","host":"h"}'), headers)
  await client.ingestText(Buffer.from('{"uid":3}'), headers, { service: 'by-query' })
  await client.http.send(PATH, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'text/plain' },
    body: Buffer.from('a line'),
  })
  const ignored = await client.http.send(PATH, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify({ token: 'anything', logs: [{ uid: 4, service: 's' }] })),
  })
  assert.equal(ignored.status, 200, ignored.text)
  const found = await client.found(5)
  const of = (uid: number | undefined) => {
    const record = found.find((one) => one.uid === uid)
    return [record?.service, record?.host]
  }
  assert.deepEqual(of(1), ['by-header', 'grün'])
  assert.deepEqual(of(2), ['own', 'h'])
  assert.deepEqual(of(3), ['by-query', 'grün'])
  assert.deepEqual(of(4), ['s', 'grün'])
  assert.deepEqual(of(undefined), ['by-header', 'grün'])
  assert.equal((await client.ingestText('{}', { 'x-host': 'x'.repeat(2000) })).status, 400)
})
