import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { NodeProcess } from '../harness/node-process.ts'
import { shareNode } from '../harness/shared-node.ts'
import { type Found, type SearchParameters, WeirClient, waitUntil } from '../harness/weir-client.ts'

const shared = await shareNode()

async function letters(client: WeirClient, count: number, parameters: SearchParameters = {}): Promise<Found[]> {
  let found: Found[] = []
  await waitUntil(
    async () => {
      found = (await client.json('/v1/dead-letters', parameters)).deadLetters
      return found.length === count
    },
    () => `${count} dead letters are listed, not ${found.length}`,
  )
  return found
}

async function replay(client: WeirClient, body: object) {
  const answer = await client.http.send('/v1/dead-letters/replay', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  return { status: answer.status, ...answer.json() }
}

test('dead letters are narrowed by time, protocol, code and words of the reason', async () => {
  const client = shared.tenant()
  await client.ingestText('{"message":\n[1]\n{"timestamp":"yesterday"}')
  await client.http.send('/services/collector/event', { method: 'POST', body: '{"event":"x"}{"time":1}' })
  await letters(client, 4)
  const codes = async (parameters: SearchParameters) =>
    (await client.json('/v1/dead-letters', parameters)).deadLetters.map(({ code }: Found) => code).sort()
  assert.deepEqual(await codes({ protocol: 'hec' }), ['invalid_record'])
  assert.deepEqual(await codes({ protocol: 'http' }), ['invalid_json', 'invalid_timestamp', 'not_an_object'])
  assert.deepEqual(await codes({ code: 'not_an_object' }), ['not_an_object'])
  assert.deepEqual(await codes({ reason: 'member "event" is' }), ['invalid_record'])
  assert.deepEqual(await codes({ reason: 'event member' }), [])
  assert.deepEqual(await codes({ protocol: 'hec', code: 'not_an_object' }), [])
  assert.deepEqual(await codes({ from: 'now+1h' }), [])
  assert.deepEqual(await codes({ to: 'now-1h' }), [])
  assert.equal((await codes({ from: 'now-1h', to: 'now+1h' })).length, 4)
  assert.equal((await client.get('/v1/dead-letters', { service: 'x' })).status, 400)
})

const DAY_MS = 86_400_000
const oldMs = Date.now() - 3 * DAY_MS
const iso = new Date(oldMs).toISOString()

interface Sent {
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body: string
  /** What the record must have when it is stored in the end. */
  readonly record: Readonly<Record<string, unknown>>
}

/** One record by each protocol over HTTP, too old for a node that keeps a day; what is said of it beside it must come back too. */
const SENT: readonly Sent[] = [
  {
    path: '/v1/logs/ingest?service=by-default&host=h1&time_field=when&message_field=text',
    headers: { 'content-type': 'application/json' },
    body: `[\n{"uid":"json",\n "when":"${iso}","text":"mapped"}\n]`,
    record: { uid: 'json', service: 'by-default', host: 'h1', message: 'mapped' },
  },
  {
    path: '/elastic/_bulk',
    headers: { 'content-type': 'application/x-ndjson' },
    body: `{"create":{"_index":"logs-shop-default","_id":"17"}}\n{"@timestamp":"${iso}","uid":"elastic","message":"m"}\n`,
    record: { uid: 'elastic', service: 'shop', _id: '17', _index: 'logs-shop-default' },
  },
  {
    path: '/loki/api/v1/push',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      streams: [{ stream: { app: 'loki-app', env: 'x' }, values: [[`${oldMs}000000`, 'line', { uid: 'loki' }]] }],
    }),
    record: { uid: 'loki', service: 'loki-app', env: 'x', message: 'line' },
  },
  {
    path: '/v1/logs',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      resourceLogs: [
        {
          resource: { attributes: [{ key: 'service.name', value: { stringValue: 'otel-app' } }] },
          scopeLogs: [
            {
              scope: { name: 'scope' },
              logRecords: [
                {
                  timeUnixNano: `${oldMs}000000`,
                  body: { stringValue: 'otel' },
                  attributes: [{ key: 'uid', value: { stringValue: 'otlp' } }],
                },
              ],
            },
          ],
        },
      ],
    }),
    record: { uid: 'otlp', service: 'otel-app', scope: { name: 'scope' }, message: 'otel' },
  },
  {
    path: '/services/collector/event',
    body: `{"time":${oldMs / 1000},"host":"h2","source":"hec-app","event":{"uid":"hec","message":"e"}}`,
    record: { uid: 'hec', service: 'hec-app', host: 'h2', message: 'e' },
  },
  {
    path: '/api/v2/logs?ddsource=nginx',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify([{ uid: 'datadog', timestamp: oldMs, message: 'dd', ddtags: 'env:prod' }]),
    record: { uid: 'datadog', service: 'nginx', tags: { env: 'prod' }, message: 'dd' },
  },
  {
    path: '/journald/upload',
    headers: { 'content-type': 'application/vnd.fdo.journal' },
    body: `__REALTIME_TIMESTAMP=${oldMs}000\n_SYSTEMD_UNIT=nginx.service\nUID_=1\nuid=journald\nMESSAGE=unit\n\n`,
    record: { uid: 'journald', service: 'nginx', message: 'unit' },
  },
]

