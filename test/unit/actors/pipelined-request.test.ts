import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PipelinedRequest } from '../../../actors/pipelined-request.ts'
import type { TenantId } from '../../../base/ids.ts'
import { CHUNK_BYTES_MAX, CHUNK_ROWS_MAX } from '../../../base/limits.ts'
import { PathTable } from '../../../ingest/path-table.ts'
import { compilePipeline, type PipelineDefinition } from '../../../ingest/pipeline/compile.ts'
import { StepList } from '../../../ingest/pipeline/pipeline-run.ts'
import { Scanner } from '../../../ingest/scanner.ts'
import { SimulatedClock } from '../../harness/simulated-clock.ts'
import { environment } from '../ingest/pipeline/harness.ts'

const NOW_MS = 1_700_000_000_000
const scanner = new Scanner(new PathTable(1))

/** What each chunk of the body holds, by its number: numbers of records, and bytes and rows of the largest. */
async function chunksOf(steps: PipelineDefinition['steps'], body: string, idempotencyKey?: string) {
  const list = new StepList([compilePipeline('p', 1, { steps }, environment)])
  const request = {
    tenant: 'acme' as TenantId,
    protocol: 'json',
    format: 'ndjson' as const,
    body: Buffer.from(body),
    receivedMs: NOW_MS,
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
  }
  const options = { format: 'ndjson' as const, receivedMs: NOW_MS, oldestMs: 0, newestMs: NOW_MS + 1 }
  const piped = new PipelinedRequest(scanner, request, list, options, new SimulatedClock(NOW_MS))
  const chunks = new Map<number, number[]>()
  let bytesMax = 0
  let rowsMax = 0
  while (!piped.isDone) {
    await piped.next()
    assert.ok(!chunks.has(piped.chunk), 'each number is used once')
    const records: number[] = []
    for (const { writer, records: of } of piped.lines) {
      bytesMax = Math.max(bytesMax, writer.length)
      rowsMax = Math.max(rowsMax, of.length / 3)
      for (let i = 0; i < of.length; i += 3) records.push(of[i]!)
    }
    chunks.set(piped.chunk, records)
  }
  return { chunks, bytesMax, rowsMax }
}

const lines = (count: number, line: (i: number) => object) =>
  Array.from({ length: count }, (_, i) => JSON.stringify(line(i))).join('\n')

test('D3: a retry with a key finds every record in the chunk of the first attempt, whatever the steps make of them there', async () => {
  const body = lines(30_000, (i) => ({
    n: i,
    timestamp: NOW_MS,
    message: i % 3 === 0 ? `line ${i}` : '  at more',
    pad: 'x'.repeat(60),
  }))
  const attempts: PipelineDefinition['steps'][] = [
    [{ type: 'set', fields: { a: 1 } }],
    [{ type: 'set', fields: { region: 'x'.repeat(60) } }],
    [{ type: 'dedup' }, { type: 'multiline', continuation: '^\\s' }],
    [{ type: 'convert', fields: { message: 'number' } }],
  ]
  const chunkOf = new Map<number, number>()
  for (const steps of attempts) {
    const { chunks } = await chunksOf(steps, body, 'key')
    for (const [chunk, records] of chunks)
      for (const record of records) {
        assert.equal(chunkOf.get(record) ?? chunk, chunk, `record ${record}`)
        chunkOf.set(record, chunk)
      }
  }
  assert.equal(chunkOf.size, 30_000)
})

test('X1: of a row of a table whose header says what is secret, nothing of that is in its dead letter', async () => {
  const list = new StepList([
    compilePipeline(
      'p',
      1,
      {
        steps: [
          { type: 'mask', names: ['pin'] },
          { type: 'convert', fields: { n: 'number' } },
        ],
      },
      environment,
    ),
  ])
  const source = Buffer.from('many,hun"ter2\n')
  const refused = Buffer.from('1,2,hunter3\n')
  const body = Buffer.from('{"n":"many","pin":"hun\\"ter2"}\n0\n')
  const decoded = {
    source: Buffer.concat([source, refused]),
    count: 2,
    refusalOf: (record: number) => (record === 1 ? { code: 'invalid_record' as const, reason: 'no' } : undefined),
    sourceOf: (record: number) => (record === 1 ? refused : source),
  }
  const request = {
    tenant: 'acme' as TenantId,
    protocol: 'upload',
    format: 'ndjson' as const,
    body,
    receivedMs: NOW_MS,
    decoded,
    hasNamesApart: true,
  }
  const options = { format: 'ndjson' as const, receivedMs: NOW_MS, oldestMs: 0, newestMs: NOW_MS + 1 }
  const piped = new PipelinedRequest(scanner, request, list, options, new SimulatedClock(NOW_MS))
  await piped.next()
  const kept = piped.letters.map(({ raw, line }) => [Buffer.from(raw).toString(), line && Buffer.from(line).toString()])
  assert.equal(kept.length, 2)
  assert.ok(!JSON.stringify(kept).includes('ter'), JSON.stringify(kept))
  assert.match(kept[0]![0]!, /^many,/)
})

test('no chunk is more than a frame takes, though records are tiny, or steps make much of them, or hold all of them', async () => {
  const tiny = await chunksOf([{ type: 'set', fields: { a: 1 }, if: 'b:1' }], '{}\n'.repeat(100_000))
  assert.ok(tiny.rowsMax <= CHUNK_ROWS_MAX + 1, `${tiny.rowsMax} rows`)
  const grown = await chunksOf([{ type: 'set', fields: { a: 'x'.repeat(100_000) } }], '{}\n'.repeat(300), 'key')
  assert.ok(grown.bytesMax < 3 * CHUNK_BYTES_MAX, `${grown.bytesMax} bytes`)
  const held = await chunksOf(
    [{ type: 'multiline', continuation: '^\\s' }],
    lines(2000, (i) => ({ host: `h${i % 200}`, message: `${i < 200 ? '' : ' '}${'x'.repeat(6000)}` })),
  )
  assert.ok(held.bytesMax < 3 * CHUNK_BYTES_MAX, `${held.bytesMax} bytes`)
  assert.equal([...held.chunks.values()].flat().length, 200)
})
