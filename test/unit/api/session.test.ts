import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startTestServer } from '../../harness/test-server.ts'

test('a session is a key in a cookie that scripts and other origins cannot use', async (t) => {
  const { client, clientOf, url } = await startTestServer(t, { authMode: 'keys' })
  const reader = await clientOf('acme', 'read')
  const key = 'weir_test1'
  const json = { 'content-type': 'application/json' }
  const signIn = (body: string, headers: Record<string, string> = {}) =>
    client.send('/v1/session', { method: 'POST', headers: { ...json, ...headers }, body })
  assert.deepEqual((await client.get('/v1/session')).json().isSignedIn, false)
  assert.equal((await signIn('{"key":"weir_wrong"}')).status, 401)
  assert.equal((await signIn('{"key":"a;b c"}')).status, 401)
  assert.equal((await signIn(`{"key":"${key}"}`, { origin: 'http://evil.example' })).status, 403)
  const signedIn = await signIn(`{"key":"${key}"}`, { origin: url })
  assert.deepEqual([signedIn.status, signedIn.json().tenant, signedIn.json().roles], [200, 'acme', ['read']])
  const setCookie = String(signedIn.headers['set-cookie'])
  assert.match(setCookie, /; HttpOnly; SameSite=Strict$/)
  assert.match(setCookie, /Path=\/; Max-Age=43200/)
  const secure = await signIn(`{"key":"${key}"}`, { 'x-forwarded-proto': 'https' })
  assert.match(String(secure.headers['set-cookie']), /; Secure$/)
  const cookie = `other=1; ${setCookie.split(';')[0]}`
  const search = (headers: Record<string, string>) => client.get('/v1/logs/search', headers)
  assert.equal((await search({ cookie })).status, 200)
  assert.equal((await search({ cookie, origin: url, 'sec-fetch-site': 'same-origin' })).status, 200)
  assert.equal((await search({ cookie, origin: 'http://127.0.0.1:1' })).status, 401, 'another port is another origin')
  const proxied = { cookie, origin: 'https://logs.example', 'sec-fetch-site': 'same-origin' }
  assert.equal((await search(proxied)).status, 200, 'a proxy may put a Host of its own')
  assert.equal((await search({ ...proxied, 'sec-fetch-site': 'none' })).status, 401)
  assert.equal((await search({ cookie, 'sec-fetch-site': 'same-site' })).status, 401)
  assert.equal((await search({ cookie, 'sec-fetch-site': 'cross-site' })).status, 401)
  assert.equal(
    (await search({ cookie, authorization: 'Bearer weir_wrong' })).status,
    401,
    'a credential goes before the cookie',
  )
  assert.equal((await client.get('/v1/keys', { cookie })).status, 403, 'roles are those of the key')
  assert.equal((await reader.get('/v1/session')).json().isSignedIn, true)
  const ended = await client.send('/v1/session', { method: 'DELETE', headers: { cookie } })
  assert.equal(ended.status, 204)
  assert.match(String(ended.headers['set-cookie']), /^weir_session=; .*Max-Age=0/)
})

test('without authentication everybody is signed in', async (t) => {
  const { client } = await startTestServer(t)
  const { authMode, isSignedIn } = (await client.get('/v1/session')).json()
  assert.deepEqual([authMode, isSignedIn], ['off', true])
})
