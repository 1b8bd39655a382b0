import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errorRecords, eventsOf, eventsWhen, putRule, sendAlert } from '../harness/alert-client.ts'
import { shareNode } from '../harness/shared-node.ts'

const shared = await shareNode({ workers: 2 })

test('a burst fires once, with the lines that matched, and resolves when it is over', async () => {
  const client = shared.tenant()
  await putRule(client, 'burst', {
    query: 'refused',
    level: 'ERROR',
    condition: { count: '>5', window: '10s', allowedLateness: '1s' },
  })
  await client.ingest(errorRecords(3))
  await client.ingest(errorRecords(6, { level: 'INFO' }))
  await client.ingest(errorRecords(4))
  const [event] = await eventsWhen(client, 'burst', (events) => events.length > 0)
  assert.deepEqual(
    [event.state, event.group, event.rule.id, event.condition],
    ['firing', {}, 'burst', 'count > 5 in 10s'],
  )
  assert.ok(event.value > 5, JSON.stringify(event))
  assert.ok(event.samples.length > 0 && event.samples.length <= 5)
  for (const sample of event.samples) {
    assert.match(sample.message, /^payment \d refused$/)
    assert.deepEqual([sample.level, sample.service], ['ERROR', 'checkout'])
  }
  const status = await client.json('/v1/alerts/rules/burst/status')
  assert.deepEqual([status.revision, status.groups.length, status.groups[0].state], [1, 1, 'firing'])
  assert.equal(status.groups[0].eventId, event.id)
  const events = await eventsWhen(client, 'burst', ([first]) => first.state === 'resolved')
  assert.deepEqual([events.length, events[0].id], [1, event.id])
  assert.ok(Date.parse(events[0].resolvedAt) > Date.parse(event.firedAt))
})

test('each group fires for itself', async () => {
  const client = shared.tenant()
  await putRule(client, 'by-host', {
    query: '*',
    condition: { count: '>=3', window: '1m', groupBy: ['service', 'host'] },
  })
  await client.ingest([
    ...errorRecords(3, { host: 'a' }),
    ...errorRecords(2, { host: 'b' }),
    ...errorRecords(4, { host: 'c', service: 'cart' }),
    ...errorRecords(5, { host: undefined, service: 'web' }),
  ])
  const events = await eventsWhen(client, 'by-host', ({ length }) => length >= 3)
  assert.deepEqual(events.map(({ group, value }) => [group.service, group.host, value]).sort(), [
    ['cart', 'c', 4],
    ['checkout', 'a', 3],
    ['web', undefined, 5],
  ])
})

test('a rule that is made counts what is stored already; what another tenant has does not count', async () => {
  const client = shared.tenant()
  const other = shared.tenant()
  await client.ingest(errorRecords(4))
  await client.found(4)
  await other.ingest(errorRecords(40))
  await putRule(client, 'late', { query: 'refused', condition: { count: '>3', window: '1m' } })
  await putRule(client, 'more', { query: 'refused', condition: { count: '>4', window: '1m' } })
  const [event] = await eventsWhen(client, 'late', ({ length }) => length > 0)
  assert.equal(event.value, 4)
  await client.ingest(errorRecords(1))
  const [more] = await eventsWhen(client, 'more', ({ length }) => length > 0)
  assert.equal(more.value, 5)
  assert.deepEqual(await eventsOf(other, 'late'), [])
})

test('what does not come is noticed', async () => {
  const client = shared.tenant()
  await client.ingest(errorRecords(1, { service: 'heart' }))
  await putRule(client, 'beat', {
    query: '*',
    service: 'heart',
    condition: { absence: true, window: '10s', allowedLateness: '1s' },
  })
  const [event] = await eventsWhen(client, 'beat', ({ length }) => length > 0)
  assert.deepEqual([event.state, event.missingShards], ['firing', []])
  await client.ingest(errorRecords(1, { service: 'heart' }))
  const [resolved] = await eventsWhen(client, 'beat', ([first]) => first.state === 'resolved')
  assert.equal(resolved.id, event.id)
})

test('what is silenced is kept in the history, and names the silence; a rule that is switched off resolves what fires', async () => {
  const client = shared.tenant()
  const matchers = [{ field: 'host', value: 'a*' }]
  const silence = await sendAlert(client, 'POST', 'silences', { matchers, endsAt: 'now+1h' })
  const rule = { query: '*', condition: { count: '>2', window: '1m', groupBy: ['host'] } }
  await putRule(client, 'quiet', rule)
  await client.ingest([...errorRecords(3, { host: 'a1' }), ...errorRecords(3, { host: 'b1' })])
  const events = await eventsWhen(client, 'quiet', ({ length }) => length >= 2)
  const silencedBy = Object.fromEntries(events.map((event) => [event.group.host, event.silencedBy]))
  assert.deepEqual(silencedBy, { a1: [silence.json().id], b1: [] })
  await putRule(client, 'quiet', { ...rule, enabled: false })
  await eventsWhen(client, 'quiet', (all) => all.every(({ state }) => state === 'resolved'))
})
