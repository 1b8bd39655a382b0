import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { hashKey } from '../../../../api/auth.ts'
import { systemClock } from '../../../../base/clock.ts'
import { clusterText } from '../../../../node/cli/cluster-status.ts'
import { parseCommandLine } from '../../../../node/cli/command-line.ts'
import { runCli } from '../../../../node/cli/run.ts'
import { startTestServer } from '../../../harness/test-server.ts'

async function run(argv: string[], env: Record<string, string> = {}) {
  let [out, error] = ['', '']
  const status = await runCli({
    argv,
    env,
    cwd: '/',
    version: '1.2.3',
    clock: systemClock,
    writeOut: (text) => {
      out += text
    },
    writeError: (text) => {
      error += text
    },
    restore: async () => 'restored\n',
    start: () => assert.fail('no node is to start'),
  })
  return { status, out, error }
}

/** A server that is not ours. */
async function stranger(t: TestContext, status: number, body: string): Promise<string> {
  const server = createServer((_request, response) => response.writeHead(status).end(body))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('the status of a cluster is printed as tables', async (t) => {
  const { url } = await startTestServer(t)
  const { status, out } = await run(['cluster', 'status', '--url', url])
  assert.equal(status, 0)
  const lines = out.split('\n').map((line) => line.replace(/ {2,}/g, ' | '))
  assert.equal(lines[0], 'cluster test: 2 nodes, 3 shards, as n1 sees it')
  assert.match(lines[2]!, /^NODE \| STATE \| URL \| VERSION \| UP \| SHARDS \| STANDBYS \| RECORDS\/S \| MB\/S \| CPU$/)
  assert.match(
    lines[3]!,
    /^n1 \| active, stuck: worker-1 \| http:\/\/127\.0\.0\.1:9347 \| 1\.2\.3 \| \d+ d \| 1 \| 1 \| 1,235 \| 2\.5 \| 0\.50$/,
  )
  assert.match(lines[4]!, /^node two \| silent \| - \| - \| - \| 1 \| 0 \| 0 \| 0\.0 \| 0\.00$/)
  assert.deepEqual(lines.slice(6), [
    'SHARD | OWNER | STANDBY | EPOCH | LAG | FLOOR',
    ' | 0 | n1 | - | 4 | 12 records, 1.5 s | 1/99',
    ' | 1 | node two | n1 | 2 | - | 1/5',
    ' | 2 | - | - | 0 | - | -',
    '',
    'MOVING | FROM | TO | STATE | LAG',
    ' | 1 | node two | n1 | catching up | 40,000 records, 2.5 s',
    ' | 2 | - | n1 | planned | -',
    '',
  ])
})

test('a key is given as a flag or in the environment, and its refusal is told', async (t) => {
  const { url, backend } = await startTestServer(t, { authMode: 'keys' })
  await backend.keys.create({ name: 'all', tenant: '*', roles: ['read'] }, hashKey('weir_all'))
  await backend.keys.create({ name: 'one', tenant: '*', roles: ['ingest'] }, hashKey('weir_ingest'))
  const command = ['cluster', 'status', '--url', url]
  assert.equal((await run([...command, '--key', 'weir_all'])).status, 0)
  assert.equal((await run(command, { WEIR_AUTH_ADMIN_KEY: 'weir_all' })).status, 0)
  const without = await run(command)
  assert.equal(without.status, 1)
  assert.match(without.error, /^weir: the node at http:\S+ wants a key: give --key \(unauthenticated\)\n$/)
  assert.match((await run([...command, '--key=weir_ingest'])).error, /may not read the whole cluster/)
})

test('what answers otherwise, or does not answer, is told in a line', async (t) => {
  const command = (url: string) => run(['cluster', 'status', '--url', url])
  assert.match((await command(await stranger(t, 200, '<html>'))).error, /is no node of Weir \(200\)/)
  assert.match((await command(await stranger(t, 200, '{"name":1}'))).error, /answers 200/)
  assert.match((await command(await stranger(t, 503, '{"detail":"it starts"}'))).error, /answers 503: it starts/)
  assert.match((await command('http://127.0.0.1:1')).error, /^weir: no node answers at http:\/\/127\.0\.0\.1:1: .+\n$/)
  assert.match((await command('not an address')).error, /no http or https address/)
  assert.match((await command('file:///etc')).error, /no http or https address/)
})

test('its command line takes an address and a key, and nothing else', () => {
  assert.deepEqual(parseCommandLine(['cluster', 'status']), { command: 'clusterStatus' })
  assert.deepEqual(parseCommandLine(['--url=http://a', 'cluster', 'status', '--key', 'k']), {
    command: 'clusterStatus',
    url: 'http://a',
    key: 'k',
  })
  for (const argv of [
    ['cluster'],
    ['cluster', 'drain'],
    ['cluster', 'status', 'more'],
    ['cluster', 'status', '--url'],
  ]) {
    assert.equal(parseCommandLine(argv).command, 'mistake', argv.join(' '))
  }
  assert.deepEqual(parseCommandLine(['cluster', 'status', '--http.port', '1']), {
    command: 'mistake',
    message: 'weir cluster status takes --url and --key, not --http.port',
  })
})

test('text of other nodes does not steer the terminal', () => {
  const text = clusterText(
    {
      name: 'c',
      nodeId: 'a',
      settled: false,
      nodes: [
        {
          id: 'a\u001b[2J',
          state: 'active',
          url: null,
          version: 'v\r\n',
          startedAt: '2100-01-01T00:00:00Z',
          workers: 1,
          shards: 0,
          standbys: 0,
          load: { recordsPerSecond: 0, bytesPerSecond: 0, cpuCores: 0 },
          natsServer: null,
          stuck: [],
        },
      ],
      shards: [],
      moves: [],
    },
    0,
  )
  assert.match(text, /just started/)
  assert.match(text, /^a\?\[2J +active +- +v\?\? +0 s/m)
})
