import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errorRecords, eventsWhen, putRule, sendAlert } from '../harness/alert-client.ts'
import { shareNode } from '../harness/shared-node.ts'

const shared = await shareNode({ workers: 2 })

test('a backtest gives the firings that the live stream gave', async () => {
  const client = shared.tenant()
  const definition = { query: 'refused', condition: { count: '>=4', window: '1m', groupBy: ['host'] } }
  await putRule(client, 'live', definition)
  await client.ingest([
    ...errorRecords(3, { host: 'a' }),
    ...errorRecords(4, { host: 'b' }),
    ...errorRecords(9, { host: 'c', level: 'INFO' }),
  ])
  const events = await eventsWhen(client, 'live', ({ length }) => length >= 2)
  // Windows that have begun and not ended yet have fired, too.
  const range = { from: 'now-10m', to: 'now+1m' }
  const stored = (await sendAlert(client, 'POST', 'rules/live/backtest', range)).json()
  assert.equal(stored.coverage.complete, true)
  const groups = (all: { group: object; value: number }[]) => all.map(({ group, value }) => [group, value]).sort()
  assert.deepEqual(
    groups(stored.firings).map(([group]) => group),
    groups(events).map(([group]) => group),
  )
  const unsaved = { name: 'unsaved', severity: 'P2', channels: [], ...definition }
  const tried = (
    await sendAlert(client, 'POST', 'backtest', { ...range, definition: { ...unsaved, query: 'nothing' } })
  ).json()
  assert.deepEqual(tried.firings, [])
  const wrong = await client.http.send('/v1/alerts/backtest', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ definition: { ...unsaved, condition: { count: 'many', window: '1m' } } }),
  })
  assert.deepEqual([wrong.status, wrong.json().parameter], [400, 'condition/count'])
  const other = shared.tenant()
  const theirs = (await sendAlert(other, 'POST', 'backtest', { ...range, definition: unsaved })).json()
  assert.deepEqual(theirs.firings, [])
})
