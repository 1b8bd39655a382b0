import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { NodeProcess } from '../harness/node-process.ts'
import { endedJob, ndjson, uploadForm } from '../harness/upload-client.ts'
import { WeirClient, waitUntil } from '../harness/weir-client.ts'

const COUNT = 800_000
const BAD_EVERY = 1000
const KILLS = 3

const directory = mkdtempSync(join(tmpdir(), 'weir-upload-kill-'))
let node: NodeProcess | undefined
let client: WeirClient | undefined
after(async () => {
  client?.close()
  await node?.kill()
  rmSync(directory, { recursive: true, force: true })
})

async function restart(): Promise<WeirClient> {
  client?.close()
  await node?.kill()
  node = await NodeProcess.start({ 'data.dir': directory, workers: 2, 'log.level': 'error' })
  client = new WeirClient(node.url)
  return client
}

function partsOnDisk(): string[] {
  const root = join(directory, 'objects/v1/uploads')
  try {
    return readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.part'))
  } catch {
    return []
  }
}

/** Records of which every BAD_EVERY-th cannot be read. */
function file(): Buffer {
  const lines = ndjson(0, COUNT).toString().trimEnd().split('\n')
  return Buffer.from(lines.map((line, i) => (i % BAD_EVERY === 7 ? line.slice(0, -1) : line)).join('\n'))
}

test('a job whose node is killed again and again ends with exact counts, each record once', async () => {
  let at = await restart()
  const jobId = await uploadForm(at, [
    { name: 'a.gz', bytes: gzipSync(file(), { level: 1 }) },
    { name: 'b', bytes: ndjson(COUNT, 10) },
  ])
  const stored = async () => (await at.search({ query: '*', from: 0, limit: 1, total: 'exact' })).total
  let kills = 0
  for (let before = 0; kills < KILLS; kills++) {
    // biome-ignore lint/suspicious/noExplicitAny: answers have any shape
    let job: any
    let now = before
    await waitUntil(
      async () => {
        now = await stored()
        job = await at.json(`/v1/jobs/${jobId}`)
        return job.state === 'done' || (job.state === 'running' && now > before)
      },
      () => `the job goes on: ${JSON.stringify(job)}`,
    )
    if (job.state === 'done') break
    assert.equal(job.records, job.accepted + job.rejected)
    before = now
    at = await restart()
  }
  const job = await endedJob(at, jobId)
  const bad = COUNT / BAD_EVERY
  assert.deepEqual(
    [job.state, job.records, job.accepted, job.rejected, job.failure],
    ['done', COUNT + 10, COUNT + 10 - bad, bad, null],
  )
  assert.ok(kills >= 1, 'it was killed while it ran')
  const rejects = await at.json(`/v1/jobs/${jobId}/rejects`, { limit: 1000 })
  assert.deepEqual(
    rejects.rejects.map(({ file, index }: { file: number; index: number }) => [file, index]),
    Array.from({ length: bad }, (_, i) => [0, i * BAD_EVERY + 7]),
  )
  await at.found(COUNT + 10 - bad, { limit: 1 })
  const uids = await at.uids()
  assert.equal(uids.length, COUNT + 10 - bad)
  assert.equal(new Set(uids).size, uids.length)
  const letters = await at.json('/v1/dead-letters', { limit: 1000, from: 'now-1d' })
  assert.equal(letters.deadLetters.length, bad)
  await waitUntil(
    () => partsOnDisk().length === 0,
    () => 'its parts are deleted',
  )
})

test('a node that is killed while an upload comes in leaves nothing of it', async () => {
  let at = await restart()
  const jobsBefore = (await at.json('/v1/jobs')).jobs.length
  const socket = connect(node!.port, '127.0.0.1', () => {
    socket.write('POST /v1/logs/upload HTTP/1.1\r\nhost: localhost\r\ncontent-length: 900000000\r\n\r\n')
    socket.write(Buffer.alloc(9 * 1024 * 1024, 0x20))
  })
  socket.on('error', () => undefined)
  await waitUntil(
    () => partsOnDisk().length >= 2,
    () => 'parts have come in',
  )
  await node!.kill()
  at = await restart()
  await waitUntil(
    () => partsOnDisk().length === 0,
    () => `nothing is left: ${partsOnDisk()}`,
  )
  await waitUntil(
    async () => (await at.json('/v1/jobs')).jobs.length === jobsBefore,
    () => 'there is no job of it',
  )
})

test('a job that is drained away goes on at the next start', async () => {
  let at = await restart()
  const jobId = await uploadForm(at, [{ name: 'c', bytes: ndjson(2 * COUNT, COUNT / 2) }])
  await waitUntil(
    async () => (await at.json(`/v1/jobs/${jobId}`)).state === 'running',
    () => 'it runs',
  )
  assert.equal(await node!.stop(), 0)
  at = await restart()
  const job = await endedJob(at, jobId)
  assert.deepEqual([job.state, job.accepted, job.rejected], ['done', COUNT / 2, 0])
})
