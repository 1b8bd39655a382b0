/**
 * CPU time per record of scanning NDJSON into columns (scan + append + finish + reset, garbage collection included)
 * beside the yardstick Y of the budgets: line → string → JSON.parse → kept. Records of 351 bytes with 11 fields.
 *
 *     node bench/micro/scanner.ts [--records 50000] [--rounds 9] [--shards 8]
 */
import { parseArgs } from 'node:util'
import { CHUNK_ROWS_MAX } from '../../base/limits.ts'
import { ColumnWriter } from '../../ingest/column-writer.ts'
import { PathTable } from '../../ingest/path-table.ts'
import { Scanner } from '../../ingest/scanner.ts'

const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '50000' },
    rounds: { type: 'string', default: '9' },
    shards: { type: 'string', default: '8' },
  },
})
const RECORDS = Number(values.records)
const ROUNDS = Number(values.rounds)
const SHARDS = Number(values.shards)
const NOW_MS = 1_790_000_000_000

/** A strong enough generator (splitmix32): a weak one makes data that compresses too well. */
function randomSource(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x9e3779b9) | 0
    let z = state ^ (state >>> 16)
    z = Math.imul(z, 0x21f0aaad)
    z ^= z >>> 15
    z = Math.imul(z, 0x735a2d97)
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32
  }
}

function generate(records: number): string[] {
  const random = randomSource(7)
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!
  const hex = (digits: number): string => {
    let text = ''
    while (text.length < digits) text += Math.floor(random() * 16).toString(16)
    return text
  }
  const services = ['checkout-service', 'payment-service', 'cart-service', 'user-service', 'inventory', 'gateway']
  const regions = ['eu-west-1', 'us-east-1', 'ap-south-1', 'eu-central-1']
  const lines: string[] = []
  for (let i = 0; i < records; i++) {
    const level = random() < 0.8 ? 'INFO' : pick(['DEBUG', 'WARN', 'ERROR'])
    const order = Math.floor(random() * 1e9)
    const latency = Math.floor(random() * 900) + 1
    const message = pick([
      `Order ${order} created for customer c_${hex(6)} in ${latency} ms`,
      `Payment of ${(random() * 500).toFixed(2)} EUR for order ${order} authorised by provider stripe`,
      `Cache miss for key cart:${hex(8)}, falling back to the database`,
      `Request GET /api/v1/products/${order % 5000} finished with status 200 in ${latency} ms`,
      `Upstream inventory answered slowly: ${latency} ms for sku ${hex(10)}`,
    ])
    const record = {
      timestamp: new Date(NOW_MS + i * 3 + Math.floor(random() * 40)).toISOString(),
      level,
      service: pick(services),
      host: `node-${Math.floor(random() * 40)}.prod.internal`,
      message,
      traceId: hex(32),
      spanId: hex(16),
      metadata: { userId: `u_${Math.floor(random() * 1e6)}`, region: pick(regions) },
      latency_ms: latency,
      status: pick([200, 200, 200, 201, 404, 500]),
    }
    // Padding of the message brings every record to 351 bytes, the newline included.
    const missing = 350 - JSON.stringify(record).length
    if (missing > 0) record.message += ` ref=${hex(64)}`.slice(0, missing)
    lines.push(JSON.stringify(record))
  }
  return lines
}

function median(numbers: number[]): number {
  return numbers.sort((a, b) => a - b)[numbers.length >> 1]!
}

/** Median CPU time of `work` in microseconds per record; all threads of the process, so the collector's too. */
function measure(work: () => void): number {
  const times: number[] = []
  for (let round = 0; round < ROUNDS + 2; round++) {
    const before = process.cpuUsage()
    work()
    const { user, system } = process.cpuUsage(before)
    if (round >= 2) times.push((user + system) / RECORDS)
  }
  return median(times)
}

const lines = generate(RECORDS)
const body = Buffer.from(`${lines.join('\n')}\n`)
const bytesPerRecord = body.length / RECORDS

function parseAll(): void {
  const kept: unknown[] = []
  let from = 0
  while (from < body.length) {
    const to = body.indexOf(10, from)
    if (kept.length === 10_000) kept.length = 0
    kept.push(JSON.parse(body.toString('latin1', from, to)))
    from = to + 1
  }
}

const paths = new PathTable(12345)
const scanner = new Scanner(paths)
const writers = Array.from({ length: SHARDS }, () => new ColumnWriter(paths))
let rows = 0
let cells = 0

function scanAll(): void {
  const scan = scanner.open(body, { format: 'ndjson', receivedMs: NOW_MS, oldestMs: 0, newestMs: NOW_MS * 2 })
  while (!scan.isDone) {
    scanner.scanChunk(
      scan,
      (bytes, start, end) => writers[(bytes[start]! * 7 + bytes[end - 1]! * 3 + (end - start)) % SHARDS]!,
      (rejection) => {
        throw new Error(`record ${rejection.index}: ${rejection.reason}`)
      },
    )
    for (const writer of writers) {
      if (writer.rowCount === 0) continue
      const source = writer.finish()
      rows += source.rowCount
      for (const name of source.columnNames) cells += source.column(name)!.kind === 'bytes' ? 1 : 2
      writer.reset()
    }
  }
}

const scanned = measure(scanAll)
const parsed = measure(parseAll)
if (rows !== RECORDS * (ROUNDS + 2) || cells === 0) throw new Error('rows are missing')
console.log(
  `records ${RECORDS}, ${bytesPerRecord.toFixed(1)} bytes each, ${SHARDS} writers, chunks of ≤ ${CHUNK_ROWS_MAX}`,
)
const share = (100 * scanner.takenByKernel) / rows
console.log(`by the kernel           ${share.toFixed(1)} %`)
console.log(`scan + append + finish  ${scanned.toFixed(3)} µs/record  ${(bytesPerRecord / scanned).toFixed(0)} MB/s`)
console.log(`yardstick (JSON.parse)  ${parsed.toFixed(3)} µs/record  ${(bytesPerRecord / parsed).toFixed(0)} MB/s`)
console.log(`ratio                   ${(scanned / parsed).toFixed(3)} Y`)
