import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { errorRecords, eventsOf, eventsWhen, putRule } from '../harness/alert-client.ts'
import { NodeProcess } from '../harness/node-process.ts'
import { WeirClient } from '../harness/weir-client.ts'

test('a node that is killed in the middle of a window goes on counting where it was, and fires nothing twice', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'weir-alerts-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  let node = await NodeProcess.start({ workers: 2, 'data.dir': directory })
  let client = new WeirClient(node.url)
  const again = async () => {
    client.close()
    await node.kill()
    node = await NodeProcess.start({ workers: 2, 'data.dir': directory })
    client = new WeirClient(node.url)
  }
  t.after(async () => {
    client.close()
    await node.kill()
  })
  const condition = { window: '5m', groupBy: ['host'] }
  await putRule(client, 'six', { query: 'refused', condition: { ...condition, count: '>=6' } })
  await putRule(client, 'seven', { query: 'refused', condition: { ...condition, count: '>=7' } })
  await client.ingest(errorRecords(4, { host: 'a' }))
  await again()
  await client.ingest([...errorRecords(2, { host: 'a' }), ...errorRecords(5, { host: 'b' })])
  const [event] = await eventsWhen(client, 'six', ({ length }) => length > 0)
  assert.deepEqual([event.value, event.group], [6, { host: 'a' }])
  assert.deepEqual(await eventsOf(client, 'seven'), [])
  await again()
  await client.ingest(errorRecords(1, { host: 'a' }))
  const [seven] = await eventsWhen(client, 'seven', ({ length }) => length > 0)
  assert.equal(seven.value, 7)
  assert.deepEqual(
    (await eventsOf(client, 'six')).map(({ id, state }) => [id, state]),
    [[event.id, 'firing']],
  )
  const status = await client.json('/v1/alerts/rules/six/status')
  assert.equal(status.groups[0].eventId, event.id)
})
