import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertAccessible, shareBrowser } from '../harness/browser.ts'
import { shareNode } from '../harness/shared-node.ts'

const { visit } = await shareBrowser()
const { node, client } = await shareNode()

const MARKUP = `<script>window.hacked=1</script><img src=x onerror="window.hacked=1"></textarea><svg/onload=alert(1)>`
const TERMINAL = '\u001b[31mred\u001b[0m \u001b]8;;javascript:alert(1)\u0007link\u001b]8;;\u0007 \u001b[2J\u0007bell'
const BIDI = 'safe\u202egpj.exe\u2066 \u200bzero'

test('what logs hold is text: markup, terminals, directions, the longest values; the page stays responsive', async (t) => {
  const word = 'x'.repeat(250 * 1024)
  const fields = Object.fromEntries(Array.from({ length: 250 }, (_, i) => [`field${i}`, `<b>${i}</b>`]))
  await client().ingest([
    { level: 'ERROR', service: '<b>bold</b>', message: MARKUP, '<i>key</i>': '=1+1', constructor: 'c' },
    { level: 'WARN', service: 'terminal', message: TERMINAL },
    { level: 'INFO', service: 'bidi', message: BIDI },
    { level: 'INFO', service: 'long', message: word },
    { level: 'DEBUG', service: 'wide', message: 'many fields', ...fields },
  ])
  await client().found(5)
  const { page, assertQuiet } = await visit(t, node.url)
  const row = (text: string) => page.locator('.log-row').filter({ hasText: text }).first()
  await row('window.hacked').waitFor()
  assert.equal(await page.locator('.log-row .ansi-31').textContent(), 'red')
  assert.match((await row('terminal').textContent()) ?? '', /red link .*bell/)
  assert.match((await row('bidi').textContent()) ?? '', /safeU\+202Egpj\.exeU\+2066/)
  for (const [name, open] of [
    ['window.hacked', '=1+1'],
    ['long', 'Show all'],
    ['many fields', 'field249'],
  ] as const) {
    const began = Date.now()
    await row(name).click()
    await page.locator('.record').getByText(open).first().waitFor()
    t.diagnostic(`${name} is open after ${Date.now() - began} ms`)
    assert.ok(Date.now() - began < 3000)
  }
  await row('long').click()
  await page.getByRole('button', { name: 'Show all' }).click()
  await page.locator('.record-json, .record-message').first().waitFor()
  await row('window.hacked').click()
  await page.locator('.record').getByText('=1+1').waitFor()
  await assertAccessible(page)
  await page.getByRole('button', { name: 'Wrap lines' }).click()
  await page.locator('.log-list.is-wrapped').waitFor()
  await page.getByRole('tab', { name: 'Patterns' }).click()
  await page.locator('.pattern').first().waitFor()
  assert.equal(await page.evaluate('window.hacked'), undefined)
  assert.equal(await page.locator('main script, main img, main b, main i').count(), 0)
  assertQuiet()
})

test('a node without a record says how to send the first, and shows it when it arrives', async (t) => {
  const empty = await visit(t, `${node.url}/?q=service%3Anone`)
  await empty.page.getByText('No record matches').waitFor()
  const { page, assertQuiet } = await visit(t, `${node.url}/`, { extraHTTPHeaders: { 'x-scope-orgid': 'newcomer' } })
  await page.getByText('Send the first line').waitFor()
  for (const name of ['curl', 'Fluent Bit', 'Vector', 'OpenTelemetry Collector', 'Filebeat', 'rsyslog', 'Docker']) {
    await page.getByRole('tab', { name }).click()
  }
  await page.getByRole('tab', { name: 'curl' }).click()
  assert.match((await page.locator('.first-start pre').textContent()) ?? '', new RegExp(`127\\.0\\.0\\.1:${node.port}`))
  await assertAccessible(page)
  await client({ 'x-scope-orgid': 'newcomer' }).ingest([{ message: 'my first line' }])
  await page.locator('.log-row').getByText('my first line').waitFor()
  assertQuiet()
})
