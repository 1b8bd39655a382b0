/**
 * CPU time of each step of pipelines on one core, in a pipeline of its own: reading the record, the step, writing the record. Beside it that of a
 * pipeline whose step touches nothing, so that the difference is the step.
 *
 *     node bench/micro/pipeline-steps.ts [--rounds 7] [--only lookup]
 */
import { parseArgs } from 'node:util'
import { systemClock } from '../../base/clock.ts'
import { compilePipeline } from '../../ingest/pipeline/compile.ts'
import { PipelineRun, StepList } from '../../ingest/pipeline/pipeline-run.ts'
import type { StepEnvironment } from '../../ingest/pipeline/step.ts'
import { JsonWriter } from '../../ingest/protocols/json-writer.ts'

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '7' }, only: { type: 'string', default: '' } },
})
const ROUNDS = Number(values.rounds)
const RECORDS = 20_000
const NOW_MS = 1_790_000_000_000

const environment: StepEnvironment = {
  tenant: 'bench',
  clock: systemClock,
  predicate: () => ({ matches: () => true }),
  node: { id: 'n', region: 'eu' },
  hashKey: new Uint8Array(32),
  mayNameTenants: false,
}

const agents = Array.from(
  { length: 500 },
  (_, i) =>
    `Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${100 + (i % 40)}.0.${i}.0 Safari/537.36`,
)
const record = (i: number, message: string) => ({
  timestamp: new Date(NOW_MS + i).toISOString(),
  level: i % 10 === 0 ? 'ERROR' : 'INFO',
  service: `service-${i % 7}`,
  host: `node-${i % 40}.prod.internal`,
  traceId: (i >> 2).toString(16).padStart(32, '0'),
  time: `2026-11-21 22:${10 + (i % 50)}:15,${100 + (i % 900)}`,
  ip: `10.${i % 4}.${i % 256}.7`,
  agent: agents[i % agents.length],
  message,
})
const json = (i: number) =>
  JSON.stringify({ level: 'info', msg: `order ${i} created`, orderId: i, took: 1.5, user: { id: `u_${i}` } })
const plain = (i: number) => `Order ${i} created for customer c_${i} in ${i % 900} ms`
const trace = (i: number) =>
  i % 5 === 0
    ? `ERROR order ${i} failed: java.lang.IllegalStateException`
    : `\tat com.example.shop.Order.create(Order.java:${i})`
const table = Object.fromEntries(
  Array.from({ length: 256 }, (_, i) => [`10.${i >> 6}.${(i & 63) * 4}.0/22`, { site: `s${i}` }]),
)

const CASES: Readonly<Record<string, readonly [step: object, message: (i: number) => string]>> = {
  nothing: [{ type: 'remove', fields: ['absent'] }, plain],
  json: [{ type: 'json', removeField: true }, json],
  grok: [
    { type: 'grok', pattern: '^Order %{INT:order} created for customer %{NOTSPACE:customer} in %{INT:ms:int} ms$' },
    plain,
  ],
  timestamp: [
    { type: 'timestamp', field: 'time', formats: ['yyyy-MM-dd HH:mm:ss,SSS'], timezone: 'Europe/Berlin' },
    plain,
  ],
  level: [{ type: 'level' }, plain],
  addLabels: [{ type: 'addLabels', labels: { team: 'shop' }, nodeRegion: 'region' }, plain],
  'lookup, cidr': [{ type: 'lookup', field: 'ip', by: 'cidr', table }, plain],
  userAgent: [{ type: 'userAgent', field: 'agent' }, plain],
  sample: [{ type: 'sample', rate: 0.1 }, plain],
  dedup: [{ type: 'dedup' }, plain],
  multiline: [{ type: 'multiline', preset: 'java', groupBy: ['nothing'] }, trace],
}

for (const [name, [step, message]] of Object.entries(CASES)) {
  if (!name.includes(values.only)) continue
  const lines = Array.from({ length: RECORDS }, (_, i) => Buffer.from(JSON.stringify(record(i, message(i)))))
  const list = new StepList([
    compilePipeline('p', 1, { steps: [{ ...step, type: (step as { type: string }).type }] }, environment),
  ])
  const room = { acquire: (bytes: number) => Buffer.allocUnsafeSlow(bytes), release: () => undefined }
  const writer = new JsonWriter(room, RECORDS * 1000)
  const times: number[] = []
  let failed = 0
  for (let round = 0; round < ROUNDS + 2; round++) {
    writer.truncate(0)
    const before = process.cpuUsage()
    const run = new PipelineRun(list, {
      kept: (kept) => kept.writeTo(writer),
      dropped: () => {},
      failed: () => failed++,
    })
    for (let i = 0; i < RECORDS; i++) {
      const taken = run.take()
      taken.load(lines[i]!, 0, lines[i]!.length, i, { receivedMs: NOW_MS })
      run.pass(taken)
      run.advance(() => false)
    }
    run.end(() => false)
    const { user, system } = process.cpuUsage(before)
    if (round >= 2) times.push((user + system) / RECORDS)
  }
  const us = times.sort((a, b) => a - b)[times.length >> 1]!
  console.log(
    `${name.padEnd(16)} ${us.toFixed(2).padStart(7)} µs  ${(1000 / us).toFixed(0).padStart(6)} k/s${failed > 0 ? `  ${failed} failed` : ''}`,
  )
}
