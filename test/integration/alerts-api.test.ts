import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AlertEventLedger } from '../../actors/alert-keeper-events.ts'
import type { AlertEvent } from '../../actors/messages/alert.ts'
import type { TenantId } from '../../base/ids.ts'
import { ALERT_EVENTS_PER_TENANT_MAX } from '../../base/limits.ts'
import type { HttpClient } from '../harness/http-client.ts'
import { startTestServer } from '../harness/test-server.ts'

const RULE = {
  name: 'Errors',
  query: 'level:ERROR',
  condition: { count: '>10', window: '1m' },
  severity: 'P1',
  channels: [],
}

function send(client: HttpClient, method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  return client.send(`/v1/alerts/${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
}

test('a rule is made, changed under a condition and deleted, and its number goes on', async (t) => {
  const { client } = await startTestServer(t)
  const made = await send(client, 'POST', 'rules', RULE)
  assert.equal(made.status, 201, made.text)
  const { id, revision, definition } = made.json()
  assert.deepEqual([revision, definition, made.headers.etag], [1, RULE, '"1"'])
  const changed = await send(client, 'PUT', `rules/${id}`, { ...RULE, name: 'More errors' }, { 'if-match': '"1"' })
  assert.deepEqual([changed.status, changed.json().revision, changed.json().definition.name], [200, 2, 'More errors'])
  assert.equal((await send(client, 'PUT', `rules/${id}`, RULE, { 'if-match': '"1"' })).status, 409)
  assert.equal((await send(client, 'PUT', 'rules/mine', RULE, { 'if-match': '"3"' })).status, 409)
  assert.equal((await send(client, 'PUT', 'rules/mine', RULE, { 'if-match': '"0"' })).status, 201)
  const listed = (await send(client, 'GET', 'rules')).json().rules
  assert.deepEqual(listed.map((rule: { id: string }) => rule.id).sort(), ['mine', id].sort())
  assert.equal((await send(client, 'DELETE', 'rules/mine')).status, 204)
  assert.equal((await send(client, 'DELETE', 'rules/mine')).status, 404)
  assert.equal((await send(client, 'GET', 'rules/mine')).status, 404)
  assert.equal((await send(client, 'PUT', 'rules/mine', RULE)).json().revision, 2)
  assert.equal((await send(client, 'GET', 'rules/none/status')).status, 404)
  assert.equal((await send(client, 'GET', 'rules/a%20b')).status, 400)
  assert.equal((await send(client, 'POST', 'rules', { ...RULE, labels: { x: 'y'.repeat(40_000) } })).status, 413)
})

test('who may not see to alerts is refused, and another tenant finds nothing', async (t) => {
  const { clientOf } = await startTestServer(t, { authMode: 'keys' })
  const ours = await clientOf('ours', 'alert')
  const theirs = await clientOf('theirs', 'alert')
  const reader = await clientOf('ours', 'read')
  assert.equal((await send(ours, 'PUT', 'rules/r', RULE)).status, 201)
  const silence = { matchers: [{ field: 'rule', value: 'r' }], endsAt: 'now+1h' }
  const { id } = (await send(ours, 'POST', 'silences', silence)).json()
  for (const path of ['rules/r', 'rules/r/status', `silences/${id}`, 'events/none']) {
    assert.equal((await send(theirs, 'GET', path)).status, 404, path)
    assert.equal((await send(reader, 'GET', path)).status, 403, path)
  }
  assert.equal((await send(theirs, 'DELETE', 'rules/r')).status, 404)
  assert.deepEqual((await send(theirs, 'GET', 'rules')).json(), { rules: [] })
})

test('silences say when they are in force, and are refused when they can never be', async (t) => {
  const { client } = await startTestServer(t)
  const matchers = [{ field: 'service', value: 'checkout*' }]
  const now = await send(client, 'POST', 'silences', { matchers, endsAt: 'now+1h', comment: 'deploy', by: 'ana' })
  assert.equal(now.status, 201, now.text)
  assert.deepEqual([now.json().active, now.json().comment, now.json().matchers], [true, 'deploy', matchers])
  const weekly = { matchers, startsAt: 'now-8d', endsAt: 'now-7d', every: '7d' }
  const made = await send(client, 'PUT', 'silences/weekly', weekly)
  assert.deepEqual([made.status, made.json().active, made.json().every], [201, false, '604800s'])
  const later = await send(client, 'PUT', 'silences/weekly', { matchers, startsAt: 'now+1d', endsAt: 'now+2d' })
  assert.deepEqual([later.status, later.json().active, later.json().revision], [200, false, 2])
  for (const [body, parameter] of [
    [{ matchers, endsAt: 'now-1h' }, 'endsAt'],
    [{ matchers, endsAt: 'now+2h', every: '1h' }, 'every'],
    [{ matchers: [], endsAt: 'now+2h' }, 'matchers'],
    [{ matchers, endsAt: 'tomorrow' }, 'endsAt'],
    [{ matchers, endsAt: 'now+1h', until: 1 }, 'until'],
  ] as const) {
    const refused = await send(client, 'POST', 'silences', body)
    assert.deepEqual([refused.status, refused.json().parameter], [400, parameter], refused.text)
  }
  assert.equal((await send(client, 'DELETE', 'silences/weekly')).status, 204)
  assert.equal((await send(client, 'GET', 'silences')).json().silences.length, 1)
})

test('events are given newest first, page by page, and acknowledged once', async (t) => {
  const { client, backend } = await startTestServer(t)
  const ledger = new AlertEventLedger(backend.registry.connect(), async () => undefined)
  const tenant = 'default' as TenantId
  for (let i = 0; i < 5; i++) await ledger.add(tenant, event(i))
  await ledger.change(tenant, 'e1', (before) => ({ ...before, state: 'resolved', resolvedMs: 5000 }))
  const first = (await client.get('/v1/alerts/events?limit=3')).json()
  assert.deepEqual(idsOf(first), ['e4', 'e3', 'e2'])
  const second = (await client.get(`/v1/alerts/events?limit=3&cursor=${first.nextCursor}`)).json()
  assert.deepEqual([idsOf(second), second.nextCursor], [['e1', 'e0'], null])
  assert.deepEqual(idsOf((await client.get('/v1/alerts/events?state=resolved')).json()), ['e1'])
  assert.deepEqual(idsOf((await client.get('/v1/alerts/events?rule=odd')).json()), ['e3', 'e1'])
  assert.deepEqual(
    idsOf((await client.get('/v1/alerts/events?from=1970-01-01T00:00:02Z&to=1970-01-01T00:00:04Z')).json()),
    ['e3', 'e2'],
  )
  for (const bad of ['cursor=zzzz', 'state=open', 'from=then', 'limit=0']) {
    assert.equal((await client.get(`/v1/alerts/events?${bad}`)).status, 400, bad)
  }
  const acked = await send(client, 'POST', 'events/e1/ack', { by: 'ana', comment: 'on it' })
  assert.deepEqual([acked.status, acked.json().ack.by, acked.json().ack.comment], [200, 'ana', 'on it'])
  assert.equal((await send(client, 'POST', 'events/e1/ack', { by: 'bob' })).json().ack.by, 'ana')
  assert.equal((await send(client, 'GET', 'events/e1')).json().resolvedAt, '1970-01-01T00:00:05.000Z')
  assert.equal((await send(client, 'POST', 'events/none/ack', { by: 'bob' })).status, 404)
})

test('of events the newest are kept', async (t) => {
  const { backend } = await startTestServer(t)
  const ledger = new AlertEventLedger(backend.registry.connect(), async () => undefined)
  const tenant = 'default' as TenantId
  for (let i = 0; i < ALERT_EVENTS_PER_TENANT_MAX + 7; i++) await ledger.add(tenant, event(i))
  assert.equal(await ledger.prune(tenant, 0), 7)
  const { events } = await ledger.list(tenant, { limit: 10_000 })
  assert.deepEqual([events.length, events.at(-1)?.id], [ALERT_EVENTS_PER_TENANT_MAX, 'e7'])
})

function idsOf({ events }: { events: { id: string }[] }): string[] {
  return events.map(({ id }) => id)
}

function event(number: number): AlertEvent {
  return {
    id: `e${number}`,
    rule: { id: number % 2 === 1 ? 'odd' : 'even', revision: 1, name: 'n', severity: 'P1', labels: {}, query: '' },
    group: {},
    value: number,
    condition: 'count > 1',
    window: { fromMs: 0, toMs: 1000 },
    samples: [],
    links: { search: '', rule: '' },
    channels: [],
    state: 'firing',
    firedMs: number * 1000,
    resolvedMs: null,
    silencedBy: [],
    ack: null,
    missingShards: [],
  }
}
