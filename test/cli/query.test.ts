import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { CliProcess } from '../harness/cli-process.ts'
import { cliTenants } from '../harness/cli-tenant.ts'
import { shareNode } from '../harness/shared-node.ts'

const MAIN = fileURLToPath(new URL('../../node/main.ts', import.meta.url))
const shared = await shareNode()

const tenant = cliTenants(shared, 'cli')

test('records are printed as the node has them where a program reads, and as lines where a person does', async () => {
  const { client, env } = tenant()
  await client.ingestText(
    '{"service":"shop","level":"ERROR","message":"boom","n":9007199254740993,"metadata":{"userId":"u 1"}}',
  )
  await client.found(1)
  const piped = await CliProcess.run(['query', 'boom'], { env })
  deepEqual([piped.status, piped.error], [0, ''])
  match(piped.out, /^\{"id":"[^"]+",.*"message":"boom","n":9007199254740993,.*\}\n$/)
  const { status, out } = await CliProcess.runOnTty(['query', 'boom'], { env })
  equal(status, 0)
  match(
    JSON.stringify(out),
    /\\u001b\[31mERROR\\u001b\[39m .*shop.* boom .*n=9007199254740993.*metadata\.userId=\\"u 1\\"/,
  )
  match(out, /1 of 1 records/)
  const plain = await CliProcess.runOnTty(['query', 'boom'], { env: { ...env, NO_COLOR: '1' } })
  ok(!plain.out.includes('\x1b'), plain.out)
  ok((await CliProcess.run(['query', '-o', 'text', '--color=always'], { env })).out.includes('\x1b[31mERROR'))
  equal((await CliProcess.run(['query', '--raw'], { env })).out, 'boom\n')
  deepEqual(JSON.parse((await CliProcess.run(['query', '-o', 'json', '--fields', 'service'], { env })).out), [
    { service: 'shop' },
  ])
  const table = await CliProcess.runOnTty(['query', '--fields', 'service,metadata.userId'], { env })
  match(table.out, /^service +metadata\.userId\r\nshop +u 1\r\n/m)
})

test('more records than fit an answer are read page by page, each once, in order', async () => {
  const { client, env } = tenant()
  const beginMs = Date.now() - 600_000
  for (let part = 0; part < 5; part++) {
    const records = Array.from({ length: 1001 }, (_, i) => ({
      uid: part * 1001 + i,
      timestamp: beginMs + part * 1001 + i,
      message: 'x',
    }))
    await client.ingest(records)
  }
  await client.found(5005, { limit: 1 }).catch(() => undefined)
  const all = await CliProcess.run(['query', '-n', '0', '--order', 'asc'], { env })
  equal(all.status, 0, all.error)
  deepEqual(
    all.out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).uid),
    Array.from({ length: 5005 }, (_, i) => i),
  )
  equal((await CliProcess.run(['query', '-n', '4500', '--raw'], { env })).out, 'x\n'.repeat(4500))
  equal((await CliProcess.run(['query', '--since', '1ms'], { env })).out, '')
  const range = ['--from', String(beginMs + 10), '--to', String(beginMs + 20), '--fields', 'uid', '--order', 'asc']
  equal(
    (await CliProcess.run(['query', ...range], { env })).out,
    Array.from({ length: 10 }, (_, i) => `{"uid":${i + 10}}\n`).join(''),
  )
})

test('a query that counts prints a table', async () => {
  const { client, env } = tenant()
  await client.ingest([{ service: 'a' }, { service: 'bb' }, { service: 'bb' }])
  await client.found(3)
  const query = ['query', '* | stats count() as n by service | sort n desc']
  equal((await CliProcess.run(query, { env })).out, '{"service":"bb","n":2}\n{"service":"a","n":1}\n')
  equal((await CliProcess.run([...query, '-o', 'table'], { env })).out, 'service  n\nbb       2\na        1\n')
  match((await CliProcess.runOnTty(query, { env })).out, /^service {2}n\r\nbb {7}2\r\na {8}1\r\n.*2 rows, /)
})

test('records cannot steer the terminal, and a further line of one does not pass for a record', async () => {
  const { client, env } = tenant()
  const message =
    'red \x1b[31m title \x1b]0;owned\x07 csi \x9b2J bidi \u202etxt.exe tag \u{e0041} bell\x07\nERROR forged line'
  await client.ingest([{ message, service: '\x1b[2J', 'ke\u2066y': 'v\r\n' }])
  await client.found(1)
  const { out } = await CliProcess.runOnTty(['query'], { env: { ...env, NO_COLOR: '1' } })
  ok(!/[\p{Cc}\p{Cf}]/u.test(out.replaceAll('\r\n', '')), JSON.stringify(out))
  ok(
    out.includes('red \\x1b[31m title \\x1b]0;owned\\x07 csi \\x9b2J bidi \\u202etxt.exe tag \\u{e0041} bell\\x07'),
    out,
  )
  match(out, /\n {4}\| ERROR forged line /)
  match(out, /ke\\u2066y="v\\r\\n"/)
  const json = await CliProcess.runOnTty(['query', '-o', 'ndjson'], { env })
  ok(json.out.includes('csi \\u009b2J bidi \\u202etxt.exe tag \\udb40\\udc41'), json.out)
  equal(JSON.parse(json.out.split('\r\n')[0]!).message, message)
  equal((await CliProcess.run(['query', '--raw'], { env })).out, `${message}\n`)
  equal((await CliProcess.run(['query', '-o', 'text'], { env })).out.trimEnd().split('\n').length, 1)
})

test('a word of 256 KiB is cut on a terminal, and whole where a program reads', async () => {
  const { client, env } = tenant()
  await client.ingest([{ message: 'w'.repeat(256 * 1024) }])
  await client.found(1)
  const { out } = await CliProcess.runOnTty(['query'], { env })
  ok(out.length < 20_000)
  match(out, /w… \(253952 characters more\)/)
  equal((await CliProcess.run(['query', '--raw'], { env })).out.length, 256 * 1024 + 1)
})

test('an error of the query is shown where it is, with what to write instead', async () => {
  const { env } = tenant()
  const { status, out, error } = await CliProcess.run(['query', 'level:ERROR', '| stat count()'], { env })
  deepEqual([status, out], [1, ''])
  match(
    error,
    /^weir: The query does not parse \(invalid_query\)\n {2}level:ERROR \| stat count\(\)\n {16}\^{4}\n {2}There is no pipe stat .*\n {2}Did you mean stats\?/,
  )
  equal((await CliProcess.run(['query', 'level:ERROR ('], { env })).status, 1)
})

test('the exit status says what went wrong', async () => {
  const { env } = tenant()
  const status = async (...argv: string[]) => (await CliProcess.run(argv, { env })).status
  equal(await status('query', 'nothing'), 0)
  equal(await status('query', 'nothing', '--fail-empty'), 3)
  equal(await status('query', '--sinse', '1h'), 2)
  equal(await status('query', '--since', '1h', '--from', 'now-2h'), 2)
  equal(await status('query', '--limit', 'x'), 2)
  equal(await status('query', '-level:INFO'), 2)
  equal(await status('query', '--', '-level:INFO'), 0)
  equal(await status('query', '--url', 'http://127.0.0.1:1'), 6)
  equal(await status('query', '--url', 'file:///etc'), 2)
  equal(await status('query', '--key-file', '/does/not/exist'), 1)
})

test('a reader that goes away ends the command without a word', async () => {
  const { client, env } = tenant()
  const records = Array.from({ length: 2000 }, () => ({ message: 'y'.repeat(1000) }))
  await client.ingest(records)
  await client.found(2000, { limit: 1 }).catch(() => undefined)
  const line = `set -o pipefail; '${process.execPath}' '${MAIN}' query -n 0 | head -n 1 | wc -l`
  const child = spawn('bash', ['-c', line], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let [out, error] = ['', '']
  child.stdout.on('data', (chunk) => {
    out += chunk
  })
  child.stderr.on('data', (chunk) => {
    error += chunk
  })
  const [code] = await once(child, 'close')
  deepEqual([code, out.trim(), error], [0, '1', ''])
})

test('an answer that is not whole is said so, on the error stream and by the exit status', async (t) => {
  const coverage = (missing: object[]) => ({ complete: false, shards: 8, answered: 6, missing, tiers: {} })
  let body = ''
  const server = createServer((_request, response) => response.end(body))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const env = { WEIR_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
  const missing = [3, 5].map((shard) => ({ shard, reason: 'late \x1b[2J' }))
  const summary = {
    summary: true,
    total: 1,
    totalRelation: 'eq',
    nextCursor: null,
    tookMs: 1,
    coverage: coverage(missing),
  }
  body = `{"id":"1","message":"a"}\n${JSON.stringify(summary)}\n`
  const { status, out, error } = await CliProcess.run(['query'], { env })
  deepEqual([status, out], [4, '{"id":"1","message":"a"}\n'])
  equal(error, 'weir: the answer is incomplete, 6 of 8 shards answered (shards 3, 5: late \\x1b[2J)\n')
  body = '{"id":"1","message":"a"}\n'
  const cut = await CliProcess.run(['query'], { env })
  deepEqual([cut.status, cut.out], [6, ''])
})
