import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { ClusterProcesses } from '../harness/cluster-processes.ts'
import { endedJob, ndjson, uploadForm } from '../harness/upload-client.ts'
import { waitUntil } from '../harness/weir-client.ts'

const COUNT = 500_000
/** UPLOAD_SILENCE_MAX_MS, and what is left of the job. */
const TAKEN_OVER_MS_MAX = 60_000

const cluster = await ClusterProcesses.start({ natsServers: 1, settings: { workers: 1, 'log.level': 'error' } })
after(() => cluster.remove())

test('another node takes over the job of a dead one: exact counts, each record once', async () => {
  const first = await cluster.startNode('n1')
  const jobId = await uploadForm(first.client, [{ name: 'a.gz', bytes: gzipSync(ndjson(0, COUNT), { level: 1 }) }])
  const found = async () => (await first.client.search({ query: '*', from: 0, limit: 1 })).total
  await waitUntil(
    async () => (await found()) > 0,
    () => 'some records are stored',
  )
  assert.equal((await first.client.json(`/v1/jobs/${jobId}`)).state, 'running')
  await cluster.killNode('n1')
  const second = await cluster.startNode('n2')
  const job = await endedJob(second.client, jobId, TAKEN_OVER_MS_MAX)
  assert.deepEqual([job.state, job.records, job.accepted, job.rejected], ['done', COUNT, COUNT, 0])
  await second.client.found(COUNT, { limit: 1 })
  const uids = await second.client.uids()
  assert.equal(uids.length, COUNT)
  assert.equal(new Set(uids).size, COUNT)
})
