import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { systemClock } from '../../base/clock.ts'
import { openS3ObjectStore } from '../../storage/object-store/s3.ts'
import { NodeProcess, type NodeSettings, runNodeToEnd } from '../harness/node-process.ts'
import { S3Server, s3OptionsAt } from '../harness/s3-server.ts'
import { WeirClient } from '../harness/weir-client.ts'

const directory = mkdtempSync(join(tmpdir(), 'weir-s3-node-'))
process.once('exit', () => rmSync(directory, { recursive: true, force: true }))

let server: S3Server
before(async () => {
  server = await S3Server.start()
})
after(() => server.remove())

function s3Settings(bucket: string): NodeSettings {
  return {
    's3.endpoint': server.endpoint,
    's3.bucket': bucket,
    's3.accessKeyId': 'test',
    's3.secretAccessKey': 'test',
    's3.forcePathStyle': true,
    's3.createBucket': true,
    shards: 4,
    workers: 2,
  }
}

async function start(t: TestContext, settings: NodeSettings): Promise<{ node: NodeProcess; client: WeirClient }> {
  const node = await NodeProcess.start(settings)
  const client = new WeirClient(node.url)
  t.after(async () => {
    client.close()
    await node.kill()
  })
  return { node, client }
}

async function keysIn(bucket: string): Promise<string[]> {
  const options = { ...s3OptionsAt(server.endpoint, bucket), createBucket: false, clock: systemClock }
  const store = await openS3ObjectStore(options)
  try {
    return await Array.fromAsync(store.list(''))
  } finally {
    store.close()
  }
}

function records(from: number, count: number): Record<string, unknown>[] {
  return Array.from({ length: count }, (_, i) => ({
    message: `order ${from + i} was shipped`,
    number: from + i,
    service: `service-${i % 7}`,
  }))
}

test('what a node published to S3 is found after a kill, by a node that has nothing of it on its disk', async (t) => {
  const data = join(directory, 'killed')
  const settings = { ...s3Settings('published'), 'data.dir': data, 'cluster.name': 'shop' }
  const first = await start(t, settings)
  await first.client.ingest(records(0, 2000))
  equal(await first.node.stop(), 0, first.node.stderr)
  const keys = await keysIn('published')
  ok(
    keys.some((key) => /^shop\/v1\/\d+\/\d{4}-\d\d-\d\d\/.+\.seg$/.test(key)),
    keys.join(),
  )
  ok(!existsSync(join(data, 'objects')), 'nothing goes to objects.dir')

  const second = await start(t, settings)
  await second.client.ingest(records(2000, 500))
  await second.client.found(2500, { limit: 1 })
  await second.node.kill()
  for (const derived of ['shards', 'cache']) rmSync(join(data, derived), { recursive: true, force: true })

  const third = await start(t, settings)
  const logs = await third.client.found(2500, { limit: 2500 })
  deepEqual(new Set(logs.map(({ number }) => number)), new Set(Array.from({ length: 2500 }, (_, i) => i)))
  equal((await third.client.search({ query: '"order 1234 was shipped"', total: 'exact' })).total, 1)
  match(
    (await third.client.get('/metrics')).text,
    /weir_object_store_attempts_total\{.*operation="get".*outcome="ok".*\} [1-9]/,
  )
})

test('what is in the local cache is found while the bucket is away, also what was read before a restart', async (t) => {
  const data = join(directory, 'away')
  const settings = { ...s3Settings('away'), 'data.dir': data }
  const first = await start(t, settings)
  await first.client.ingest(records(0, 1000))
  equal(await first.node.stop(), 0, first.node.stderr)
  const { client } = await start(t, settings)
  await server.kill()
  t.after(() => server.restart())
  equal((await client.found(1000, { limit: 1000 })).length, 1000)
  const metrics = (await client.get('/metrics')).text
  match(metrics, /weir_cache_hits_total\{.*cache="objects".*\} [1-9]/)
  match(metrics, /weir_cache_bytes\{.*cache="objects".*\} [1-9]/)
})

test('a node that cannot reach its bucket ends, and says why', async () => {
  const settings = { ...s3Settings('absent'), 's3.createBucket': false, 'data.dir': join(directory, 'absent') }
  const { status, stderr } = await runNodeToEnd({ ...settings, 'http.port': 0 })
  equal(status, 1)
  match(
    stderr,
    /bucket absent at http:\/\/127\.0\.0\.1:\d+: the bucket does not exist; make it, or set s3\.createBucket/,
  )
})