/** `["tag.app", seconds, {"uid":"forward","message":"fwd"}]` in msgpack. */
function forwardMessage(): Buffer {
  const text = (value: string) => Buffer.concat([Buffer.of(0xa0 + value.length), Buffer.from(value)])
  const time = Buffer.alloc(5, 0xce)
  time.writeUInt32BE(Math.floor(oldMs / 1000), 1)
  const event = ['uid', 'forward', 'message', 'fwd'].map(text)
  return Buffer.concat([Buffer.of(0x93), text('tag.app'), time, Buffer.of(0x82), ...event])
}

async function sendTo(port: number, bytes: Buffer): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.end(bytes)
  await once(socket.resume(), 'close')
}

test('a record of each protocol that was refused is stored once by its replay, whole, also across a crash', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'weir-letters-'))
  const sockets = { 'syslog.port': 0, 'forward.port': 0 }
  let node = await NodeProcess.start({ 'data.dir': dir, 'retention.days': 1, workers: 2, ...sockets })
  let client = new WeirClient(node.url)
  t.after(async () => {
    client.close()
    await node.kill()
    rmSync(dir, { recursive: true, force: true })
  })
  for (const { path, headers, body } of SENT) {
    const answer = await client.http.send(path, { method: 'POST', headers: headers ?? {}, body })
    assert.ok(answer.status < 500, answer.text)
  }
  await sendTo(node.ports.syslog, Buffer.from(`<11>1 ${iso} h3 sys-app - - [d@1 uid="syslog"] by syslog\n`))
  await sendTo(node.ports.forward, forwardMessage())
  const count = SENT.length + 2
  const before = await letters(client, count)
  assert.equal(new Set(before.map(({ protocol }) => protocol)).size, count)
  for (const { code, line, form } of before)
    assert.deepEqual([code, line, form], ['timestamp_out_of_range', undefined, undefined])

  // Nothing has changed: each is refused again, and stays as it is.
  const refused = await replay(client, {})
  assert.deepEqual([refused.status, refused.replayed, refused.failed], [200, 0, count])
  for (const { code } of refused.failures) assert.equal(code, 'timestamp_out_of_range')
  assert.deepEqual(
    (await letters(client, count)).map(({ id }) => id),
    before.map(({ id }) => id),
  )

  client.close()
  await node.kill()
  node = await NodeProcess.start({ 'data.dir': dir, 'retention.days': 30, workers: 2, ...sockets })
  client = new WeirClient(node.url)
  await letters(client, count)
  const twice = await Promise.all([replay(client, {}), replay(client, {})])
  // What the one has replayed may have left the list before the other looks.
  for (const answer of twice) assert.deepEqual([answer.status, answer.failed], [200, 0])
  assert.ok(twice.reduce((sum, { replayed }) => sum + replayed, 0) >= count)
  assert.deepEqual((await replay(client, { ids: before.slice(0, 3).map(({ id }) => id) })).failed, 0)
  const found = await client.found(count)
  for (const { record } of SENT) {
    const stored = found.find(({ uid }) => uid === record.uid)
    assert.ok(stored !== undefined, `${record.uid} is found`)
    assert.deepEqual(Object.fromEntries(Object.keys(record).map((name) => [name, stored[name]])), record)
  }
  for (const { timestamp } of found) assert.equal(Math.floor(Date.parse(timestamp) / 1000), Math.floor(oldMs / 1000))
  assert.equal(found.find(({ service }) => service === 'sys-app')?.structuredData['d@1'].uid, 'syslog')
  assert.equal(found.find(({ uid }) => uid === 'forward')?.service, 'tag.app')

  client.close()
  await node.kill()
  node = await NodeProcess.start({ 'data.dir': dir, 'retention.days': 30, workers: 2, ...sockets })
  client = new WeirClient(node.url)
  await client.found(count)
  await letters(client, 0)
  const again = await replay(client, { ids: before.map(({ id }) => id) })
  assert.deepEqual([again.replayed, again.failed], [0, 0])
  await client.ingest([{ message: 'marker' }])
  await client.found(count + 1)
})

