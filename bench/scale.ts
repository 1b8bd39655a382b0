import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Prng } from '../base/prng.ts'
import { NodeProcess } from '../test/harness/node-process.ts'
import { Client, quantile } from './client.ts'
import { Dataset } from './dataset.ts'
import { bytesBelow, EVERYTHING } from './ingest.ts'
import type { Row } from './measure.ts'
import { medianMs, table } from './measure.ts'

/**
 * `node bench/scale.ts --rows 100000000 --days 14`: how one node carries a large amount: memory while it is posted, disk, restart, and a trace looked
 * up over all days. Takes minutes. Records are copies of a pool whose times and trace ids are overwritten in place, since making each anew would
 * cost more than storing it.
 */
const { values: options } = parseArgs({
  options: {
    rows: { type: 'string', default: '100000000' },
    days: { type: 'string', default: '14' },
    'data-dir': { type: 'string' },
  },
})

const RECORDS_PER_BODY = 3000
const POOL_BODIES = 40
const SENDERS = 4
const HEX = Buffer.from('0123456789abcdef')

/** A body of the pool with the places of what is overwritten. */
interface Template {
  readonly bytes: Buffer
  readonly timeAt: Int32Array
  readonly traceAt: Int32Array
}

function template(dataset: Dataset): Template {
  const bytes = Buffer.from(dataset.lines(RECORDS_PER_BODY))
  const timeAt = new Int32Array(RECORDS_PER_BODY)
  const traceAt = new Int32Array(RECORDS_PER_BODY)
  let from = 0
  for (let i = 0; i < RECORDS_PER_BODY; i++) {
    timeAt[i] = bytes.indexOf('"timestamp":"', from) + 13
    traceAt[i] = bytes.indexOf('"traceId":"', from) + 11
    from = bytes.indexOf(10, from) + 1
  }
  return { bytes, timeAt, traceAt }
}

/** Gives every record of the body its own time, from `startMs` on, and a new trace id; returns one of the ids. */
function renew(body: Template, startMs: number, perRecordMs: number, random: Prng): string {
  const { bytes, timeAt, traceAt } = body
  let second = -1
  let text = ''
  for (let i = 0; i < RECORDS_PER_BODY; i++) {
    const timeMs = Math.floor(startMs + i * perRecordMs)
    if (Math.floor(timeMs / 1000) !== second) {
      second = Math.floor(timeMs / 1000)
      text = new Date(second * 1000).toISOString()
    }
    bytes.write(text, timeAt[i]!, 20, 'latin1')
    bytes.write(String(timeMs % 1000).padStart(3, '0'), timeAt[i]! + 20, 3, 'latin1')
    for (let word = 0; word < 4; word++) {
      let bits = random.uint32()
      for (let k = 0; k < 8; k++) {
        bytes[traceAt[i]! + word * 8 + k] = HEX[bits & 15]!
        bits >>>= 4
      }
    }
  }
  return bytes.toString('latin1', traceAt[0]!, traceAt[0]! + 32)
}

/** Garbage collections of all threads so far, and those of them that took longer than 50 ms. */
async function gcPauses(): Promise<{ readonly count: number; readonly long: number }> {
  const text = (await client.get('/metrics')).body.toString()
  const sum = (pattern: RegExp) => [...text.matchAll(pattern)].reduce((all, [, value]) => all + Number(value), 0)
  const count = sum(/^weir_gc_pause_seconds_count\{[^}]*\} (\S+)$/gm)
  return { count, long: count - sum(/^weir_gc_pause_seconds_bucket\{[^}]*le="0.05"[^}]*\} (\S+)$/gm) }
}

const rowsWanted = Number(options.rows)
const days = Number(options.days)
const directory = options['data-dir'] ?? mkdtempSync(join(tmpdir(), 'weir-scale-'))
const bodies = Math.ceil(rowsWanted / RECORDS_PER_BODY)
const spanMs = days * 86_400_000
const startMs = Date.now() - spanMs
const perRecordMs = spanMs / (bodies * RECORDS_PER_BODY)
const random = new Prng('scale')
const pool: Template[] = []
const dataset = new Dataset({ startMs })
for (let i = 0; i < POOL_BODIES; i++) pool.push(template(dataset))
const traces: string[] = []

