import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { assertAccessible, keepScreenshot, PHONE, shareBrowser } from '../harness/browser.ts'
import { shareNode } from '../harness/shared-node.ts'
import { waitUntil } from '../harness/weir-client.ts'

const { visit } = await shareBrowser()
const { node, client } = await shareNode({ demo: true })
await waitUntil(
  async () => {
    const [newest] = (await client().get('/v1/logs/search?limit=1')).json().logs
    return newest !== undefined && Date.parse(newest.timestamp) > Date.now() - 20_000
  },
  () => 'the last hour of the shop is there',
  150_000,
)

const rows = (page: Page) => page.locator('.log-row')
const total = (page: Page) => page.locator('.search-total strong')

async function query(page: Page, text: string): Promise<void> {
  await page.keyboard.press('Escape')
  await page.locator('body').press('/')
  await page.getByRole('textbox', { name: 'Query' }).fill(text)
  await page.keyboard.press('Enter')
}

test('a person finds an error burst, opens a record, filters by it, and goes to its trace', async (t) => {
  const { page, assertQuiet } = await visit(t, node.url)
  await rows(page).first().waitFor()
  await total(page).waitFor()
  await page.locator('.search-field-name').first().waitFor()
  await keepScreenshot(page, 'search')
  await query(page, 'level:ERROR')
  await page.waitForURL(/q=level%3AERROR/)
  await page.locator('.log-row.bar-error').first().waitFor()
  await rows(page).filter({ hasNotText: 'ERROR' }).first().waitFor({ state: 'detached' })
  await rows(page).nth(2).click()
  await page.locator('.record').waitFor()
  await page.waitForURL(/rec=/)
  const link = page.url()
  await page.locator('.record-field').filter({ hasText: 'traceId' }).first().waitFor()
  await keepScreenshot(page, 'record')
  await assertAccessible(page)
  const message = await page.locator('.record-message').textContent()
  await page.keyboard.press('j')
  await page.keyboard.press('k')
  assert.equal(await page.locator('.record-message').textContent(), message)
  await page.getByRole('tab', { name: 'Surrounding lines' }).click()
  await page.locator('.record .log-row.is-selected').waitFor()
  await page.getByRole('tab', { name: 'JSON' }).click()
  await page.locator('.record-json').getByText('"traceId"').waitFor()
  await page.goto(link)
  assert.equal(await page.locator('.record-message').textContent(), message, 'the link opens the same record')
  await page
    .locator('.record-field')
    .filter({ hasText: 'service' })
    .first()
    .getByRole('button', { name: /^Only service/ })
    .click()
  await page.waitForURL(/service%3A/)
  await rows(page).first().click()
  await page.locator('.record-acts a').click()
  await page.waitForURL(/\/traces\//)
  await page.locator('.trace-row').first().waitFor()
  assert.ok((await page.locator('.trace-row').count()) > 1)
  await keepScreenshot(page, 'trace')
  await assertAccessible(page)
  assertQuiet()
})

test('fields, patterns and charts tell what records have in common', async (t) => {
  const { page, assertQuiet } = await visit(t, node.url, { colorScheme: 'light' })
  await page.locator('.search-field-name').filter({ hasText: 'service' }).first().click()
  await page.getByRole('list', { name: 'Top values of service' }).getByText('checkout').waitFor()
  await page.getByRole('button', { name: 'Show host as a column' }).click()
  await page.waitForURL(/cols=service%2Chost/)
  await page.getByRole('columnheader', { name: /host/ }).waitFor()
  await keepScreenshot(page, 'search-light')
  await assertAccessible(page)
  await page.getByRole('tab', { name: 'Patterns' }).click()
  await page.locator('.pattern').first().waitFor()
  await keepScreenshot(page, 'patterns')
  await assertAccessible(page)
  await page
    .getByRole('button', { name: /^Only records like/ })
    .first()
    .click()
  await page.waitForURL(/message%3A/)
  await page.getByRole('tab', { name: 'Logs' }).click()
  await rows(page).first().waitFor()
  await query(page, '* | stats count() as n by (service, bucket(5m))')
  await page.locator('.time-chart canvas').waitFor()
  await keepScreenshot(page, 'chart')
  await assertAccessible(page)
  await query(page, '* | top 8 service')
  await page.locator('.bars tbody tr').nth(3).waitFor()
  await page.getByRole('tab', { name: 'Table' }).click()
  await page.getByRole('cell', { name: 'checkout' }).waitFor()
  await query(page, 'level:ERROR | stats count()')
  await page.locator('.big-number-value').waitFor()
  assertQuiet()
})

test('a query is completed, its error is underlined with a hint, and the chart chooses a range', async (t) => {
  const { page } = await visit(t, node.url)
  const box = page.getByRole('textbox', { name: 'Query' })
  await page.locator('.search-field-name').first().waitFor()
  await box.fill('')
  await box.pressSequentially('serv')
  await page.getByRole('option', { name: /^service/ }).waitFor()
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Tab')
  await page.getByRole('option', { name: /checkout/ }).waitFor()
  assert.equal(await box.inputValue(), 'service:')
  await box.pressSequentially('chec')
  await page.getByRole('option').first().getByText('checkout').waitFor()
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Enter')
  assert.equal(await box.inputValue(), 'service:checkout ')
  await box.pressSequentially('| sta')
  await page.getByRole('option', { name: /^stats/ }).waitFor()
  await box.fill('service:checkout | stat count()')
  await page.locator('.syntax-fault').waitFor()
  assert.match((await page.locator('.query-hint').textContent()) ?? '', /Did you mean stats/)
  assert.match((await page.locator('.syntax-fault').first().textContent()) ?? '', /stat/)
  await box.fill('service:checkout')
  await page.keyboard.press('Enter')
  await page.waitForURL(/q=service/)
  const plot = await page.locator('.histogram-plot').boundingBox()
  await page.mouse.move(plot!.x + plot!.width * 0.5, plot!.y + 30)
  await page.mouse.down()
  await page.mouse.move(plot!.x + plot!.width * 0.8, plot!.y + 30, { steps: 5 })
  await page.mouse.up()
  await page.waitForURL(/from=20/)
  await rows(page).first().waitFor()
  await page.getByRole('button', { name: /^Time range/ }).click()
  await page.getByRole('dialog').getByLabel('From').fill('yesterday')
  await page.getByRole('button', { name: 'Apply' }).click()
  await page.getByText('Write 2026-01-31').waitFor()
  await page.getByRole('button', { name: 'Last 15 minutes' }).click()
  await page.waitForURL(/from=now-15m/)
  await page.goBack()
  await page.waitForURL(/from=20/)
})

test('what is asked for is there at once, and a long list is scrolled smoothly', async (t) => {
  const { page } = await visit(t, `${node.url}/?from=now-24h`)
  await rows(page).first().waitFor()
  const openMs = (await page.evaluate('performance.now()')) as number
  const began = Date.now()
  await query(page, 'level:>=INFO')
  await page.waitForURL(/q=level/)
  await page.locator('.search-took').getByText('shown after').waitFor()
  const shown = await page.locator('.search-took').textContent()
  t.diagnostic(
    `rows ${openMs.toFixed(0)} ms after opening; a search: ${shown} (${Date.now() - began} ms with the keys)`,
  )
  const list = page.locator('.log-list')
  const countRows = async () => Number(await list.getAttribute('aria-rowcount')) - 1
  const deadline = Date.now() + 60_000
  while ((await countRows()) < 50_000 && Date.now() < deadline) {
    await list.evaluate((element) => element.scrollTo(0, element.scrollHeight))
    await page.waitForTimeout(20)
  }
  const count = await countRows()
  const frames = (await page.evaluate(`new Promise((done) => {
    const element = document.querySelector('.log-list')
    const times = []
    element.scrollTo(0, 0)
    const step = (now) => {
      times.push(now)
      element.scrollTop += 300
      if (now - times[0] < 3000) requestAnimationFrame(step)
      else done(times.slice(1).map((time, i) => time - times[i]))
    }
    requestAnimationFrame(step)
  })`)) as number[]
  const seconds = frames.reduce((sum, ms) => sum + ms, 0) / 1000
  const late = frames.filter((ms) => ms > 34).length
  t.diagnostic(`${count} rows: ${(frames.length / seconds).toFixed(1)} frames/s, ${late} of ${frames.length} late`)
  assert.ok(count >= 50_000, String(count))
  assert.ok(frames.length / seconds >= 25, 'smooth also on a busy machine')
  assert.ok((await rows(page).count()) < 150, 'only what is in sight is in the document')
})

test('a phone has all of it', async (t) => {
  const { page, assertQuiet } = await visit(t, `${node.url}/?q=level%3A%3E%3DWARN`, { viewport: PHONE })
  await rows(page).first().waitFor()
  await page.getByRole('button', { name: 'Fields' }).click()
  await assertAccessible(page)
  await keepScreenshot(page, 'phone')
  await rows(page).first().click()
  await page.locator('.record-field').first().waitFor()
  await assertAccessible(page)
  await keepScreenshot(page, 'phone-record')
  assert.ok(Number(await page.evaluate('document.documentElement.scrollWidth')) <= PHONE.width)
  assertQuiet()
})
