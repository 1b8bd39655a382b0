import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { startTestServer } from '../../harness/test-server.ts'

const SCRIPT = 'export const one = 1\n'.repeat(50)
const SCRIPT_PATH = '/assets/index-Bq3uyCjn.js'
const HTML = { accept: 'text/html' }

function builtFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'weir-ui-'))
  t.after(() => rmSync(folder, { recursive: true }))
  mkdirSync(join(folder, 'dist/assets'), { recursive: true })
  writeFileSync(join(folder, 'secret.js'), 'secret')
  writeFileSync(join(folder, 'dist/index.html'), '<!doctype html><title>one</title>')
  writeFileSync(join(folder, 'dist', SCRIPT_PATH), SCRIPT)
  writeFileSync(join(folder, 'dist', `${SCRIPT_PATH}.gz`), gzipSync(SCRIPT))
  writeFileSync(join(folder, 'dist/assets/notes.md'), 'not served')
  return join(folder, 'dist')
}

test('the UI is at / and at its pages for browsers; programs get facts', async (t) => {
  const { client } = await startTestServer(t, { uiFolder: builtFolder(t) })
  for (const path of ['/', '/tail', '/traces/4bf92f3577b34da6', '/alerts/rules/new?x=1', '/services']) {
    const { status, headers, text } = await client.get(path, HTML)
    assert.deepEqual([status, headers['content-type']], [200, 'text/html; charset=utf-8'], path)
    assert.match(text, /<title>one/)
    assert.equal(headers['cache-control'], 'no-cache')
    const policy = String(headers['content-security-policy'])
    assert.match(policy, /default-src 'none'.*script-src 'self'.*frame-ancestors 'none'/)
    assert.doesNotMatch(policy, /unsafe|https?:|\*/)
  }
  assert.equal((await client.get('/')).json().name, 'weir')
  assert.equal((await client.get('/no-such-page', HTML)).status, 404)
  assert.equal(
    (await client.get('/services/collector/health', HTML)).headers['content-type'],
    'application/json; charset=utf-8',
  )
})

test('files go out compressed, with a lasting name or a tag, and once', async (t) => {
  const { client } = await startTestServer(t, { uiFolder: builtFolder(t) })
  const plain = await client.get(SCRIPT_PATH)
  assert.deepEqual([plain.status, plain.text, plain.headers['content-encoding']], [200, SCRIPT, undefined])
  assert.equal(plain.headers['content-type'], 'text/javascript; charset=utf-8')
  assert.equal(plain.headers['cache-control'], 'public, max-age=31536000, immutable')
  assert.equal(plain.headers['x-content-type-options'], 'nosniff')
  const packed = await client.get(SCRIPT_PATH, { 'accept-encoding': 'br, gzip' })
  assert.deepEqual([packed.headers['content-encoding'], packed.headers.vary], ['gzip', 'accept-encoding'])
  assert.ok(Number(packed.headers['content-length']) < SCRIPT.length / 4)
  const refused = await client.get(SCRIPT_PATH, { 'accept-encoding': 'gzip;q=0' })
  assert.equal(refused.headers['content-encoding'], undefined)
  const index = await client.get('/', HTML)
  const again = await client.get('/', { ...HTML, 'if-none-match': `"other", W/${index.headers.etag}` })
  assert.deepEqual([again.status, again.text, again.headers.etag], [304, '', index.headers.etag])
})

test('nothing outside the folder, and nothing that is no part of a page, is served', async (t) => {
  const { client } = await startTestServer(t, { uiFolder: builtFolder(t) })
  const hostile = [
    '/assets/../../secret.js',
    '/assets/..%2f..%2fsecret.js',
    '/assets/%2e%2e/%2e%2e/secret.js',
    '/assets/..\\..\\secret.js',
    '/assets//etc/passwd',
    '/assets/index-Bq3uyCjn.js%00',
    '/assets/',
    '/assets/notes.md',
    `${SCRIPT_PATH}.gz`,
    '/assets/__proto__',
    '/assets/constructor',
  ]
  for (const path of hostile) {
    const { status, text } = await client.get(path, HTML)
    assert.ok(status === 404 || status === 400, `${path}: ${status}`)
    assert.doesNotMatch(text, /secret$|root:|not served/)
  }
})

test('a UI that is built again is served without a restart, and one that was not built says so', async (t) => {
  const uiFolder = builtFolder(t)
  const { client } = await startTestServer(t, { uiFolder })
  const first = await client.get('/', HTML)
  writeFileSync(join(uiFolder, 'index.html'), '<!doctype html><title>two</title>')
  utimesSync(join(uiFolder, 'index.html'), 2_000_000_000, 2_000_000_000)
  const second = await client.get('/', HTML)
  assert.match(second.text, /two/)
  assert.notEqual(second.headers.etag, first.headers.etag)
  rmSync(uiFolder, { recursive: true })
  const landing = await client.get('/', HTML)
  assert.match(landing.text, /npm run build/)
  assert.match((await client.get('/tail', HTML)).text, /npm run build/)
  assert.equal((await client.get(SCRIPT_PATH)).status, 404)
})
