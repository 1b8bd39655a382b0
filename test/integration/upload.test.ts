import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { shareNode } from '../harness/shared-node.ts'
import { endedJob, ndjson, uploadForm } from '../harness/upload-client.ts'

const { tenant } = await shareNode()

const COUNT = 20_000

test('a file of NDJSON is answered with a job that ends with exact counts, each record once', async () => {
  const client = tenant()
  const answer = await client.http.send('/v1/logs/upload?service=batch', {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: ndjson(0, COUNT),
  })
  assert.equal(answer.status, 202, answer.text)
  const { jobId, state, bytesTotal } = answer.json()
  assert.equal(answer.headers.location, `/v1/jobs/${jobId}`)
  assert.equal(state, 'waiting')
  assert.equal(bytesTotal, ndjson(0, COUNT).length)
  const job = await endedJob(client, jobId)
  assert.deepEqual(
    [job.state, job.records, job.accepted, job.rejected, job.bytes, job.failure],
    ['done', COUNT, COUNT, 0, bytesTotal, null],
  )
  await client.found(COUNT, { query: 'service:batch', limit: 1 })
  const uids = await client.uids()
  assert.equal(new Set(uids).size, COUNT)
  assert.equal(uids.length, COUNT)
})

for (const [name, compress] of [
  ['gzip', gzipSync],
  ['zstd', zstdCompressSync],
  [
    'gzip in members',
    (bytes: Buffer) => Buffer.concat([gzipSync(bytes.subarray(0, 100_000)), gzipSync(bytes.subarray(100_000))]),
  ],
  [
    'zstd in frames',
    (bytes: Buffer) =>
      Buffer.concat([zstdCompressSync(bytes.subarray(0, 100_000)), zstdCompressSync(bytes.subarray(100_000))]),
  ],
] as const) {
  test(`files of a form, compressed with ${name}, are one job`, async () => {
    const client = tenant()
    const jobId = await uploadForm(client, [
      { name: 'a.ndjson.gz', bytes: compress(ndjson(0, COUNT)) },
      { name: 'b.ndjson', bytes: ndjson(COUNT, 100) },
    ])
    const job = await endedJob(client, jobId)
    assert.deepEqual([job.state, job.accepted, job.rejected], ['done', COUNT + 100, 0], JSON.stringify(job))
    assert.deepEqual(
      job.files.map((file: { name: string }) => file.name),
      ['a.ndjson.gz', 'b.ndjson'],
    )
    await client.found(COUNT + 100, { limit: 1 })
    assert.equal(new Set(await client.uids()).size, COUNT + 100)
  })
}
