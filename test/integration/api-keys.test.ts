import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shareNode } from '../harness/shared-node.ts'
import { type Found, type WeirClient, waitUntil } from '../harness/weir-client.ts'

const ADMIN_KEY = 'weir_the-key-of-the-administrator-of-this-test'
const shared = await shareNode({ 'auth.mode': 'keys', 'auth.adminKey': ADMIN_KEY })
const cluster = shared.client({ authorization: `Bearer ${ADMIN_KEY}` })

interface Key {
  readonly id: string
  readonly key: string
}

async function makeKey(tenant: string, roles: readonly string[], by: WeirClient = cluster): Promise<Key> {
  const answer = await by.http.post('/v1/keys', { name: `${roles} of ${tenant}`, tenant, roles })
  assert.equal(answer.status, 201, answer.text)
  return answer.json()
}

async function clientOf(tenant: string, ...roles: string[]): Promise<WeirClient> {
  const { key } = await makeKey(tenant, roles)
  const client = shared.client({ authorization: `Bearer ${key}` })
  // A key is known to every thread a moment after it is made.
  await waitUntil(
    async () =>
      (await Promise.all(Array.from({ length: 4 }, () => client.get('/v1/keys')))).every((a) => a.status !== 401),
    () => 'the new key is known',
  )
  return client
}

const SEARCHES = [
  '/v1/logs/search',
  '/v1/logs/histogram',
  '/v1/logs/aggregate',
  '/v1/logs/tail',
  '/v1/logs/patterns',
  '/v1/fields',
  '/v1/fields/service/values',
  '/v1/dead-letters',
]

test('every endpoint wants a key but those that say whether the node is well', async () => {
  const nobody = shared.client()
  for (const path of [...SEARCHES, '/v1/keys', `/v1/logs/${'0'.repeat(42)}`, '/v1/traces/x', '/metrics']) {
    const answer = await nobody.get(path)
    assert.equal(answer.status, 401, path)
    assert.equal(answer.json().code, 'unauthenticated')
    assert.match(answer.headers['www-authenticate']!, /Bearer/)
  }
  assert.equal((await nobody.ingestText('{}')).status, 401)
  for (const path of ['/healthz', '/readyz', '/openapi.json', '/docs'])
    assert.equal((await nobody.get(path)).status, 200)
  for (const wrong of ['weir_wrong', ADMIN_KEY.slice(0, -1), `${ADMIN_KEY}x`, '']) {
    assert.equal((await shared.client({ authorization: `Bearer ${wrong}` }).get('/v1/logs/search')).status, 401)
  }
})

test('a key is taken in every header that clients use', async () => {
  const { key } = await makeKey('headers', ['read'])
  const basic = Buffer.from(`anybody:${key}`).toString('base64')
  const forms: Record<string, string>[] = [
    { authorization: `Bearer ${key}` },
    { authorization: `bearer ${key}` },
    { authorization: `Basic ${basic}` },
    { authorization: `ApiKey ${key}` },
    { authorization: `ApiKey ${basic}` },
    { authorization: `Splunk ${key}` },
    { 'x-api-key': key },
    { 'dd-api-key': key },
  ]
  await clientOf('headers', 'read')
  for (const headers of forms) {
    assert.equal((await shared.client(headers).get('/v1/logs/search')).status, 200, Object.values(headers)[0])
  }
})

test('each role may do its own and no more', async () => {
  const matrix: [string, readonly number[]][] = [
    //          ingest search deadLetters keys metrics
    ['ingest', [200, 403, 403, 403, 403]],
    ['read', [403, 200, 403, 403, 403]],
    ['admin', [200, 200, 200, 200, 403]],
  ]
  for (const [role, wanted] of matrix) {
    const client = await clientOf('roles', role)
    const got = [
      (await client.ingestText('{"message":"x"}')).status,
      (await client.get('/v1/logs/search')).status,
      (await client.get('/v1/dead-letters')).status,
      (await client.get('/v1/keys')).status,
      (await client.get('/metrics')).status,
    ]
    // Reading dead letters is reading.
    if (role === 'read') assert.ok(got[2] === 200 || got[2] === 403)
    assert.deepEqual([got[0], got[1], got[3], got[4]], [wanted[0], wanted[1], wanted[3], wanted[4]], role)
  }
  assert.equal((await cluster.get('/metrics')).status, 200)
})

