import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Client } from '@elastic/elasticsearch'
import { pino } from 'pino'
import pinoElasticsearchModule, { type DestinationStream, type Options } from 'pino-elasticsearch'
import { hashKey } from '../../api/auth.ts'
import type { TenantId } from '../../base/ids.ts'
import { shareNode } from '../harness/shared-node.ts'
import { startTestServer } from '../harness/test-server.ts'
import type { WeirClient } from '../harness/weir-client.ts'

const shared = await shareNode({ 'compat.elasticAtRoot': true })
const RECORDS = 1000
/** Its types speak of a default export, which a module of its kind has not. */
const pinoElasticsearch = pinoElasticsearchModule as unknown as (options: Options) => DestinationStream

let tenants = 0
/** A tenant, and the header field by which it is named. */
function newTenant(): { readonly weir: WeirClient; readonly headers: Readonly<Record<string, string>> } {
  const headers = { 'x-scope-orgid': `elastic-${++tenants}` }
  return { weir: shared.client(headers), headers }
}

function elastic(t: TestContext, nodes: readonly string[], headers: Readonly<Record<string, string>>): Client {
  const client = new Client({ nodes: [...nodes], headers: { ...headers } })
  t.after(() => client.close())
  return client
}

interface Doc {
  readonly '@timestamp': string
  readonly uid: string
  readonly message: string
  readonly log: { readonly level: string }
  readonly http: { readonly status: number; readonly path: string }
}

function documents(name: string, bad: readonly number[] = []): Doc[] {
  const startMs = Date.now() - 60_000
  return Array.from({ length: RECORDS }, (_, i) => ({
    '@timestamp': bad.includes(i) ? 'never' : new Date(startMs + i).toISOString(),
    uid: `${name}-${i}`,
    message: `order ${i} of ${name} was "placed"\n\tby ü`,
    log: { level: i % 2 === 0 ? 'warn' : 'info' },
    http: { status: 200 + i, path: `/orders/${i}` },
  }))
}

async function foundInOrder(weir: WeirClient, sent: readonly Doc[]): Promise<void> {
  const found = await weir.found(sent.length)
  assert.deepEqual(
    found.map(({ uid }) => uid),
    sent.map(({ uid }) => uid),
  )
  for (const [i, record] of found.entries()) {
    const doc = sent[i]!
    assert.equal(record.message, doc.message)
    assert.equal(record.timestamp, doc['@timestamp'])
    assert.equal(record.level, doc.log.level.toUpperCase())
    assert.deepEqual(record.http, doc.http)
    assert.equal(record._index, 'logs-shop.orders-default')
    assert.equal(record.service, 'shop.orders')
  }
}

test("the official client's bulk helper sends a data stream, under /elastic and at the root", async (t) => {
  for (const node of [`${shared.node.url}/elastic`, shared.node.url]) {
    const { weir, headers } = newTenant()
    const client = elastic(t, [node], headers)
    const docs = documents('helper')
    const done = await client.helpers.bulk({
      datasource: docs,
      onDocument: () => ({ create: { _index: 'logs-shop.orders-default' } }),
      flushBytes: 20_000,
      refreshOnCompletion: true,
    })
    assert.deepEqual([done.total, done.successful, done.failed, done.retry], [RECORDS, RECORDS, 0, 0])
    await foundInOrder(weir, docs)
  }
})

test('the bulk helper drops just the documents that are refused, and says why', async (t) => {
  const { weir, headers } = newTenant()
  const bad = [3, 500, 999]
  const docs = documents('partly', bad)
  const dropped: { uid: string; status: number; type: string | undefined }[] = []
  const done = await elastic(t, [`${shared.node.url}/elastic`], headers).helpers.bulk({
    datasource: docs,
    onDocument: () => ({ create: { _index: 'logs-shop.orders-default' } }),
    onDrop: ({ status, error, document }) => {
      dropped.push({ uid: (document as Doc).uid, status, type: error?.type })
    },
  })
  assert.deepEqual([done.successful, done.failed], [RECORDS - 3, 3])
  assert.deepEqual(
    dropped,
    bad.map((i) => ({ uid: `partly-${i}`, status: 400, type: 'document_parsing_exception' })),
  )
  await foundInOrder(
    weir,
    docs.filter((_, i) => !bad.includes(i)),
  )
})

test('documents that a node sheds are sent again by the bulk helper, and only they', async (t) => {
  const { backend, url } = await startTestServer(t)
  backend.receipt = {
    accepted: RECORDS - 2,
    rejected: 2,
    errors: [],
    repeated: false,
    allRejects: { records: [10, 20], codes: ['overloaded', 'overloaded'] },
  }
  const client = elastic(t, [`${url}/elastic`], {})
  const docs = documents('shed')
  const done = await client.helpers.bulk({
    datasource: docs,
    onDocument: () => ({ create: { _index: 'logs-shop.orders-default' } }),
    wait: 10,
    retries: 1,
    onFlush: () => {
      backend.receipt = undefined
    },
  })
  assert.deepEqual([done.successful, done.failed, done.retry], [RECORDS, 0, 4])
  const again = Buffer.from(backend.ingested[1]!.body).toString()
  assert.deepEqual(
    again
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as Doc).uid),
    ['shed-10', 'shed-20'],
  )
})

