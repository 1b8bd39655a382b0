/**
 * What rules of alerts cost ingest: CPU a record of telling which rules count it and of counting, as sections are applied; rounds of 200 ms,
 * after which changed values are read. Beside twice the yardstick Y, which is what ingest costs.
 *
 *     node bench/micro/alert-rules.ts [--rows 96] [--records 60000] [--rounds 5]
 */
import { parseArgs } from 'node:util'
import { RuleBuckets } from '../../alerts/bucket-store.ts'
import { type AlertRule, normaliseRule } from '../../alerts/rule.ts'
import { RuleSet } from '../../alerts/rule-set.ts'
import type { ColumnSource } from '../../base/columns.ts'
import { TENANT_DEFAULT } from '../../base/ids.ts'
import { Prng } from '../../base/prng.ts'
import { ColumnWriter } from '../../ingest/column-writer.ts'
import { PathTable } from '../../ingest/path-table.ts'
import { Scanner } from '../../ingest/scanner.ts'
import { decodeSection, encodeSection } from '../../storage/section-codec.ts'
import { Dataset } from '../dataset.ts'
import { measureYardstick } from '../yardstick.ts'

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '96' },
    records: { type: 'string', default: '60000' },
    rounds: { type: 'string', default: '12' },
    only: { type: 'string' },
  },
})
/** Rows of a section: of one shard in one frame. */
const ROWS = Number(values.rows)
const RECORDS = Number(values.records)
const ROUNDS = Number(values.rounds)
const SERVICES = 12
const START_MS = Date.UTC(2026, 10, 21, 10)
const PER_MS = 100
const FRAME_MS = 10

