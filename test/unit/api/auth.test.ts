import assert from 'node:assert/strict'
import { test } from 'node:test'
import { credentialOf, hashKey } from '../../../api/auth.ts'
import type { Role } from '../../../api/backend.ts'
import type { TenantId } from '../../../base/ids.ts'
import { HttpClient } from '../../harness/http-client.ts'
import { startTestServer } from '../../harness/test-server.ts'

const base64 = (text: string) => Buffer.from(text).toString('base64')

test('a key is found wherever clients put it', () => {
  const key = 'weir_abc'
  const places = [
    { authorization: `Bearer ${key}` },
    { authorization: `bearer  ${key} ` },
    { authorization: `Splunk ${key}` },
    { authorization: `ApiKey ${key}` },
    { authorization: `ApiKey ${base64(`id:${key}`)}` },
    { authorization: `Basic ${base64(`anyone:${key}`)}` },
    { 'x-api-key': key },
    { 'dd-api-key': key },
  ]
  for (const headers of places) assert.equal(credentialOf(headers), key, JSON.stringify(headers))
  const none = [
    {},
    { authorization: key },
    { authorization: 'Bearer' },
    { authorization: 'Bearer ' },
    { authorization: `Digest ${key}` },
    { authorization: `Basic ${base64('no colon')}` },
    { authorization: `Bearer ${'x'.repeat(2000)}` },
  ]
  for (const headers of none) assert.equal(credentialOf(headers), undefined, JSON.stringify(headers))
})

test('each role opens its endpoints and no others', async (t) => {
  const { client, clientOf, url } = await startTestServer(t, { authMode: 'keys' })
  const byRole: Record<string, HttpClient> = {
    none: client,
    wrong: new HttpClient(url, { 'x-api-key': 'weir_wrong' }),
    ingest: await clientOf('acme', 'ingest'),
    read: await clientOf('acme', 'read'),
    both: await clientOf('acme', 'ingest', 'read'),
    admin: await clientOf('acme', 'admin'),
  }
  t.after(() => byRole.wrong!.close())
  const ingest = (c: HttpClient) => c.post('/v1/logs/ingest', { message: 'a' })
  const search = (c: HttpClient) => c.get('/v1/logs/search')
  const keys = (c: HttpClient) => c.get('/v1/keys')
  const health = (c: HttpClient) => c.get('/healthz')
  const metrics = (c: HttpClient) => c.get('/metrics')
  const matrix: [string, (c: HttpClient) => ReturnType<typeof ingest>, Record<string, number>][] = [
    ['ingest', ingest, { none: 401, wrong: 401, ingest: 200, read: 403, both: 200, admin: 200 }],
    ['search', search, { none: 401, wrong: 401, ingest: 403, read: 200, both: 200, admin: 200 }],
    ['keys', keys, { none: 401, wrong: 401, ingest: 403, read: 403, both: 403, admin: 200 }],
    ['health', health, { none: 200, wrong: 200, ingest: 200, read: 200, both: 200, admin: 200 }],
    ['metrics', metrics, { none: 401, wrong: 401, ingest: 403, read: 403, both: 403, admin: 403 }],
  ]
  for (const [name, call, statuses] of matrix) {
    for (const [role, status] of Object.entries(statuses)) {
      const answer = await call(byRole[role]!)
      assert.equal(answer.status, status, `${name} with ${role}: ${answer.text}`)
      if (status === 401) assert.match(String(answer.headers['www-authenticate']), /^Bearer/)
    }
  }
})

test('a key sees its own tenant only, and the same answer for what is not there and what is not its own', async (t) => {
  const { clientOf } = await startTestServer(t, { authMode: 'keys' })
  const acme = await clientOf('acme', 'ingest', 'read')
  const rival = await clientOf('rival', 'ingest', 'read')
  await acme.post('/v1/logs/ingest', { message: 'ours', traceId: 't1' })
  const [log] = (await acme.get('/v1/logs/search')).json().logs
  assert.equal(log.message, 'ours')
  assert.deepEqual((await rival.get('/v1/logs/search')).json().logs, [])
  for (const path of ['/v1/logs/ID', '/v1/logs/ID/context', '/v1/traces/t1']) {
    assert.equal((await acme.get(path.replace('ID', log.id))).status, 200, path)
    const foreign = await rival.get(path.replace('ID', log.id))
    const absent = await rival.get(path.replace('ID', 'r999').replace('t1', 't999'))
    assert.equal(foreign.status, 404)
    const { instance: _a, requestId: _b, ...foreignRest } = foreign.json()
    const { instance: _c, requestId: _d, ...absentRest } = absent.json()
    assert.deepEqual(foreignRest, absentRest)
  }
  const naming = await rival.get('/v1/logs/search', undefined)
  assert.equal(naming.status, 200)
  assert.equal((await rival.get('/v1/logs/search', { 'x-scope-orgid': 'acme' })).status, 403)
  assert.equal((await rival.get('/v1/logs/search', { 'x-scope-orgid': 'rival' })).status, 200)
})

