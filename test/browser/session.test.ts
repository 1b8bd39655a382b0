import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertAccessible, shareBrowser } from '../harness/browser.ts'
import { shareNode } from '../harness/shared-node.ts'

const KEY = `weir_${'k'.repeat(43)}`
const { visit } = await shareBrowser()
const { node, client } = await shareNode({ 'auth.mode': 'keys', 'auth.adminKey': KEY })

test('where keys are asked for, a person signs in with one, stays signed in, and signs out', async (t) => {
  await client({ authorization: `Bearer ${KEY}` }).ingest([{ message: 'behind the door' }])
  const { page, assertQuiet } = await visit(t, node.url)
  await page.getByLabel('API key').waitFor()
  await assertAccessible(page)
  assertQuiet()
  await page.getByLabel('API key').fill('weir_wrong')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByText('not a valid key').waitFor()
  await page.getByLabel('API key').fill(KEY)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.locator('.log-row').getByText('behind the door').waitFor()
  assert.equal(await page.evaluate('document.cookie'), '', 'scripts cannot read it')
  await page.reload()
  await page.locator('.log-row').getByText('behind the door').waitFor()
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByLabel('API key').waitFor()
})