test('no endpoint shows a tenant anything of another', async () => {
  const [alice, bob] = [await clientOf('alice', 'admin'), await clientOf('bob', 'admin')]
  const when = new Date().toISOString()
  const record = (n: number) => ({
    n,
    timestamp: when,
    service: 'same',
    host: 'h',
    traceId: 't',
    message: `secret ${n}`,
  })
  await alice.ingest([record(1), record(2), record(3)])
  await alice.ingestText('{"secret":1\n')
  const own = await alice.found(3)
  await waitUntil(
    async () => (await alice.json('/v1/dead-letters')).deadLetters.length === 1,
    () => 'the dead letter is listed',
  )
  const range = { from: 0, to: 'now+1d' }

  const see = async () => {
    for (const path of SEARCHES) {
      const answer = await bob.get(
        path,
        path === '/v1/logs/tail' || path === '/v1/dead-letters'
          ? {}
          : { ...range, ...(path.endsWith('histogram') ? { interval: '30d' } : {}) },
      )
      assert.equal(answer.status, 200, `${path}: ${answer.text}`)
      assert.doesNotMatch(answer.text, /secret|alice|"same"/, path)
    }
    for (const { id } of own) {
      assert.equal((await bob.get(`/v1/logs/${id}`)).status, 404)
      assert.equal((await bob.get(`/v1/logs/${id}/context`)).status, 404)
    }
    assert.equal((await bob.get('/v1/traces/t')).status, 404)
    const [letter] = (await alice.json('/v1/dead-letters')).deadLetters
    assert.equal((await bob.get(`/v1/logs/${letter.id}`)).status, 404)

    // Cursors that were made for alice show bob his own records at most.
    const search = await alice.search({ ...range, limit: 1 })
    const found = await bob.get('/v1/logs/search', { limit: 10, cursor: search.nextCursor })
    const isHis = (log: Found) => log.message === 'mine'
    assert.equal(found.status, 200, found.text)
    assert.ok(found.json().logs.every(isHis) && found.json().total <= 1, found.text)
    const tail = await alice.json('/v1/logs/tail', { limit: 1 })
    const rewound = JSON.parse(Buffer.from(tail.cursor, 'base64url').toString()) as (string | number)[]
    for (let i = 1; i < rewound.length; i += 4) rewound.splice(i + 2, 2, 0, 0)
    const cursor = Buffer.from(JSON.stringify(rewound)).toString('base64url')
    assert.equal((await alice.json('/v1/logs/tail', { cursor })).logs.length, 3, 'a place before all rows shows them')
    assert.ok((await bob.json('/v1/logs/tail', { cursor })).logs.every(isHis))
    const letters = await bob.get('/v1/dead-letters', { cursor: search.nextCursor })
    assert.deepEqual(letters.json().deadLetters, [])
  }
  await see()
  // The same with records of his own beside hers.
  await bob.ingest([{ n: 9, timestamp: when, service: 'other', host: 'g', traceId: 'u', message: 'mine' }])
  await bob.found(1)
  await see()
  const context = await bob.json(`/v1/logs/${(await bob.found(1))[0]!.id}/context`)
  assert.deepEqual([context.before, context.after], [[], []])
  assert.equal((await alice.found(3)).length, 3)
})

test('a key may not name another tenant, nor a tenant that cannot be', async () => {
  const { key } = await makeKey('carol', ['admin'])
  await clientOf('carol', 'read')
  const named = (tenant: string) => shared.client({ authorization: `Bearer ${key}`, 'x-scope-orgid': tenant })
  assert.equal((await named('carol').get('/v1/logs/search')).status, 200)
  for (const tenant of ['dave', 'carol!dead', 'carol|dave', '../carol', 'carol\u00e9']) {
    const answer = await named(tenant).get('/v1/logs/search')
    assert.ok(answer.status === 403 || answer.status === 400, `${tenant}: ${answer.status}`)
  }
  const anyTenant = shared.client({ authorization: `Bearer ${ADMIN_KEY}`, 'x-scope-orgid': 'carol!dead' })
  assert.equal((await anyTenant.get('/v1/logs/search')).status, 400)
})

test("a tenant's admin makes and sees keys of that tenant only; a key is shown once", async () => {
  const erin = await clientOf('erin', 'admin')
  const made = await erin.http.post('/v1/keys', { name: 'shipper', roles: ['ingest'] })
  assert.equal(made.status, 201, made.text)
  assert.match(made.json().key, /^weir_/)
  assert.equal(made.json().tenant, 'erin')
  for (const tenant of ['frank', '*']) {
    assert.equal((await erin.http.post('/v1/keys', { name: 'x', tenant, roles: ['read'] })).status, 403)
  }
  const listed = await erin.get('/v1/keys')
  assert.ok(listed.json().keys.length >= 2)
  assert.ok(listed.json().keys.every(({ tenant }: Found) => tenant === 'erin'))
  assert.ok(!listed.text.includes(made.json().key), 'no secret is listed')
  const foreign = await makeKey('frank', ['read'])
  assert.equal((await erin.http.send(`/v1/keys/${foreign.id}`, { method: 'DELETE' })).status, 404)
  assert.equal((await erin.http.post('/v1/keys', { name: 'x', roles: ['root'] })).status, 400)

  const shipper = shared.client({ authorization: `Bearer ${made.json().key}` })
  await waitUntil(
    async () => (await shipper.ingestText('{"message":"m"}')).status === 200,
    () => 'the new key works',
  )
  assert.equal((await erin.http.send(`/v1/keys/${made.json().id}`, { method: 'DELETE' })).status, 204)
  await waitUntil(
    async () => (await shipper.ingestText('{"message":"m"}')).status === 401,
    () => 'the revoked key is refused',
  )
  assert.equal((await erin.http.send(`/v1/keys/${made.json().id}`, { method: 'DELETE' })).status, 404)
})
