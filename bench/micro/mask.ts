import { recordFilter } from '../../actors/record-filter.ts'
import { systemClock } from '../../base/clock.ts'
import { compilePipeline, type StepDefinition } from '../../ingest/pipeline/compile.ts'
import { PipelineRun, StepList } from '../../ingest/pipeline/pipeline-run.ts'
import { JsonWriter } from '../../ingest/protocols/json-writer.ts'

/** Records a second through steps on one thread: loaded, sent through, written. With `mask`, all detectors but IP addresses. */
const COUNT = 200_000
const LINES = Array.from({ length: 1000 }, (_, i) =>
  Buffer.from(
    JSON.stringify({
      timestamp: `2026-11-21T22:33:${String(i % 60).padStart(2, '0')}.123Z`,
      level: i % 10 === 0 ? 'ERROR' : 'INFO',
      service: `service-${i % 20}`,
      host: `node-${i % 8}`,
      message: `GET /v1/orders/${100_000 + i} took ${i % 97} ms for customer c-${i}, status ${i % 5 === 0 ? 500 : 200}`,
      traceId: `4bf92f3577b34da6a3ce929d0e0e${String(i).padStart(4, '0')}`,
      metadata: { region: 'eu-west-1', attempt: i % 3, path: '/v1/orders', bytes: i * 17 },
    }),
  ),
)

const STEPS: Readonly<Record<string, readonly StepDefinition[]>> = {
  none: [{ type: 'remove', fields: ['absent'] }],
  set: [{ type: 'set', fields: { env: 'prod' } }],
  filter: [{ type: 'filter', drop: 'level:debug AND service:service-1*' }],
  'filter of text': [{ type: 'filter', drop: 'timeout' }],
  mask: [{ type: 'mask' }],
  'mask, all secret': [{ type: 'mask' }],
}

for (const [name, steps] of Object.entries(STEPS)) {
  const lines = name.includes('secret')
    ? LINES.map((line) => Buffer.from(line.toString().replace('customer', 'a@b.com password=hunter2')))
    : LINES
  const environment = {
    tenant: 'bench',
    clock: systemClock,
    predicate: (filter: string, path: string) => recordFilter(filter, path, systemClock.nowMs()),
    node: { id: 'n', region: undefined },
    hashKey: new Uint8Array(32),
    mayNameTenants: false,
  }
  const list = new StepList([compilePipeline('bench', 1, { steps }, environment)])
  const writer = new JsonWriter({ acquire: (bytes) => Buffer.allocUnsafe(bytes), release: () => undefined }, 1 << 20)
  const run = new PipelineRun(list, {
    kept(record) {
      if (writer.length > 900_000) writer.truncate(0)
      record.writeTo(writer)
      writer.newline()
    },
    dropped: () => undefined,
    failed: () => undefined,
  })
  const pass = (count: number) => {
    for (let i = 0; i < count; i++) {
      const line = lines[i % lines.length]!
      const record = run.take()
      record.load(line, 0, line.length, i, { receivedMs: 0 })
      run.pass(record)
      run.advance(() => false)
    }
  }
  pass(20_000)
  const startedMs = systemClock.monotonicMs()
  pass(COUNT)
  const seconds = (systemClock.monotonicMs() - startedMs) / 1000
  console.log(
    `${name}: ${Math.round(COUNT / seconds / 1000)} k records/s, ${(LINES[0]!.length * COUNT) / seconds / 1e6} MB/s`,
  )
}