let node = await NodeProcess.start({ 'data.dir': directory })
let client = new Client(node.url, 8)
let next = 0
let peak = 0
let longestDelayMs = 0
let journalBytes = 0
const watch = setInterval(async () => {
  peak = Math.max(peak, node.memory().rss)
  const { body } = await client.get('/metrics')
  journalBytes = Number(/^weir_journal_bytes\{[^}]*\} (\S+)$/m.exec(body.toString())?.[1] ?? 0)
  for (const [, seconds] of body.toString().matchAll(/^weir_event_loop_delay_seconds\{[^}]*\} (\S+)$/gm)) {
    longestDelayMs = Math.max(longestDelayMs, Number(seconds) * 1000)
  }
}, 2000)
const startedMs = performance.now()
await Promise.all(
  Array.from({ length: SENDERS }, async (_, sender) => {
    for (;;) {
      const number = next++
      if (number >= bodies) return
      const own = pool[sender + SENDERS * (number % (POOL_BODIES / SENDERS))]!
      const trace = renew(own, startMs + number * RECORDS_PER_BODY * perRecordMs, perRecordMs, random)
      if (number % Math.ceil(bodies / 50) === 0) traces.push(trace)
      for (;;) {
        const answer = await client.post('/v1/logs/ingest', own.bytes, { 'content-type': 'application/x-ndjson' })
        if (answer.status === 200) break
        if (answer.status !== 429 && answer.status !== 503) throw new Error(answer.body.toString().slice(0, 500))
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
      if (number % 1000 === 0) {
        const seconds = (performance.now() - startedMs) / 1000
        console.error(
          `${number * RECORDS_PER_BODY} records, ${seconds.toFixed(0)} s, ${(node.memory().rss / 1e6).toFixed(0)} MB, journal ${(journalBytes / 1e6).toFixed(0)} MB`,
        )
      }
    }
  }),
)
const seconds = (performance.now() - startedMs) / 1000
const rows: Row[] = [
  { name: 'ingest rate, load on the same cores', value: (bodies * RECORDS_PER_BODY) / seconds, unit: 'records/s' },
]
const count = () =>
  client.getJson<{ total: number; coverage: { complete: boolean } }>('/v1/logs/search', {
    query: '*',
    limit: '1',
    total: 'exact',
    ...EVERYTHING,
  })
while ((await count()).total < bodies * RECORDS_PER_BODY) await new Promise((resolve) => setTimeout(resolve, 200))
clearInterval(watch)
rows.push({
  name: 'resident memory, highest',
  value: Math.max(peak, node.memory().peak) / 1e6,
  unit: 'MB',
  budget: 1500,
})
rows.push({ name: 'longest event loop delay', value: longestDelayMs, unit: 'ms' })
const pauses = await gcPauses()
rows.push({ name: 'garbage collections', value: pauses.count, unit: '' })
rows.push({ name: 'of them longer than 50 ms', value: pauses.long, unit: '', budget: 0 })
client.close()
await node.stop()
rows.push({
  name: 'disk a record',
  value: bytesBelow(join(directory, 'objects')) / (bodies * RECORDS_PER_BODY),
  unit: 'bytes',
})
const restartMs = performance.now()
node = await NodeProcess.start({ 'data.dir': directory })
rows.push({ name: 'restart', value: performance.now() - restartMs, unit: 'ms', budget: 30_000 })
client = new Client(node.url, 8)
const cold: number[] = []
for (const trace of traces) {
  const askedMs = performance.now()
  const { logs } = await client.getJson<{ logs: unknown[] }>('/v1/logs/search', {
    query: `traceId:${trace}`,
    ...EVERYTHING,
  })
  cold.push(performance.now() - askedMs)
  if (logs.length === 0) throw new Error(`trace ${trace} is not found`)
}
rows.push({ name: 'trace over all days, first time, p50', value: quantile(cold, 0.5), unit: 'ms' })
const warm = () => client.getJson('/v1/logs/search', { query: `traceId:${traces[traces.length >> 1]}`, ...EVERYTHING })
rows.push({ name: 'trace over all days, again', value: await medianMs(warm), unit: 'ms', budget: 100 })
rows.push({ name: 'resident memory after the searches', value: node.memory().rss / 1e6, unit: 'MB', budget: 1500 })
const { total } = await count()
rows.push({ name: 'records found', value: total, unit: 'records', budget: bodies * RECORDS_PER_BODY, atLeast: true })
console.log(`\n${(bodies * RECORDS_PER_BODY).toLocaleString('en')} records over ${days} days\n`)
console.log(table(rows))
client.close()
await node.stop()
if (options['data-dir'] === undefined) rmSync(directory, { recursive: true, force: true })
