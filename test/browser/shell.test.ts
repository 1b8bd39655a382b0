import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { assertAccessible, PHONE, shareBrowser } from '../harness/browser.ts'
import { shareNode } from '../harness/shared-node.ts'

const { visit } = await shareBrowser()
const { node, client } = await shareNode()
const FIRST_LOAD_BYTES_MAX = 250 * 1024

test('the first load is small, whole from this origin, and quiet', async (t) => {
  await client().ingest([{ level: 'ERROR', service: 'checkout', message: 'payment gateway timeout' }])
  const { page, assertQuiet } = await visit(t, node.url)
  await page.getByText('payment gateway timeout').first().waitFor()
  const resources = (await page.evaluate(
    `performance.getEntriesByType('resource').map(({ name, encodedBodySize }) => ({ name, encodedBodySize }))`,
  )) as { name: string; encodedBodySize: number }[]
  for (const { name } of resources) assert.ok(name.startsWith(node.url), name)
  const scripts = resources.filter(({ name }) => name.endsWith('.js'))
  const gzipBytes = scripts.reduce((sum, { name }) => {
    const file = new URL(`../../web/dist${new URL(name).pathname}.gz`, import.meta.url)
    return sum + readFileSync(file).length
  }, 0)
  t.diagnostic(`first load: ${(gzipBytes / 1024).toFixed(1)} KiB of JavaScript, gzip, in ${scripts.length} files`)
  assert.ok(scripts.length > 1 && gzipBytes < FIRST_LOAD_BYTES_MAX, String(gzipBytes))
  assertQuiet()
})

test('every page of the navigation opens by a click and by its address, in both themes and on a phone', async (t) => {
  const names = readdirSync(new URL('../../web/src/pages/', import.meta.url))
  const { page, assertQuiet } = await visit(t, node.url)
  const links = await page.locator('.rail-pages a').evaluateAll((all) => all.map((link) => link.getAttribute('href')!))
  assert.ok(links.length > 0 && links.length <= names.length)
  for (const link of links) {
    await page.locator(`.rail-pages a[href="${link}"]`).click()
    await page.locator('.rail-pages a[aria-current="page"]').waitFor()
    await page.locator('main h1').first().waitFor({ state: 'attached' })
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      await assertAccessible(page)
    }
    await page.reload()
    await page.locator('main h1').first().waitFor({ state: 'attached' })
    const width = await page.evaluate('document.documentElement.scrollWidth')
    await page.setViewportSize(PHONE)
    await assertAccessible(page)
    assert.ok(Number(await page.evaluate('document.documentElement.scrollWidth')) <= PHONE.width, `${link} ${width}`)
    await page.setViewportSize({ width: 1440, height: 900 })
  }
  assertQuiet()
})

test('the theme is chosen, remembered, and is otherwise that of the system', async (t) => {
  const { page } = await visit(t, node.url, { colorScheme: 'light' })
  const shown = () => page.locator('html').getAttribute('data-theme')
  await page.getByRole('button', { name: /^Theme/ }).waitFor()
  assert.equal(await shown(), 'light')
  await page.emulateMedia({ colorScheme: 'dark' })
  await page.locator('html[data-theme=dark]').waitFor()
  await page.getByRole('button', { name: /^Theme: System/ }).click()
  assert.equal(await shown(), 'light')
  await page.reload()
  await page.getByRole('button', { name: /^Theme: Light/ }).click()
  assert.equal(await shown(), 'dark')
})
