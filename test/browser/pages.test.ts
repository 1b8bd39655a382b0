import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertAccessible, keepScreenshot, shareBrowser } from '../harness/browser.ts'
import { shareNode } from '../harness/shared-node.ts'
import { waitUntil } from '../harness/weir-client.ts'

const { visit } = await shareBrowser()
const { node, client } = await shareNode()
const sender = client()

test('services: how much each logs, how much of it errors, and its newest error', async (t) => {
  const records = Array.from({ length: 200 }, (_, i) => ({
    service: i % 4 === 0 ? 'payment' : 'checkout',
    level: i % 20 === 0 ? 'ERROR' : 'INFO',
    message: i % 20 === 0 ? `card <b>declined</b> ${i}` : `order ${i} paid`,
  }))
  await sender.ingest(records)
  await sender.found(200)
  const { page, assertQuiet } = await visit(t, `${node.url}/services`)
  const row = page.getByRole('row').filter({ has: page.getByRole('link', { name: 'payment', exact: true }) })
  await row.getByText('20.00 %').waitFor()
  await row.getByRole('cell', { name: '50', exact: true }).waitFor()
  await row.getByRole('cell', { name: '10', exact: true }).waitFor()
  await row.getByText(/card <b>declined<\/b> \d+/).waitFor()
  await assertAccessible(page)
  await keepScreenshot(page, 'services')
  await row.getByRole('link', { name: 'payment', exact: true }).click()
  await page.waitForURL(/service(?:%3A|:)payment/)
  assertQuiet()
})

test('data: dead letters with their reasons are replayed, and refused again while nothing is mended', async (t) => {
  await sender.ingestText('{"message":"of the past","timestamp":"2001-01-01T00:00:00Z"}\n{"message":"fine"}\n')
  const { page, assertQuiet } = await visit(t, `${node.url}/data/dead-letters`)
  await page.getByText('timestamp_out_of_range').first().waitFor()
  await page.getByText('"of the past"').waitFor()
  await assertAccessible(page)
  await keepScreenshot(page, 'dead-letters')
  await page.getByLabel('Choose all that are shown').check()
  await page.getByRole('button', { name: 'Replay 1 chosen' }).click()
  await page.getByText('0 stored, 1 refused again').waitFor()
  assertQuiet()
})

test('data: a file is uploaded, and its job told of until it is done', async (t) => {
  const { page, assertQuiet } = await visit(t, `${node.url}/data/uploads`)
  const lines = Array.from({ length: 500 }, (_, i) => JSON.stringify({ message: `uploaded ${i}`, service: 'files' }))
  await page
    .getByLabel(/^Files/)
    .setInputFiles({ name: 'old.ndjson', mimeType: 'application/x-ndjson', buffer: Buffer.from(lines.join('\n')) })
  await page.getByRole('button', { name: 'Upload' }).click()
  const row = page.getByRole('row').filter({ hasText: 'old.ndjson' })
  await row.getByText('done').waitFor()
  await row.getByRole('cell', { name: '500', exact: true }).waitFor()
  await assertAccessible(page)
  await keepScreenshot(page, 'uploads')
  assertQuiet()
})

test('data: a pipeline is tried on a record, saved, and in force', async (t) => {
  const { page, assertQuiet } = await visit(t, `${node.url}/data/pipelines`)
  await page.getByLabel(/^Name/).fill('10-shop')
  await page.getByRole('button', { name: 'Try' }).click()
  await page.getByText('kept').waitFor()
  assert.doesNotMatch((await page.locator('.code-box').last().textContent()) ?? '', /hunter2/)
  await keepScreenshot(page, 'pipelines')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText(/^Version 1, of/).waitFor()
  await assertAccessible(page)
  await page.getByLabel('Definition').fill('{"steps":[{"type":"nonsense"}]}')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('alert').getByText('invalid_parameter').waitFor()
  // Refused requests are told of by the console too.
  assert.throws(assertQuiet)
})

