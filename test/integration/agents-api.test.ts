import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { NodeProcess } from '../harness/node-process.ts'
import { WeirClient, waitUntil } from '../harness/weir-client.ts'

const ADMIN_KEY = 'an-admin-key-for-tests'

describe('agents', () => {
  let directory: string
  let node: NodeProcess
  const clients: WeirClient[] = []
  const settings = () => ({
    'data.dir': directory,
    'auth.mode': 'keys',
    'auth.adminKey': ADMIN_KEY,
    'log.level': 'error',
    workers: 2,
  })
  const bearer = (credential: string, headers = {}) => {
    const client = new WeirClient(node.url, { authorization: `Bearer ${credential}`, ...headers })
    clients.push(client)
    return client
  }
  const keyOf = async (tenant: string, role: string): Promise<string> => {
    const answer = await bearer(ADMIN_KEY).http.post('/v1/keys', { name: role, tenant, roles: [role] })
    assert.equal(answer.status, 201, answer.text)
    return answer.json().key
  }
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'weir-agents-'))
    node = await NodeProcess.start(settings())
  })
  after(async () => {
    for (const client of clients) client.close()
    await node.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  const register = async (key: string, more = {}) => {
    const body = { organizationName: 'Acme', environment: 'test', agentVersion: '1.0', host: 'web-1', ...more }
    return bearer(key).http.post('/v1/agents/register', body)
  }

  it('register with a key that may enrol, and ingest for its tenant alone until they are revoked', async () => {
    const enrol = await keyOf('acme', 'enrol')
    assert.equal((await register(await keyOf('acme', 'ingest'))).status, 403)
    assert.equal((await bearer(enrol).ingestText('{"message":"x"}')).status, 403)
    const answer = await register(enrol)
    assert.equal(answer.status, 201, answer.text)
    const { clientId, token, tokenTTL } = answer.json()
    assert.equal(tokenTTL, 86_400)
    const agent = bearer(token)
    // Another worker may hear of it a moment later.
    await waitUntil(
      async () => (await agent.ingestText('{"message":"from the agent"}')).status === 200,
      () => 'the token is known to all workers',
    )
    assert.equal((await agent.get('/v1/logs/search')).status, 403)
    assert.equal((await agent.get('/v1/keys')).status, 403)
    assert.equal((await bearer(token, { 'x-scope-orgid': 'rival' }).ingestText('{"message":"x"}')).status, 403)
    const basic = Buffer.from(`agent:${token}`).toString('base64')
    const bulk = new WeirClient(node.url, { authorization: `Basic ${basic}` })
    clients.push(bulk)
    assert.equal(
      (
        await bulk.http.send('/elastic/_bulk', {
          method: 'POST',
          headers: { 'content-type': 'application/x-ndjson' },
          body: '{"create":{"_index":"x"}}\n{"message":"by bulk"}\n',
        })
      ).status,
      200,
    )

    const admin = bearer(ADMIN_KEY, { 'x-scope-orgid': 'acme' })
    assert.equal((await admin.http.send(`/v1/agents/${clientId}`, { method: 'DELETE' })).status, 204)
    await waitUntil(
      async () => (await agent.ingestText('{"message":"x"}')).status === 401,
      () => 'the token is void',
    )
    assert.equal((await register(enrol, { clientId })).status, 403)
    assert.equal((await admin.http.send(`/v1/agents/${clientId}`, { method: 'DELETE' })).status, 404)
  })

  it('say how they are, and are told what to do', async () => {
    const enrol = await keyOf('fleet', 'enrol')
    const [one, two] = [(await register(enrol)).json(), (await register(enrol, { host: 'web-2' })).json()]
    const agent = bearer(one.token)
    const admin = bearer(ADMIN_KEY, { 'x-scope-orgid': 'fleet' })
    const path = `/v1/agents/${one.clientId}`
    await waitUntil(
      async () => (await agent.get(`${path}/config`)).status === 200,
      () => 'the token is known to all workers',
    )
    const heartbeat = await agent.http.post(`${path}/heartbeat`, { linesRead: 12, spoolBytes: 0, agentVersion: '1.1' })
    assert.deepEqual(heartbeat.json(), { configVersion: 0 })
    assert.equal((await agent.http.post(`${path}/heartbeat`, { linesRead: -1 })).status, 400)
    assert.equal((await agent.http.post(`/v1/agents/${two.clientId}/heartbeat`, {})).status, 404)
    assert.equal((await agent.get(`/v1/agents/${two.clientId}/config`)).status, 404)
    assert.equal((await agent.get('/v1/agents')).status, 403)

    const { agents } = await bearer(await keyOf('fleet', 'read')).json('/v1/agents')
    assert.deepEqual(agents.map(({ host, agentVersion }: Record<string, string>) => [host, agentVersion]).sort(), [
      ['web-1', '1.1'],
      ['web-2', '1.0'],
    ])
    const first = agents.find((shown: { clientId: string }) => shown.clientId === one.clientId)
    assert.equal(first.heartbeat.linesRead, 12)
    assert.ok(Date.parse(first.lastSeenAt) > Date.parse(first.registeredAt) - 1000)
    assert.deepEqual((await bearer(await keyOf('rival', 'read')).json('/v1/agents')).agents, [])

    const put = (config: object, headers = {}) =>
      admin.http.send(`${path}/config`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(config),
      })
    assert.equal((await put({ isPaused: 'yes' })).status, 400)
    assert.deepEqual((await put({ isPaused: true })).json(), { version: 1, config: { isPaused: true } })
    assert.equal((await put({}, { 'if-match': '"7"' })).status, 409)
    assert.equal((await put({ logLevel: 'debug' }, { 'if-match': '"1"' })).json().version, 2)
    assert.equal(
      (
        await agent.http.send(`${path}/config`, {
          method: 'PUT',
          headers: { 'content-type': 'application/json' },
          body: '{}',
        })
      ).status,
      403,
    )
    const config = await agent.get(`${path}/config`)
    assert.deepEqual(config.json(), { version: 2, config: { logLevel: 'debug' } })
    assert.equal(config.headers.etag, '"2"')
    assert.equal((await agent.get(`${path}/config`, {}, { 'if-none-match': '"2"' })).status, 304)
    assert.deepEqual((await agent.http.post(`${path}/heartbeat`, {})).json(), { configVersion: 2 })
  })

  it('are known after the node was killed, and come back under their own name', async () => {
    const enrol = await keyOf('again', 'enrol')
    const { clientId, token } = (await register(enrol)).json()
    const { port } = node
    await node.kill()
    node = await NodeProcess.start({ ...settings(), 'http.port': port })
    assert.equal((await bearer(token).ingestText('{"message":"again"}')).status, 200)
    const answer = await register(enrol, { clientId })
    assert.equal(answer.json().clientId, clientId)
    assert.equal((await register(await keyOf('rival', 'enrol'), { clientId })).status, 403)
  })
})
