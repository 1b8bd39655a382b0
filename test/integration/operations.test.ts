import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { NodeProcess, type NodeSettings, runNodeToEnd } from '../harness/node-process.ts'
import { WeirClient, waitUntil } from '../harness/weir-client.ts'

const directory = mkdtempSync(join(tmpdir(), 'weir-operations-'))
process.once('exit', () => rmSync(directory, { recursive: true, force: true }))

/** A node and a client of it, both gone when the test ends. */
async function start(t: TestContext, settings: NodeSettings): Promise<{ node: NodeProcess; client: WeirClient }> {
  const node = await NodeProcess.start({ workers: 2, ...settings })
  const client = new WeirClient(node.url)
  t.after(async () => {
    client.close()
    await node.kill()
  })
  return { node, client }
}

test('a node without authentication keeps to loopback, and wrong settings are told (X2)', async () => {
  const refused: [Record<string, string | number>, RegExp][] = [
    [{ 'http.host': '0.0.0.0' }, /auth\.mode/],
    [{ 'http.host': '::' }, /auth\.mode/],
    [{ 'http.port': 70_000 }, /http\.port/],
    [{ 'htpp.port': 1 }, /http\.port/],
    [{ 'auth.mode': 'sometimes' }, /auth\.mode/],
    [{ 'limits.inFlightBytes': 1 }, /limits\.inFlightBytes/],
  ]
  const ended = await Promise.all(
    refused.map(([settings]) => runNodeToEnd({ 'data.dir': join(directory, 'refused'), 'http.port': 0, ...settings })),
  )
  for (const [i, { status, stdout, stderr }] of ended.entries()) {
    assert.ok(status === 78 || status === 64, `${JSON.stringify(refused[i]![0])} ended with ${status}`)
    assert.match(stderr, refused[i]![1])
    assert.equal(stdout, '', 'no ready line')
  }
})

test('a node tells that it is well, what it does and how much', async (t) => {
  const { client } = await start(t, {})
  assert.deepEqual((await client.get('/healthz')).json(), { status: 'alive' })
  assert.deepEqual((await client.get('/readyz')).json(), { status: 'ready', reasons: [] })
  await client.ingest([{ message: 'one' }, { message: 'two' }])
  await client.found(2)
  const metrics = await client.get('/metrics')
  assert.match(metrics.headers['content-type']!, /text\/plain/)
  const lines = metrics.text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  assert.ok(lines.length > 30)
  for (const line of lines) assert.match(line, /^(?:weir|process|nodejs)_\w+(\{[^}]*\})? -?[0-9.eE+Inf-]+$/, line)
  const taken = lines.filter((line) => /^weir_ingest_records_accepted_total\{/.test(line))
  assert.equal(
    taken.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0),
    2,
    taken.join(),
  )
  assert.equal((await client.get('/nothing')).status, 404)
  assert.equal((await client.http.send('/v1/logs/search', { method: 'DELETE' })).status, 405)
  const openApi = (await client.get('/openapi.json')).json()
  assert.equal(openApi.openapi, '3.1.0')
})

test('a drain answers what is in progress, loses nothing and ends in time', async (t) => {
  const data = join(directory, 'drain')
  const { node, client } = await start(t, { 'data.dir': data })
  let taken = 0
  let refused = 0
  let isStopped = false
  const send = async () => {
    for (;;) {
      try {
        const answer = await client.ingestText(`{"message":"drained"}\n{"message":"drained","service":"b"}`)
        if (answer.status === 200) taken += 2
        else {
          assert.equal(answer.status, 503, answer.text)
          assert.ok(Number(answer.headers['retry-after']) > 0)
          refused++
          return
        }
      } catch (error) {
        // Connections are refused once the node does not listen any more; before the stop that would be wrong.
        assert.ok(isStopped, String(error))
        return
      }
    }
  }
  const senders = Array.from({ length: 8 }, send)
  await waitUntil(
    () => taken > 400,
    () => 'records are taken',
  )
  isStopped = true
  const startedMs = performance.now()
  const status = await node.stop()
  assert.equal(status, 0, node.stderr)
  assert.ok(performance.now() - startedMs < 10_000)
  await Promise.all(senders)
  const again = await start(t, { 'data.dir': data })
  // What was taken is there; a request cut off with its connection may be there too.
  const { total } = await again.client.search({ query: 'drained', limit: 1, total: 'exact' })
  assert.ok(total >= taken && total <= taken + 2 * 8, `${taken} were taken and ${total} are there; ${refused} refused`)
})

test('a second node on the same data is refused', async (t) => {
  const data = join(directory, 'locked')
  await start(t, { 'data.dir': data })
  const second = await runNodeToEnd({ 'data.dir': data, 'http.port': 0 })
  assert.notEqual(second.status, 0)
  assert.match(second.stderr, /another node|in use|locked/i)
})

test('a kill loses nothing that was acknowledged', async (t) => {
  const data = join(directory, 'killed')
  const { node, client } = await start(t, { 'data.dir': data })
  let taken = 0
  const send = async (sender: number) => {
    for (let i = 0; ; i++) {
      const key = `${sender}-${i}`
      const body = Array.from({ length: 30 }, (_, n) => `{"n":${n},"key":"${key}","service":"s${n % 5}"}`).join('\n')
      try {
        const answer = await client.ingestText(body, { 'idempotency-key': key })
        if (answer.status !== 200) return
        taken++
      } catch {
        return
      }
    }
  }
  const senders = Array.from({ length: 6 }, (_, sender) => send(sender))
  await waitUntil(
    () => taken > 100,
    () => 'requests are taken',
  )
  await node.kill()
  await Promise.all(senders)
  const again = await start(t, { 'data.dir': data })
  const { rows } = await again.client.search({ query: '* | stats count() by key', limit: 10_000 })
  for (const { key, count } of rows) assert.equal(count, 30, `${key} is whole and there once`)
  assert.ok(rows.length >= taken && rows.length <= taken + 6, `${taken} were taken and ${rows.length} are there`)
})