test('alerts: a rule is made with a preview, shown with its state, and a silence is begun and ended', async (t) => {
  const { page, assertQuiet } = await visit(t, `${node.url}/alerts/rules/new`)
  await page.getByLabel('Name').fill('Card errors')
  await page.getByLabel('Query').fill('level:ERROR')
  await page.getByLabel('Fires when it is').fill('>5')
  await page.getByRole('img', { name: /threshold >5/ }).waitFor()
  await assertAccessible(page)
  await keepScreenshot(page, 'alert-rule')
  await page.getByRole('button', { name: 'Make the rule' }).click()
  await page.waitForURL(/\/alerts\/rules\/(?!new)/)
  await page.getByText(/^Decided by|^No node decides/).waitFor()
  await page.goto(`${node.url}/alerts/rules`)
  await page.getByRole('link', { name: 'Card errors' }).waitFor()
  await page.getByText('count > 5 in 5m').waitFor()
  await assertAccessible(page)
  await page.goto(`${node.url}/alerts/silences`)
  await page.getByLabel(/^Where/).fill('name')
  await page.getByLabel(/^is/).fill('Card*')
  await page.getByRole('button', { name: 'Silence' }).click()
  await page.getByText('name is Card*').waitFor()
  await page.getByRole('button', { name: 'End' }).click()
  await page.getByRole('button', { name: 'End it?' }).click()
  await page.getByText('Nothing is silenced').waitFor()
  assertQuiet()
})

test('alerts: an event is shown with its lines, and somebody takes note of it', async (t) => {
  const rule = {
    name: 'Bursts',
    query: 'service:burst',
    condition: { count: '>3', window: '1m' },
    severity: 'P0',
    channels: [],
  }
  const made = await sender.http.send('/v1/alerts/rules/bursts', {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(rule),
  })
  assert.ok(made.status < 300, made.text)
  await waitUntil(
    async () => {
      await sender.ingest([{ service: 'burst', level: 'ERROR', message: 'the <i>bridge</i> fell' }])
      return (await sender.get('/v1/alerts/events?rule=bursts')).json().events.length > 0
    },
    () => 'the rule has fired',
  )
  const { page, assertQuiet } = await visit(t, `${node.url}/alerts/events`)
  const event = page.getByRole('article').filter({ hasText: 'Bursts' })
  await event.getByText('the <i>bridge</i> fell').first().waitFor()
  await event.getByText('firing').waitFor()
  await page.getByLabel(/^Your name/).fill('ada')
  await event.getByRole('button', { name: 'Take note' }).click()
  await event.getByText(/ada took note/).waitFor()
  await assertAccessible(page)
  await keepScreenshot(page, 'alert-events')
  assertQuiet()
})

test('alerts: a channel is made, tried and deleted; a private target is refused', async (t) => {
  const { page } = await visit(t, `${node.url}/alerts/channels`)
  await page.getByLabel('Name').fill('ops')
  await page.getByLabel('URL').fill('http://127.0.0.1:9/hook')
  await page.getByRole('button', { name: 'Make a channel' }).click()
  await page
    .getByRole('alert')
    .getByText(/is a private address/)
    .waitFor()
  await page.getByLabel('URL').fill('https://hooks.example.invalid/alerts')
  await page.getByRole('button', { name: 'Make a channel' }).click()
  await page.getByText('ops is made.').waitFor()
  await page.getByRole('button', { name: 'Test' }).click()
  await page.getByText(/has not arrived: dns/).waitFor()
  await assertAccessible(page)
  await page.getByRole('button', { name: 'Delete' }).click()
  await page.getByRole('button', { name: 'Delete ops?' }).click()
  await page.getByText('No channel yet').waitFor()
})

test('cluster: the node, its shards and its figures', async (t) => {
  const { page, assertQuiet } = await visit(t, `${node.url}/cluster`)
  await page.getByRole('img', { name: /^32 shards/ }).waitFor()
  await page.getByText('active').waitFor()
  await page.getByText('Records stored since the start').waitFor()
  assert.equal(await page.getByRole('region', { name: 'Shards' }).getByRole('row').count(), 33)
  await assertAccessible(page)
  await keepScreenshot(page, 'cluster')
  assertQuiet()
})

test('settings: a key is made, shown once, and revoked', async (t) => {
  const { page, assertQuiet } = await visit(t, `${node.url}/settings`)
  await page.getByLabel('Name').fill('a shipper')
  await page.getByRole('button', { name: 'Make a key' }).click()
  await page.getByText('which is shown this once').waitFor()
  await page.getByRole('cell', { name: 'a shipper' }).waitFor()
  await assertAccessible(page)
  await page.getByRole('button', { name: 'Revoke' }).click()
  await page.getByRole('button', { name: 'Revoke a shipper?' }).click()
  await page.getByText('There are none.').waitFor()
  await page.reload()
  await page.getByText('There are none.').waitFor()
  assert.equal(await page.getByText('which is shown this once').count(), 0)
  assertQuiet()
})
