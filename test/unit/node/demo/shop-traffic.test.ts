import { deepEqual, equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { Prng } from '../../../../base/prng.ts'
import { DEMO_ENVIRONMENT, SHOP_SERVICES } from '../../../../node/demo/shop-fleet.ts'
import { ShopTraffic } from '../../../../node/demo/shop-traffic.ts'

/** The quietest hour: fewest records a second. */
const START_MS = Date.UTC(2026, 0, 1, 7)
const STEP_MS = 1000

interface Line {
  readonly timestamp: string
  readonly level: string
  readonly service: string
  readonly message: string
  readonly traceId?: string
  readonly spanId?: string
  readonly parentSpanId?: string
  readonly env: string
}

function* steps(seed: string, forMs: number): Generator<{ untilMs: number; lines: string[] }> {
  const traffic = new ShopTraffic(new Prng(seed), START_MS)
  for (let untilMs = START_MS + STEP_MS; untilMs <= START_MS + forMs; untilMs += STEP_MS) {
    yield { untilMs, lines: traffic.until(untilMs) }
  }
}

function linesOf(seed: string, forMs: number): Line[] {
  return [...steps(seed, forMs)].flatMap(({ lines }) => lines.map((line) => JSON.parse(line) as Line))
}

test('the same seed makes the same records, another seed others', () => {
  const made = (seed: string) => [...steps(seed, 10_000)]
  deepEqual(made('a'), made('a'))
  ok(made('a')[0]!.lines[0] !== made('b')[0]!.lines[0])
})

test('records come in the order of time, none before it has happened, a hundred a second at the quietest', () => {
  let lastMs = 0
  let count = 0
  for (const { untilMs, lines } of steps('order', 60_000)) {
    for (const line of lines) {
      const { timestamp } = JSON.parse(line) as Line
      const timeMs = Date.parse(timestamp)
      ok(timeMs >= lastMs && timeMs <= untilMs, `${timestamp} after ${lastMs}, until ${untilMs}`)
      lastMs = timeMs
      count++
    }
  }
  ok(count > 60 * 50 && count < 60 * 1000, `${count} in a minute`)
})

test('every span has its parent in the same trace, and begins after it', () => {
  const first = new Map<string, Line>()
  const crossed = new Map<string, Set<string>>()
  for (const line of linesOf('traces', 60_000)) {
    if (line.traceId === undefined) continue
    const span = `${line.traceId}/${line.spanId}`
    if (!first.has(span)) first.set(span, line)
    const services = crossed.get(line.traceId) ?? new Set()
    crossed.set(line.traceId, services.add(line.service))
  }
  // A span that has not logged yet when the time is up is nobody's fault: all parents log before they call.
  for (const line of first.values()) {
    if (line.parentSpanId === undefined) continue
    const parent = first.get(`${line.traceId}/${line.parentSpanId}`)
    ok(parent !== undefined && parent.timestamp <= line.timestamp, line.message)
  }
  ok(
    [...crossed.values()].some((services) => services.size >= 6),
    'an order crosses the shop',
  )
})

test('half an hour has every service, every level, an outage of the payment provider, deployments and stack traces', () => {
  const lines = [...steps('half an hour', 1_800_000)].flatMap((step) => step.lines)
  const saying = (text: string) => lines.filter((line) => line.includes(text)).length
  equal(saying(`"env":"${DEMO_ENVIRONMENT}"`), lines.length)
  for (const service of SHOP_SERVICES) ok(saying(`"service":"${service}"`) > 0, service)
  for (const level of ['DEBUG', 'INFO', 'WARN', 'ERROR']) ok(saying(`"level":"${level}"`) > 0, level)
  ok(saying('payment gateway timeout') > 20)
  ok(saying('SocketTimeoutException') > 5)
  ok(saying('slow query') > 0)
  ok(saying('deploy finished') > 0)
})
