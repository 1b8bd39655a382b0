import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertAccessible, keepScreenshot, shareBrowser } from '../harness/browser.ts'
import { shareNode } from '../harness/shared-node.ts'

const { visit } = await shareBrowser()
const { node, client } = await shareNode()

test('records show as they come, once each; pause keeps them aside', async (t) => {
  const sender = client()
  const send = (from: number, count: number, level = 'INFO') =>
    sender.ingest(
      Array.from({ length: count }, (_, i) => ({ level, service: 'tailed', message: `line ${from + i} of the tail` })),
    )
  await send(0, 3)
  const { page, assertQuiet } = await visit(t, `${node.url}/tail`)
  const rows = page.locator('.log-row')
  await page.locator('.tail-live').waitFor()
  await rows.getByText('line 2 of the tail').waitFor()
  for (let i = 0; i < 10; i++) await send(3 + i * 50, 50)
  await rows.getByText('line 502 of the tail').waitFor()
  assert.equal(Number(await page.locator('.log-list').getAttribute('aria-rowcount')), 504)
  await assertAccessible(page)
  await keepScreenshot(page, 'tail')
  await page.getByRole('button', { name: 'Pause' }).click()
  await send(503, 20)
  await page.getByText('20 came while paused').waitFor()
  assert.equal(await rows.getByText('line 522 of the tail').count(), 0)
  await page.getByRole('button', { name: 'Resume' }).click()
  await rows.getByText('line 522 of the tail').waitFor()
  await page.getByRole('textbox', { name: 'Query' }).fill('level:ERROR')
  await page.keyboard.press('Enter')
  await page.waitForURL(/q=level/)
  await page.locator('.tail-live').waitFor()
  await send(600, 1)
  await send(601, 1, 'ERROR')
  await rows.getByText('line 601 of the tail').waitFor()
  assert.equal(await rows.count(), 1)
  assertQuiet()
})
