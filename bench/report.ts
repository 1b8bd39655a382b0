import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { NodeProcess } from '../test/harness/node-process.ts'
import { Client } from './client.ts'
import type { DatasetOptions } from './dataset.ts'
import { Dataset } from './dataset.ts'
import {
  bytesBelow,
  cpuAtRest,
  EVERYTHING,
  postAll,
  receiptLatency,
  searchableAfter,
  waitUntilSearchable,
} from './ingest.ts'
import type { Row } from './measure.ts'
import { isMet, table } from './measure.ts'
import { protocolRows } from './protocols.ts'
import { searchRows } from './search.ts'
import { measureYardstick } from './yardstick.ts'

/**
 * `npm run bench`: the budgets of one embedded node, each beside its measured value. Options: --rows N (default 1,000,000), --file x.ndjson instead of
 * generated data, --unkind for data that is less kind, --out file.json.
 */
const { values: options } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000' },
    file: { type: 'string' },
    unkind: { type: 'boolean', default: false },
    out: { type: 'string' },
    'keep-data': { type: 'boolean', default: false },
  },
})

const RECORDS_PER_BODY = 3000
const WARM_UP_RECORDS = 300_000
/** Of other protocols; so many bodies of each are sent. */
const PROTOCOL_BODIES = 100
const UNKIND: Record<string, Partial<DatasetOptions>> = {
  '1,000 services': { services: 1000 },
  '60 fields a record': { extraFields: 50 },
  'stack traces in every fifth record': { stackShare: 0.2 },
  '10 % late records': { lateShare: 0.1 },
}

/** Bodies of NDJSON, and how many records they hold. */
interface Workload {
  readonly bodies: readonly Buffer[]
  readonly records: number
}

function generated(records: number, changes: Partial<DatasetOptions>): Workload {
  const spanMs = 3_300_000
  const dataset = new Dataset({ startMs: Date.now() - spanMs, perMs: records / spanMs, ...changes })
  const bodies: Buffer[] = []
  while (dataset.made < records)
    bodies.push(Buffer.from(dataset.lines(Math.min(RECORDS_PER_BODY, records - dataset.made))))
  return { bodies, records }
}

function fromFile(path: string): Workload {
  const lines = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
  const bodies: Buffer[] = []
  for (let i = 0; i < lines.length; i += RECORDS_PER_BODY) {
    bodies.push(Buffer.from(`${lines.slice(i, i + RECORDS_PER_BODY).join('\n')}\n`))
  }
  return { bodies, records: lines.length }
}

