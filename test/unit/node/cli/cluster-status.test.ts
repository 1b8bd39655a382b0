import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { hashKey } from '../../../../api/auth.ts'
import { clusterText } from '../../../../node/cli/cluster-text.ts'
import { runInProcess } from '../../../harness/cli-in-process.ts'
import { startTestServer } from '../../../harness/test-server.ts'

const STATUS = ['cluster', 'status', '-o', 'table']
const run = (argv: string[], env: Record<string, string> = {}) => runInProcess(argv, { env })

/** A server that is not ours. */
async function stranger(t: TestContext, status: number, body: string): Promise<string> {
  const server = createServer((_request, response) => response.writeHead(status).end(body))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('the status of a cluster is printed as tables', async (t) => {
  const { url } = await startTestServer(t)
  const { status, out } = await run([...STATUS, '--url', url])
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
  const command = [...STATUS, '--url', url]
  assert.equal((await run([...command, '--key', 'weir_all'])).status, 0)
  assert.equal((await run(command, { WEIR_KEY: 'weir_all', WEIR_AUTH_ADMIN_KEY: 'weir_other' })).status, 0)
  assert.equal((await run(command, { WEIR_AUTH_ADMIN_KEY: 'weir_all' })).status, 0)
  const without = await run(command)
  assert.equal(without.status, 5)
  assert.match(
    without.error,
    /^weir: A valid credential is required \(unauthenticated\)\n.*Give a key: WEIR_KEY, or --key-file\.\n$/s,
  )
  const wrong = await run([...command, '--key=weir_ingest'])
  assert.equal(wrong.status, 5)
  assert.match(wrong.error, /^weir: The credential does not allow this \(forbidden\)\n/)
})

test('what answers otherwise, or does not answer, is told in a line', async (t) => {
  const command = (url: string) => run([...STATUS, '--url', url])
  const told = async (url: string, status: number, text: RegExp) => {
    const end = await command(url)
    assert.equal(end.status, status)
    assert.match(end.error, text)
  }
  await told(await stranger(t, 200, '<html>'), 6, /is no node of Weir\n$/)
  await told(await stranger(t, 200, '{"name":1}'), 6, /is no node of Weir\n$/)
  await told(await stranger(t, 404, 'no such page'), 6, /is no node of Weir \(404\)\n$/)
  await told(await stranger(t, 503, '{"detail":"it starts"}'), 1, /^weir: the node answers 503\n {2}it starts\n$/)
  await told('http://127.0.0.1:1', 6, /^weir: no node answers at http:\/\/127\.0\.0\.1:1: .+\n$/)
  await told('not an address', 2, /no http or https address/)
  await told('file:///etc', 2, /no http or https address/)
})

test('its command line takes its own options and those of the connection, and nothing else', async () => {
  assert.match((await run(['cluster'])).out, /cluster status +Show/)
  for (const [argv, text] of [
    [['cluster', 'drain'], 'weir cluster drain is followed by <node>'],
    [['cluster', 'state'], 'unknown command cluster state; did you mean status?'],
    [['cluster', 'status', 'more'], 'weir cluster status takes no more'],
    [['cluster', 'status', '--url'], '--url is followed by url'],
    [['cluster', 'status', '--url', '--key', 'k'], '--url is followed by url'],
    [['cluster', 'status', '--http.port', '1'], 'weir cluster status takes no --http.port'],
    [['cluster', 'status', '-o', 'xml'], '--output is one of auto, table, json, ndjson, not xml'],
  ] as const) {
    const { status, error } = await run([...argv])
    assert.deepEqual([status, error], [2, `weir: ${text}\nTry weir --help.\n`])
  }
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
  assert.match(text, /^a\\x1b\[2J +active +- +v\\r\\n +0 s/m)
})
