import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compilePipeline } from '../../../../ingest/pipeline/compile.ts'
import { PipelineRun, StepList } from '../../../../ingest/pipeline/pipeline-run.ts'
import { SimulatedClock } from '../../../harness/simulated-clock.ts'
import { environment, runSteps } from './harness.ts'

const kept = (out: readonly string[]) => out.filter((one) => one.startsWith('{'))

test('a trace stays whole across services, levels and nodes; a lower rate keeps a part of what a higher one keeps', () => {
  const traces = Array.from({ length: 2000 }, (_, i) => i.toString(16).padStart(32, '0'))
  const keptBy = (rate: number) => {
    const out = kept(
      runSteps(
        [{ type: 'sample', rate }],
        traces.flatMap((traceId, i) => [
          { traceId, service: 'a', level: 'INFO', message: `m${i}` },
          { trace_id: traceId.toUpperCase(), service: 'b', level: 'DEBUG', n: i },
        ]),
      ),
    )
    const ids = out.map((one) => {
      const record = JSON.parse(one) as Record<string, unknown>
      assert.equal(record.sampleRate, rate)
      return String(record.traceId ?? record.trace_id).toLowerCase()
    })
    const counts = new Map<string, number>()
    for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1)
    for (const count of counts.values()) assert.equal(count, 2)
    return new Set(ids)
  }
  const some = keptBy(0.25)
  const few = keptBy(0.05)
  assert.ok(Math.abs(some.size - 500) < 100, `${some.size} of 2000`)
  assert.ok(few.size > 50 && few.size < 160, `${few.size} of 2000`)
  for (const id of few) assert.ok(some.has(id))
})

test('ERROR and FATAL are never sampled, however they are told', () => {
  const errors = [
    { level: 'error' },
    { severity: 'FATAL' },
    { severity_number: 17 },
    { lvl: 50 },
    { log: { level: 'crit' } },
    { message: 'ERROR it broke' },
    { message: 'level=fatal msg=x' },
    { level: '3' },
  ]
  assert.deepEqual(
    runSteps([{ type: 'sample', rate: 0 }], errors),
    errors.map((one) => JSON.stringify(one)),
  )
  const others = [{ level: 'warn' }, { severity_number: 13 }, { message: 'errors: 0' }, {}, { level: null }]
  assert.deepEqual(kept(runSteps([{ type: 'sample', rate: 0 }], others)), [])
})

test('levels have rates of their own, and rates multiply', () => {
  const step = { type: 'sample', rate: 1, levels: { debug: 0 } }
  assert.deepEqual(kept(runSteps([step], [{ level: 'DEBUG' }, { level: 'INFO' }])), ['{"level":"INFO"}'])
  const out = kept(
    runSteps(
      [{ type: 'sample', rate: 0.5 }],
      Array.from({ length: 50 }, (_, i) => ({ message: `m${i}`, sampleRate: 0.5 })),
    ),
  )
  assert.ok(out.length > 5 && out.length < 45)
  for (const one of out) assert.equal((JSON.parse(one) as { sampleRate: number }).sampleRate, 0.25)
})

test('records without a trace are sampled one by one, and a retry is sampled alike', () => {
  const records = Array.from({ length: 4000 }, () => ({ timestamp: '2026-11-21T22:14:15Z', message: 'the same' }))
  const first = runSteps([{ type: 'sample', rate: 0.1 }], records)
  assert.ok(Math.abs(kept(first).length - 400) < 100, `${kept(first).length} of 4000`)
  assert.deepEqual(runSteps([{ type: 'sample', rate: 0.1 }], records), first)
})

test('repeats in a request are dropped, and the first says how many there were', () => {
  const a = { timestamp: 1, message: 'a', service: 's' }
  const out = runSteps(
    [{ type: 'dedup' }],
    [a, { ...a, message: 'b' }, a, { ...a, extra: 1 }, { ...a, service: 't' }, { message: 'x' }, { message: 'x' }],
  )
  assert.deepEqual(kept(out), [
    '{"message":"x"}',
    '{"message":"x"}',
    '{"timestamp":1,"message":"a","service":"s","repeatCount":3}',
    '{"timestamp":1,"message":"b","service":"s"}',
    '{"timestamp":1,"message":"a","service":"t"}',
  ])
  const many = Array.from({ length: 1000 }, (_, i) => ({ ...a, message: `m${i % 700}` }))
  assert.equal(kept(runSteps([{ type: 'dedup' }], many)).length, 700)
})

test('repeats of what was stored are dropped for the window; what was refused is not remembered', async () => {
  const clock = new SimulatedClock(1_700_000_000_000)
  const definition = { steps: [{ type: 'dedup', windowSeconds: 10 }] }
  const list = new StepList([compilePipeline('p', 1, definition, { ...environment, clock })])
  const request = (isStored: boolean) => {
    let count = 0
    const run = new PipelineRun(list, { kept: () => count++, dropped: () => {}, failed: () => {} })
    const source = Buffer.from('{"timestamp":1,"message":"a"}')
    const record = run.take()
    record.load(source, 0, source.length, 0, { receivedMs: 0 })
    run.pass(record)
    while (!run.advance(() => false));
    while (!run.end(() => false));
    if (isStored) run.stored()
    return count
  }
  assert.equal(request(false), 1)
  assert.equal(request(true), 1)
  assert.equal(request(true), 0)
  await clock.advance(9000)
  assert.equal(request(true), 0)
  await clock.advance(2000)
  assert.equal(request(true), 1)
})
