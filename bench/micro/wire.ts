import { decodeWire, encodeWire } from '../../actors/runtime/wire-codec.ts'
import { systemClock } from '../../base/clock.ts'

/**
 * What an answer costs on its way to another node: `node bench/micro/wire.ts`. 100 rows of findRows, 62 KB; beside it the copy that
 * postMessage makes between threads, and JSON. Best of several rounds, milliseconds an answer.
 */
const ROUNDS = 10
const TIMES = 300

const rows = Array.from({ length: 100 }, (_, row) => ({
  key: { timeMs: 1.7e12 + row, timeNs: 123_456, shard: 3, generation: 1, sequence: 123_456 + row, row },
  json: JSON.stringify({
    id: '0123456789abcdef'.repeat(2),
    timestamp: '2026-01-01T00:00:00.000Z',
    level: 'INFO',
    service: 'checkout',
    message: `payment ${row} authorised by provider, amount ${row * 97} ${row % 5 === 0 ? '€' : 'cents'}`,
    metadata: { path: '/api/v1/orders/'.repeat(12), trace: 'd0c5'.repeat(32) },
  }),
}))
const stats = { blocks: 1, blocksSkipped: 20, rowsScanned: 8192, bytesRead: 65_536 }
const tier = { blocks: 1, rows: 8192 }
const answer = { report: { missing: [], stats, hot: tier, warm: tier }, rows, count: 100, countIsLowerBound: true }

const bytes = encodeWire(answer)
const json = JSON.stringify(answer)
console.log(`answer of ${rows.length} rows: ${bytes.length} bytes`)
measure('encode', () => encodeWire(answer))
measure('decode', () => decodeWire(bytes))
measure('structuredClone', () => structuredClone(answer))
measure('JSON.stringify', () => JSON.stringify(answer))
measure('JSON.parse', () => JSON.parse(json))

function measure(name: string, run: () => unknown): void {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < ROUNDS; round++) {
    const startedMs = systemClock.monotonicMs()
    for (let i = 0; i < TIMES; i++) run()
    best = Math.min(best, (systemClock.monotonicMs() - startedMs) / TIMES)
  }
  console.log(`${name.padEnd(18)}${best.toFixed(3)} ms`)
}
