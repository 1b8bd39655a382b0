import type { Clock } from '../../base/clock.ts'

const LEVELS = ['INFO', 'INFO', 'INFO', 'INFO', 'INFO', 'INFO', 'DEBUG', 'DEBUG', 'WARN', 'ERROR']
const MESSAGES = [
  (n: number) => `Order ${n} created for customer c_${n % 5003}`,
  (n: number) => `GET /api/v1/products/${n % 977} answered in ${n % 431} ms`,
  (n: number) => `cache miss for session s_${n % 10_007}, loading from the database`,
  (n: number) => `payment of ${(n % 50_000) / 100} EUR for order ${n} settled`,
]

/** NDJSON of ordinary records, some 200 bytes each, of services `weir-bench-0` and on. */
export function makeBatch(number: number, records: number, services: number, clock: Clock): Buffer {
  const timestamp = new Date(clock.nowMs()).toISOString()
  let text = ''
  for (let i = 0; i < records; i++) {
    const n = number * records + i
    const message = (MESSAGES[n % MESSAGES.length] as (typeof MESSAGES)[number])(n)
    const level = LEVELS[(n * 7) % LEVELS.length]
    text += `{"timestamp":"${timestamp}","level":"${level}","service":"weir-bench-${n % Math.max(1, services)}","host":"bench-${n % 4}","message":"${message}","traceId":"${(n % 100_000).toString(16).padStart(32, '0')}","latency_ms":${n % 431}}\n`
  }
  return Buffer.from(text)
}
