import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { CliProcess } from '../harness/cli-process.ts'
import { cliTenants } from '../harness/cli-tenant.ts'
import { shareNode } from '../harness/shared-node.ts'
import { waitUntil } from '../harness/weir-client.ts'

const shared = await shareNode()
const directory = mkdtempSync(join(tmpdir(), 'weir-send-'))
after(() => rmSync(directory, { recursive: true }))

const tenant = cliTenants(shared, 'send')

function file(name: string, content: string | Uint8Array): string {
  const path = join(directory, name)
  writeFileSync(path, content)
  return path
}

test('lines of standard input are messages, and records where they begin as JSON', async () => {
  const { client, env } = tenant()
  const lines = await CliProcess.run(['send', '-s', 'job'], { env, input: 'first\r\n\n{"a":1}\nlast' })
  deepEqual([lines.status, lines.out], [0, ''])
  match(lines.error, /^3 records stored, /)
  equal((await CliProcess.run(['send', '-q'], { env, input: '{"message":"record","service":"own"}\n' })).error, '')
  const forced = await CliProcess.run(['send', '--format', 'lines', '-q'], {
    env,
    input: '{"message":"text"}\nplain\n',
  })
  equal(forced.status, 0)
  const found = await client.found(6)
  const messages = found.map(({ service, message }) => [service, message]).sort()
  deepEqual(messages, [
    ['job', 'first'],
    ['job', 'last'],
    ['job', '{"a":1}'],
    ['own', 'record'],
    ['unknown', 'plain'],
    ['unknown', '{"message":"text"}'],
  ])
})

test('lines are sent as they come, while the program before still runs', async () => {
  const { client, env } = tenant()
  const cli = CliProcess.start(['send'], { env, input: '' })
  cli.type('one\n')
  await client.found(1)
  cli.type('two\nthr')
  await client.found(2)
  cli.type('ee\n')
  await client.found(3)
  cli.signal('SIGINT')
  const { status, error } = await cli.end()
  equal(status, 130)
  match(error, /^stopped: 3 records stored/)
})

test('files are sent in batches, inflated, with progress on a terminal', async () => {
  const { client, env } = tenant()
  const lines = (from: number) =>
    Array.from(
      { length: 12_000 },
      (_, i) => `${JSON.stringify({ uid: `${from + i}`, message: 'm'.repeat(200) })}\n`,
    ).join('')
  const files = [
    file('a.ndjson', lines(0)),
    file('b.ndjson.gz', gzipSync(lines(12_000))),
    file('c.ndjson.zst', zstdCompressSync(lines(24_000))),
  ]
  const { status, out } = await CliProcess.runOnTty(['send', ...files], { env })
  equal(status, 0, out)
  match(JSON.stringify(out), /\\r\\u001b\[2K\[=* *\] \d+ % {2}.* of .*B {2}[\d,]+ records/)
  match(out, /36,000 records stored/)
  await waitUntil(
    async () => (await client.uids()).length === 36_000,
    () => 'all are found',
  )
  const uids = await client.uids()
  equal(new Set(uids).size, 36_000)
})

test('records that are refused are named by file and line, and the others are stored', async () => {
  const { client, env } = tenant()
  const path = file('bad.ndjson', `{"a":1}\n\n{bad}\n{"b":2}\n${'x'.repeat(1_100_000)}\n{"c":3}\n`)
  const { status, error } = await CliProcess.run(['send', path], { env })
  equal(status, 1)
  match(error, /bad\.ndjson:3: .* \(invalid_json\)$/m)
  match(error, /bad\.ndjson:5: the line has 1100000 bytes/)
  match(error, /3 records stored, 2 rejected/)
  await client.found(3)
  const none = await CliProcess.run(['send'], { env, input: '{bad}\n' })
  equal(none.status, 1)
  match(none.error, /standard input:1: /)
})

test('what is sent twice under a name is stored once', async () => {
  const { client, env } = tenant()
  const text = Array.from({ length: 9000 }, (_, i) => `line ${i}\n`).join('')
  for (const status of [0, 0])
    equal((await CliProcess.run(['send', '--id', 'backfill'], { env, input: text })).status, status)
  await waitUntil(
    async () => (await client.search({ total: 'exact', limit: 1 })).total === 9000,
    () => '9000 are found',
  )
  equal((await CliProcess.run(['send', '-q'], { env, input: 'one more\n' })).status, 0)
  await waitUntil(
    async () => (await client.search({ total: 'exact', limit: 1 })).total === 9001,
    () => '9001 are found',
  )
})

/** Answers the first requests otherwise, the others as the node; gives what came. */
async function unwilling(t: TestContext, answers: readonly (number | 'break')[]) {
  const keys: (string | undefined)[] = []
  const server = createServer((request, response) => {
    keys.push(request.headers['idempotency-key'] as string | undefined)
    const answer = answers[keys.length - 1]
    request.resume()
    request.on('end', () => {
      if (answer === 'break') request.socket.destroy()
      else if (answer !== undefined)
        response.writeHead(answer, { 'retry-after': '0' }).end('{"code":"overloaded","title":"Busy"}')
      else
        response.writeHead(200, { 'content-type': 'application/json' }).end('{"accepted":1,"rejected":0,"errors":[]}')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return { keys, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

test('a batch is sent again under its key when the node is busy or breaks off', async (t) => {
  const { keys, url } = await unwilling(t, [429, 503, 'break'])
  const { status, error } = await CliProcess.run(['send', '--url', url], { input: 'x\n' })
  equal(status, 0, error)
  match(error, /weir: Busy; trying again\n1 record stored/)
  equal(keys.length, 4)
  equal(new Set(keys).size, 1)
  match(keys[0]!, /^[0-9a-f]{8}-[0-9a-f]{4}-7/)
})

test('retries end, and what was stored by then is told', async (t) => {
  const { url } = await unwilling(
    t,
    Array.from({ length: 1000 }, () => 503),
  )
  const { status, error } = await CliProcess.run(['send', '--url', url, '--retry-for', '300ms'], { input: 'x\n' })
  equal(status, 1)
  match(error, /stopped: 0 records stored/)
  const away = await CliProcess.run(['send', '--url', 'http://127.0.0.1:1', '--retry-for', '300ms'], { input: 'x\n' })
  equal(away.status, 6)
})

test('a file that is not there is told before anything is sent', async () => {
  const { env } = tenant()
  const { status, error } = await CliProcess.run(['send', file('there.log', 'x\n'), join(directory, 'absent')], { env })
  equal(status, 1)
  match(error, /absent cannot be read: ENOENT/)
  ok(!error.includes('stored'))
  const damaged = await CliProcess.run(['send', file('damaged.gz', 'no gzip')], { env })
  equal(damaged.status, 1)
  match(damaged.error, /damaged\.gz cannot be read: incorrect header/)
})

test('keyboard input is taken until Ctrl-D', async () => {
  const { client, env } = tenant()
  const cli = CliProcess.onTty(['send'], { env })
  await waitUntil(
    () => cli.out.includes('Ctrl-D'),
    () => 'it asks for lines',
  )
  cli.type('typed\n')
  await client.found(1)
  cli.type('\x04')
  const { status, out } = await cli.end()
  equal(status, 0, out)
  match(out, /1 record stored/)
})