const dataset = new Dataset({ seed: 5, services: SERVICES, startMs: START_MS, perMs: PER_MS })
const lines = dataset.lines(RECORDS).trimEnd().split('\n')
const services = [...new Set(lines.map((line) => /"service":"([^"]+)"/.exec(line)![1]!))]

/** Sections as the journal has them: each of one shard, which has one or two services. */
function sections(): ColumnSource[] {
  const paths = new PathTable(12345)
  const scanner = new Scanner(paths)
  const sources: ColumnSource[] = []
  const shardOf = (line: string) => services.findIndex((service) => line.includes(`"service":"${service}"`)) % 8
  const pending = Array.from({ length: 8 }, (): string[] => [])
  const close = (shard: number) => {
    const body = Buffer.from(`${pending[shard]!.join('\n')}\n`)
    pending[shard] = []
    const writer = new ColumnWriter(paths)
    const scan = scanner.open(body, { format: 'ndjson', receivedMs: START_MS, oldestMs: 0, newestMs: START_MS * 2 })
    while (!scan.isDone) {
      scanner.scanChunk(
        scan,
        () => writer,
        ({ reason }) => {
          throw new Error(reason)
        },
      )
    }
    const meta = { tenant: TENANT_DEFAULT, receivedMs: START_MS, keyed: [] }
    sources.push(decodeSection(encodeSection(writer.finish(), meta, { compression: 'none' })).source)
    writer.reset()
  }
  for (const line of lines) {
    const shard = shardOf(line)
    if (pending[shard]!.push(line) === ROWS) close(shard)
  }
  return sources
}

const WORDS = ['timeout', 'refused', 'stripe', 'slow', 'orders', 'giving', 'reserve', 'stock', 'deadlock', 'oom']
for (let i = 0; i < 90; i++) WORDS.push(`rare${i}word`)

function definition(random: Prng, number: number): object {
  const service = random.pick(services)
  const word = random.pick(WORDS)
  const window = random.pick(['1m', '5m', '5m', '1h'])
  const count = { count: '>1000000', window }
  const base = { name: `rule ${number}`, severity: 'P1', channels: ['ops'] }
  const draw = random.below(100)
  if (draw < 30) return { ...base, service, level: 'ERROR', condition: count }
  if (draw < 50) return { ...base, service, query: word, condition: count }
  if (draw < 60) return { ...base, query: word, level: 'ERROR', condition: { ...count, groupBy: 'service' } }
  if (draw < 72) return { ...base, service, query: `message:"${word} after"`, condition: count }
  if (draw < 82) return { ...base, service, query: `status:${random.pick([500, 503, 404])}`, condition: count }
  if (draw < 88) return { ...base, service, query: `latency_ms:>${random.below(3000)}`, condition: count }
  if (draw < 94) {
    const condition = { p95: '>1000000', field: 'latency_ms', window, groupBy: ['host'] }
    return { ...base, service, query: `"/api/${random.pick(['orders', 'cart', 'users'])}"`, condition }
  }
  return { ...base, service, query: `message:/${word} by 10\\.0\\.\\d+/`, condition: count }
}

function rulesOf(count: number): AlertRule[] {
  const random = new Prng(`rules ${count}`)
  return Array.from({ length: count }, (_, i) =>
    normaliseRule(TENANT_DEFAULT, `r${i}`, 1, definition(random, i), START_MS),
  )
}

interface Cost {
  readonly matchUs: number
  readonly countUs: number
  readonly worstMs: number
  readonly matched: number
}

const sources = sections()
const rowCount = sources.reduce((sum, { rowCount: rows }) => sum + rows, 0)

/** CPU of all threads, µs a record; the best of several rounds. */
function measure(rules: readonly AlertRule[]): Cost {
  const set = new RuleSet(rules)
  let matchUs = Number.POSITIVE_INFINITY
  let countUs = Number.POSITIVE_INFINITY
  let worstMs = Number.POSITIVE_INFINITY
  let matched = 0
  const buckets = new RuleBuckets()
  buckets.setRules(rules, () => 0)
  for (let round = 0; round < ROUNDS + 1; round++) {
    matched = 0
    let before = process.cpuUsage()
    for (const source of sources) {
      set.count(source, null, TENANT_DEFAULT, (_term, rows) => {
        matched += rows.length
      })
    }
    let spent = process.cpuUsage(before)
    if (round > 0) matchUs = Math.min(matchUs, (spent.user + spent.system) / rowCount)
    // The same records again, later.
    const later = sources.map((source) => ({
      ...source,
      column: (name: string) => source.column(name),
      timeMs: source.timeMs.map((ms) => ms + (round * RECORDS) / PER_MS),
    }))
    let worst = 0
    before = process.cpuUsage()
    let nextMs = later[0]!.timeMs[0]! + 200
    for (const source of later) {
      const startedMs = performance.now()
      // The journal's time of a frame.
      const nowMs = Math.floor(source.timeMs[0]! / FRAME_MS) * FRAME_MS
      set.count(source, null, TENANT_DEFAULT, (term, rows) => buckets.add(term.rule, term.side, source, rows, nowMs))
      if (nowMs >= nextMs) {
        nextMs += 200
        buckets.changed()
        buckets.expire(nowMs)
      }
      worst = Math.max(worst, performance.now() - startedMs)
    }
    spent = process.cpuUsage(before)
    if (round > 0) countUs = Math.min(countUs, (spent.user + spent.system) / rowCount)
    if (round > 0) worstMs = Math.min(worstMs, worst)
  }
  return { matchUs, countUs, worstMs, matched: matched / rowCount }
}

const ingestUs = 2 * measureYardstick(Buffer.from(lines.slice(0, 20_000).join('\n')))
console.log(`${rowCount} records in sections of ${ROWS}; ingest (2 Y) ${ingestUs.toFixed(2)} µs a record`)
for (const [count, budget] of (values.only === undefined
  ? ([
      [1, ''],
      [5, '<= 3 %'],
      [100, ''],
      [1000, '<= 25 %'],
      [5000, ''],
    ] as const)
  : [[Number(values.only), ''] as const]) as readonly (readonly [number, string])[]) {
  const { matchUs, countUs, worstMs, matched } = measure(rulesOf(count))
  const share = (100 * countUs) / ingestUs
  console.log(
    `${String(count).padStart(5)} rules: match ${matchUs.toFixed(3)} µs, with counting ${countUs.toFixed(3)} µs a record ` +
      `(${matched.toFixed(1)} matches), ${share.toFixed(1)} % of ingest ${budget}; longest slice ${worstMs.toFixed(1)} ms`,
  )
}