test('what cannot be stored stays, page by page, and is named', async () => {
  const client = shared.tenant()
  await client.ingestText(Array.from({ length: 150 }, (_, n) => `{"n":${n}`).join('\n'))
  await client.http.send('/services/collector/event', { method: 'POST', body: '{"time":1}' })
  const stream = { stream: { app: 'a' }, values: [['soon', 'x']] }
  await client.http.post('/loki/api/v1/push', { streams: [stream] })
  await client.ingestText(`{"message":"${'x'.repeat(300 * 1024)}"}`)
  const all = await letters(client, 153, { limit: 1000 })
  const pages: number[] = []
  let failures: Found[] = []
  let cursor: string | null = null
  do {
    const page: Found = await replay(client, cursor === null ? { limit: 70 } : { limit: 70, cursor })
    assert.equal(page.replayed, 0)
    pages.push(page.failed)
    failures = [...failures, ...page.failures]
    cursor = page.nextCursor
  } while (cursor !== null)
  assert.deepEqual(pages, [70, 70, 13])
  assert.deepEqual(
    failures.map(({ id }) => id),
    all.map(({ id }) => id),
  )
  const counts = new Map<string, number>()
  for (const { code } of failures) counts.set(code, (counts.get(code) ?? 0) + 1)
  assert.deepEqual([...counts].sort(), [
    ['invalid_json', 150],
    ['invalid_record', 1],
    ['not_replayable', 2],
  ])
  assert.equal(all.find(({ code }) => code === 'value_too_large')?.size, 300 * 1024 + 14)
  await letters(client, 153, { limit: 1000 })
})

test('a replay of what is not there, or not meant, is refused', async () => {
  const client = shared.tenant()
  await client.ingestText('[1]')
  const [letter] = await letters(client, 1)
  for (const body of [{ ids: [] }, { ids: [letter?.id, letter?.id] }, { ids: [letter?.id], code: 'x' }, { odd: 1 }]) {
    assert.equal((await replay(client, body)).status, 400, JSON.stringify(body))
  }
  assert.equal((await replay(client, { ids: ['0'.repeat(42)] })).status, 404)
  assert.equal((await replay(shared.tenant(), { ids: [letter?.id] })).status, 404, "letters are their tenant's")
  assert.equal((await replay(client, { code: 'invalid_json' })).failed, 0)
})
