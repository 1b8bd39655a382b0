import { deepEqual } from 'node:assert/strict'
import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { after, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { buildUi } from '../../web/build.ts'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const IMAGES = fileURLToPath(new URL('../../docs/images/', import.meta.url))

export const PHONE = { width: 390, height: 844 }
const DESKTOP = { width: 1440, height: 900 }
/** How long a page may take to show what a test waits for. */
export const PAGE_WAIT_MS = 20_000

export interface Visit {
  readonly page: Page
  /** Fails the test where the page wrote an error to its console, threw, or broke its Content-Security-Policy. */
  assertQuiet(): void
}

export interface TestBrowser {
  readonly browser: Browser
  /** A page at an address, in a browser profile of its own that ends with the test. */
  visit(t: TestContext, url: string, options?: BrowserContextOptions): Promise<Visit>
}

/** Chromium for all tests of a file, and the UI built. To be awaited at the top of the file. */
export async function shareBrowser(): Promise<TestBrowser> {
  await buildUi(true)
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'],
  })
  after(() => browser.close())
  return {
    browser,
    async visit(t, url, options = {}) {
      const context = await browser.newContext({ viewport: DESKTOP, colorScheme: 'dark', ...options })
      t.after(() => context.close())
      const page = await context.newPage()
      page.setDefaultTimeout(PAGE_WAIT_MS)
      const complaints: string[] = []
      page.on('console', (message) => {
        if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
      })
      page.on('pageerror', (error) => complaints.push(String(error)))
      await page.goto(url)
      return { page, assertQuiet: () => deepEqual(complaints, []) }
    },
  }
}

/** Fails where axe finds what breaks WCAG 2.2 A or AA. */
export async function assertAccessible(page: Page): Promise<void> {
  await page.evaluate(AXE)
  const violations = (await page.evaluate(`axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  }).then(({ violations }) => violations.map(({ id, help, nodes }) =>
    ({ id, help, nodes: nodes.slice(0, 5).map(({ html, failureSummary }) => html.slice(0, 300) + '\\n' + failureSummary) })))`)) as unknown[]
  deepEqual(violations, [])
}

/** Writes what the page shows to docs/images, where SCREENSHOTS=1 asks for it. */
export async function keepScreenshot(page: Page, name: string): Promise<void> {
  if (process.env.SCREENSHOTS !== '1') return
  mkdirSync(IMAGES, { recursive: true })
  await page.screenshot({ path: `${IMAGES}${name}.png`, animations: 'disabled', caret: 'hide' })
}
