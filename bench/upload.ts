import { request } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'
import { NodeProcess } from '../test/harness/node-process.ts'
import { Client } from './client.ts'
import { Dataset } from './dataset.ts'
import { postAll } from './ingest.ts'
import { type Row, table } from './measure.ts'

/**
 * `node bench/upload.ts --mib 2048`: an upload of so much gzip, beside the same records posted over HTTP as gzip: records a second from the start of the job to its end,
 * and resident memory meanwhile. Takes minutes.
 */
const { values: options } = parseArgs({
  options: { mib: { type: 'string', default: '2048' }, posted: { type: 'string', default: '3000000' } },
})

const MIB = 1024 * 1024
const RECORDS_PER_BODY = 3000
const POOL_BODIES = 40
const SAMPLE_MS = 250
const SETTINGS = { workers: 2, 'log.level': 'error' }

interface Job {
  readonly state: string
  readonly records: number
  readonly accepted: number
  readonly rejected: number
  readonly startedAt: string
  readonly endedAt: string
}

const dataset = new Dataset({ startMs: Date.now() - 3_600_000, perMs: 10 })
const plain = Array.from({ length: POOL_BODIES }, () => Buffer.from(dataset.lines(RECORDS_PER_BODY)))
const packed = plain.map((body) => gzipSync(body, { level: 6 }))
const ratio = plain.reduce((sum, { length }) => sum + length, 0) / packed.reduce((sum, { length }) => sum + length, 0)

const posted = await measurePosted(Number(options.posted))
const uploaded = await measureUpload(Number(options.mib) * MIB)
const rows: Row[] = [
  { name: 'posted over HTTP, gzip', value: posted.perSecond, unit: 'records/s' },
  {
    name: `upload job of ${uploaded.records} records`,
    value: uploaded.perSecond,
    unit: 'records/s',
    budget: 0.8 * posted.perSecond,
    atLeast: true,
    budgetText: '80 % of HTTP',
  },
  { name: 'taken in', value: uploaded.intakeMibPerSecond, unit: 'MiB/s' },
  { name: 'highest memory, HTTP', value: posted.peak / MIB, unit: 'MiB' },
  { name: 'highest memory, upload', value: uploaded.peak / MIB, unit: 'MiB' },
]
console.log(table(rows))
console.log(`inflates ${ratio.toFixed(1)} times; memory while the job ran, MiB: ${uploaded.memory.join(' ')}`)

async function measurePosted(records: number) {
  const node = await NodeProcess.start(SETTINGS)
  const client = new Client(node.url, 8)
  const bodies = Array.from({ length: Math.ceil(records / RECORDS_PER_BODY) }, (_, i) => packed[i % POOL_BODIES]!)
  const result = await postAll(client, bodies, {
    path: '/v1/logs/ingest',
    headers: { 'content-type': 'application/x-ndjson', 'content-encoding': 'gzip' },
    accepted: (answer) => (JSON.parse(answer.toString()) as { accepted: number }).accepted,
  })
  const { peak } = node.memory()
  client.close()
  await node.kill()
  return { ...result, peak }
}

async function measureUpload(bytes: number) {
  const node = await NodeProcess.start(SETTINGS)
  const client = new Client(node.url, 2)
  const members: Buffer[] = []
  for (let length = 0; length < bytes; length += members.at(-1)!.length)
    members.push(packed[members.length % POOL_BODIES]!)
  const startedMs = performance.now()
  const { jobId } = await send(node.url, members)
  const intakeMs = performance.now() - startedMs
  const samples: number[] = []
  for (;;) {
    const job = await client.getJson<Job>(`/v1/jobs/${jobId}`)
    samples.push(node.memory().rss)
    if (job.state === 'done') {
      const seconds = (Date.parse(job.endedAt) - Date.parse(job.startedAt)) / 1000
      const expected = members.length * RECORDS_PER_BODY
      if (job.accepted !== expected) throw new Error(`${job.accepted} of ${expected} records were accepted`)
      const { peak } = node.memory()
      client.close()
      await node.kill()
      const memory = Array.from({ length: 10 }, (_, i) =>
        Math.round(samples[Math.floor((i * samples.length) / 10)]! / MIB),
      )
      const intakeMibPerSecond = bytes / MIB / (intakeMs / 1000)
      return { records: job.records, perSecond: job.records / seconds, peak, memory, intakeMibPerSecond }
    }
    if (job.state === 'failed') throw new Error(`the job failed: ${JSON.stringify(job)}`)
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS))
  }
}

function send(url: string, members: readonly Buffer[]): Promise<{ readonly jobId: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(`${url}/v1/logs/upload?name=bench.ndjson.gz`, { method: 'POST' }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        if (response.statusCode === 202) resolve(JSON.parse(text) as { jobId: string })
        else reject(new Error(`the upload was answered with ${response.statusCode}: ${text}`))
      })
    })
    pipeline(Readable.from(members), sent).catch(reject)
  })
}