test('the client goes to another node when one drains, and each document is there once', async (t) => {
  const { weir, headers } = newTenant()
  const { server, backend, url } = await startTestServer(t)
  server.drain()
  const docs = documents('drained')
  const done = await elastic(t, [`${url}/elastic`, `${shared.node.url}/elastic`], headers).helpers.bulk({
    datasource: docs,
    onDocument: () => ({ index: { _index: 'logs-shop.orders-default' } }),
    flushBytes: 30_000,
  })
  assert.deepEqual([done.successful, done.failed], [RECORDS, 0])
  assert.equal(backend.ingested.length, 0)
  await foundInOrder(weir, docs)
})

test('the client says who it is by an API key or a password, and learns when it is nobody', async (t) => {
  const { backend, url } = await startTestServer(t, { authMode: 'keys' })
  const node = `${url}/elastic`
  const record = { name: 'sender', tenant: 'acme' as TenantId, roles: ['ingest'] as const }
  await backend.keys.create(record, hashKey('weir_sender'))
  const auths = [
    { apiKey: { id: 'any', api_key: 'weir_sender' } },
    { apiKey: 'weir_sender' },
    { username: 'any', password: 'weir_sender' },
    { bearer: 'weir_sender' },
  ]
  for (const auth of auths) {
    const client = new Client({ node, auth })
    assert.equal((await client.info()).tagline, 'You Know, for Search')
    const answer = await client.bulk({ index: 'app', operations: [{ create: {} }, { message: 'hello' }] })
    assert.equal(answer.errors, false)
    assert.equal(answer.items[0]?.create?._index, 'app')
    await client.close()
  }
  const stranger = new Client({ node, auth: { apiKey: 'weir_other' } })
  t.after(() => stranger.close())
  await assert.rejects(stranger.bulk({ operations: [{ create: { _index: 'app' } }, {}] }), {
    name: 'ResponseError',
    statusCode: 401,
  })
  assert.equal(backend.ingested.length, auths.length)
})

test('what agents ask and set up before they send is answered', async (t) => {
  const { headers } = newTenant()
  const client = elastic(t, [`${shared.node.url}/elastic`], headers)
  assert.equal((await client.info()).version.number.split('.')[0], '8')
  assert.equal(await client.ping(), true)
  assert.equal((await client.license.get()).license.type, 'basic')
  assert.equal((await client.xpack.info()).features.ilm.available, true)
  assert.equal((await client.cluster.health()).status, 'green')
  assert.equal(Object.keys((await client.nodes.info({ metric: 'http' })).nodes).length, 1)
  assert.equal(await client.indices.existsIndexTemplate({ name: 'filebeat' }), true)
  assert.ok('filebeat' in (await client.ilm.getLifecycle({ name: 'filebeat' })))
  assert.equal((await client.indices.getDataStream({ name: 'filebeat' })).data_streams[0]?.name, 'filebeat')
  assert.equal((await client.ilm.putLifecycle({ name: 'p', policy: { phases: {} } })).acknowledged, true)
  const template = await client.indices.putIndexTemplate({ name: 't', index_patterns: ['t-*'] })
  assert.equal(template.acknowledged, true)
  assert.equal((await client.ingest.putPipeline({ id: 'p', processors: [] })).acknowledged, true)
})

test('pino-elasticsearch sends the lines of a logger', async () => {
  const stream = pinoElasticsearch({
    index: 'logs-shop.orders-default',
    node: `${shared.node.url}/elastic`,
    esVersion: 8,
    opType: 'create',
    flushBytes: 2000,
  })
  const dropped: unknown[] = []
  stream.on('insertError', (error) => dropped.push(error))
  const inserted = new Promise((resolve, reject) => {
    stream.on('insert', resolve)
    stream.on('error', reject)
  })
  const logger = pino({ level: 'trace', name: 'pino-shop' }, stream)
  for (let i = 0; i < 200; i++) logger.warn({ uid: `pino-${i}`, order: { id: i } }, `order ${i}`)
  stream.end()
  await inserted
  assert.deepEqual(dropped, [])
  const found = await shared.client().found(200, { query: 'name:"pino-shop"' })
  const byUid = new Map(found.map((record) => [record.uid, record]))
  for (let i = 0; i < 200; i++) {
    const record = byUid.get(`pino-${i}`)
    assert.equal(record?.message, `order ${i}`)
    assert.equal(record?.level, 'WARN')
    assert.deepEqual(record?.order, { id: i })
  }
})