test('a key of the cluster names its tenant, and only by a name', async (t) => {
  const { clientOf, backend } = await startTestServer(t, { authMode: 'keys' })
  const cluster = await clientOf('*', 'admin')
  await cluster.post('/v1/logs/ingest', { message: 'a' }, { 'x-scope-orgid': 'acme' })
  await cluster.post('/v1/logs/ingest', { message: 'b' })
  assert.deepEqual(
    backend.ingested.map((request) => request.tenant),
    ['acme', 'default'],
  )
  for (const name of ['a|b', '../x', 'acme!dead', '*', 'x'.repeat(65)]) {
    const answer = await cluster.get('/v1/logs/search', { 'x-scope-orgid': name })
    assert.equal(answer.status, 400, name)
    assert.equal(answer.json().parameter, 'X-Scope-OrgID')
  }
  const metrics = await cluster.get('/metrics')
  assert.match(metrics.text, /weir_up 1/)
})

test('with authentication off anybody is the administrator of every tenant', async (t) => {
  const { client, backend } = await startTestServer(t)
  await client.post('/v1/logs/ingest', { message: 'a' })
  await client.post('/v1/logs/ingest', { message: 'a' }, { 'x-scope-orgid': 'acme' })
  assert.deepEqual(
    backend.ingested.map((request) => request.tenant),
    ['default', 'acme'],
  )
  assert.equal((await client.get('/v1/keys')).status, 200)
  assert.equal((await client.get('/v1/logs/search', { 'x-scope-orgid': 'acme!dead' })).status, 400)
})

test('a key is shown once, works at once, and no more when revoked', async (t) => {
  const { clientOf, backend, url } = await startTestServer(t, { authMode: 'keys' })
  const admin = await clientOf('acme', 'admin')
  const made = await admin.post('/v1/keys', { name: 'shipper', roles: ['ingest'] })
  assert.equal(made.status, 201)
  const { id, key, ...rest } = made.json()
  assert.match(key, /^weir_[A-Za-z0-9_-]{43}$/)
  assert.deepEqual({ ...rest, createdAt: '' }, { name: 'shipper', tenant: 'acme', roles: ['ingest'], createdAt: '' })
  assert.ok(backend.keys.byHash.has(hashKey(key)), 'only its hash is kept')

  const listed = await admin.get('/v1/keys')
  assert.ok(listed.json().keys.some((one: { id: string }) => one.id === id))
  assert.ok(!listed.text.includes(key) && !listed.text.includes(hashKey(key)))

  const shipper = new HttpClient(url, { authorization: `Bearer ${key}` })
  t.after(() => shipper.close())
  assert.equal((await shipper.post('/v1/logs/ingest', {})).status, 200)
  assert.equal((await admin.send(`/v1/keys/${id}`, { method: 'DELETE' })).status, 204)
  assert.equal((await shipper.post('/v1/logs/ingest', {})).status, 401)
  assert.equal((await admin.send(`/v1/keys/${id}`, { method: 'DELETE' })).status, 404)
})

test('an administrator of a tenant makes, sees and revokes keys of that tenant only', async (t) => {
  const { clientOf, backend } = await startTestServer(t, { authMode: 'keys' })
  const acme = await clientOf('acme', 'admin')
  const rival = await clientOf('rival', 'admin')
  const cluster = await clientOf('*', 'admin')
  const tenantsOf = async (client: HttpClient, headers = {}) =>
    (await client.get('/v1/keys', headers)).json().keys.map((key: { tenant: string }) => key.tenant)
  assert.deepEqual(await tenantsOf(acme), ['acme'])
  assert.deepEqual(await tenantsOf(cluster), ['acme', 'rival', '*'])
  assert.deepEqual(await tenantsOf(cluster, { 'x-scope-orgid': 'rival' }), ['rival'])

  const roles: Role[] = ['read']
  for (const tenant of ['rival', '*']) {
    assert.equal((await acme.post('/v1/keys', { name: 'x', tenant, roles })).status, 403)
  }
  const [, rivalKey] = await backend.keys.list()
  assert.equal((await acme.send(`/v1/keys/${rivalKey!.id}`, { method: 'DELETE' })).status, 404)
  assert.equal((await rival.get('/v1/keys')).status, 200)

  assert.equal((await cluster.post('/v1/keys', { name: 'x', tenant: '*', roles })).json().tenant, '*')
  assert.equal((await cluster.post('/v1/keys', { name: 'x', tenant: 'new' as TenantId, roles })).json().tenant, 'new')
  assert.equal((await cluster.post('/v1/keys', { name: 'x', tenant: 'a b', roles })).json().parameter, 'tenant')
})

test('a malformed key request names what is wrong', async (t) => {
  const { client } = await startTestServer(t)
  const wrong: [unknown, string][] = [
    [{ roles: ['read'] }, 'name'],
    [{ name: 'x' }, 'roles'],
    [{ name: 'x', roles: [] }, 'roles'],
    [{ name: 'x', roles: ['owner'] }, 'roles'],
    [{ name: 'x', roles: ['read', 'read'] }, 'roles'],
    [{ name: '', roles: ['read'] }, 'name'],
    [{ name: 'x', roles: ['read'], admin: true }, 'admin'],
    [JSON.parse('{"name":"x","roles":["read"],"__proto__":{"a":1}}'), '__proto__'],
  ]
  for (const [body, parameter] of wrong) {
    const answer = await client.post('/v1/keys', body)
    assert.equal(answer.status, 400, JSON.stringify(body))
    assert.equal(answer.json().parameter, parameter)
  }
  for (const body of ['', '[]', 'null', '{"name":', '\u00ff']) {
    const answer = await client.send('/v1/keys', { method: 'POST', body: Buffer.from(body, 'latin1') })
    assert.equal(answer.status, 400, body)
  }
})