async function ingestOnly(name: string, workload: Workload): Promise<Row[]> {
  const yardstick = measureYardstick(Buffer.concat(workload.bodies.slice(0, 34)))
  const directory = mkdtempSync(join(tmpdir(), 'weir-bench-'))
  const node = await NodeProcess.start({ 'data.dir': directory }, { showErrors: true })
  const client = new Client(node.url, 16)
  try {
    const cpuBefore = node.cpuMicroseconds()
    await postAll(client, workload.bodies)
    await waitUntilSearchable(client, workload.records)
    const cpu = (node.cpuMicroseconds() - cpuBefore) / workload.records
    return [{ name: `ingest CPU, ${name}`, value: cpu, unit: 'µs/record', ratio: cpu / yardstick }]
  } finally {
    client.close()
    await node.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

async function budgets(workload: Workload): Promise<{ rows: Row[]; yardstick: number }> {
  const { bodies, records } = workload
  const rawBytes = bodies.reduce((sum, body) => sum + body.length, 0)
  const yardstick = measureYardstick(Buffer.concat(bodies.slice(0, 34)))
  const directory = mkdtempSync(join(tmpdir(), 'weir-bench-'))
  const rows: Row[] = [
    { name: 'yardstick Y', value: yardstick, unit: 'µs/record' },
    { name: 'raw bytes a record', value: rawBytes / records, unit: 'bytes' },
  ]
  let node = await NodeProcess.start({ 'data.dir': directory }, { showErrors: true })
  let client = new Client(node.url, 16)
  try {
    // A node that has just started compiles its hot code; that cost is told apart, as it comes once.
    const warmUp = generated(WARM_UP_RECORDS, { seed: 2 })
    const cpuOfStart = node.cpuMicroseconds()
    await postAll(client, warmUp.bodies)
    await waitUntilSearchable(client, warmUp.records)
    const cold = (node.cpuMicroseconds() - cpuOfStart) / warmUp.records
    rows.push({
      name: `ingest CPU of the first ${WARM_UP_RECORDS.toLocaleString('en')}`,
      value: cold,
      unit: 'µs/record',
      ratio: cold / yardstick,
    })
    await cpuAtRest(node)
    const cpuBefore = node.cpuMicroseconds()
    const { perSecond } = await postAll(client, bodies)
    await waitUntilSearchable(client, warmUp.records + records)
    const cpu = (node.cpuMicroseconds() - cpuBefore) / records
    const { peak } = node.memory()
    const cpuWithBlocks = ((await cpuAtRest(node)) - cpuBefore) / records
    const atLeast = 1.2 * (1e6 / yardstick)
    rows.push(
      {
        name: 'ingest CPU, HTTP to searchable',
        value: cpu,
        unit: 'µs/record',
        ratio: cpu / yardstick,
        budget: 1.2 * yardstick,
        budgetText: '1.2 Y',
      },
      {
        name: 'the same, until all its blocks are made',
        value: cpuWithBlocks,
        unit: 'µs/record',
        ratio: cpuWithBlocks / yardstick,
      },
      {
        name: 'ingest rate, load on the same cores',
        value: perSecond,
        unit: 'records/s',
        ratio: perSecond / (1e6 / yardstick),
        budget: atLeast,
        atLeast: true,
        budgetText: '1.2 / Y',
      },
      { name: 'resident memory while ingesting', value: peak / 1e6, unit: 'MB', budget: 400 },
    )
    rows.push(...(await searchRows(client, bodies, yardstick)))
    const latency = await receiptLatency(client, perSecond * 0.2)
    rows.push({ name: 'receipt p95 at 20 % of that rate', value: latency, unit: 'ms', budget: 25 })
    const searchable = await searchableAfter(client)
    rows.push({ name: 'receipt to searchable p99', value: searchable, unit: 'ms', budget: 1000 })
    const { total: stored } = await client.getJson<{ total: number }>('/v1/logs/search', {
      query: '*',
      limit: '1',
      total: 'exact',
      ...EVERYTHING,
    })
    // A stop publishes everything; what is then in the object store is what the records cost on disk.
    client.close()
    await node.stop()
    rows.push({
      name: 'disk a record, filters included',
      value: bytesBelow(join(directory, 'objects')) / stored,
      unit: 'bytes',
      budget: 55,
    })
    const startedMs = performance.now()
    node = await NodeProcess.start({ 'data.dir': directory }, { showErrors: true })
    rows.push({ name: 'restart', value: performance.now() - startedMs, unit: 'ms' })
    client = new Client(node.url, 4)
  } finally {
    client.close()
    await node.stop()
    if (!options['keep-data']) rmSync(directory, { recursive: true, force: true })
  }
  return { rows, yardstick }
}

const workload = options.file === undefined ? generated(Number(options.rows), {}) : fromFile(options.file)
const { rows, yardstick } = await budgets(workload)
const someBodies = workload.bodies.slice(0, PROTOCOL_BODIES)
rows.push(...(await protocolRows(generated(WARM_UP_RECORDS, { seed: 2 }).bodies, someBodies, yardstick)))
if (options.unkind) {
  for (const [name, changes] of Object.entries(UNKIND)) {
    rows.push(...(await ingestOnly(name, generated(Math.min(Number(options.rows), 300_000), changes))))
  }
}
console.log(
  `\n${workload.records.toLocaleString('en')} records, ${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}\n`,
)
console.log(table(rows))
const missed = rows.filter((row) => isMet(row) === false)
console.log(`\n${missed.length === 0 ? 'every budget is met' : `${missed.length} budgets are missed`}`)
const out = options.out ?? join(import.meta.dirname, 'results', 'latest.json')
mkdirSync(join(out, '..'), { recursive: true })
writeFileSync(
  out,
  `${JSON.stringify({ at: new Date().toISOString(), records: workload.records, yardstick, rows }, null, 2)}\n`,
)
