import { parseArgs } from 'node:util'
import { NodeProcess } from '../test/harness/node-process.ts'
import { Client, quantile } from './client.ts'
import { Dataset } from './dataset.ts'

/**
 * `npm run load`: searches and posts at a steady pace at the same time, and how long each took. Options: --seconds 20, --records 50000 and
 * --searches 200 a second, --batch 500 records a request, --url of a running node instead of one that is started, --workers of that one.
 *
 * The pace is kept whatever the answers do: each time counts from the moment at which the request was due, so that a stall shows in
 * all that it held up.
 */
const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '20' },
    records: { type: 'string', default: '50000' },
    searches: { type: 'string', default: '200' },
    batch: { type: 'string', default: '500' },
    url: { type: 'string' },
    workers: { type: 'string' },
  },
})

const SEARCH_P95_BUDGET_MS = 100
const RECEIPT_P95_BUDGET_MS = 25
const NDJSON = { 'content-type': 'application/x-ndjson' }
/** Distinct bodies; they are posted in turn, which the node cannot know. */
const BODIES = 40
/** Requests under way beyond which the node is no longer keeping up; more are counted as not sent. */
const IN_FLIGHT_MAX = 2000

/** What people and dashboards ask, in turn. */
const SEARCHES: readonly Readonly<Record<string, string>>[] = [
  { query: 'level:ERROR', limit: '50' },
  { query: '"gateway timeout"', limit: '20' },
  { query: 'service:checkout status:>=500', limit: '50' },
  { query: 'metadata.userId:u_4711', limit: '20' },
  { query: 'level:ERROR service:payment stock', limit: '20' },
  { query: '*', limit: '100' },
  { query: 'latency_ms:>2500', limit: '20', total: 'none' },
  { query: 'stripe OR refused', service: 'cart', limit: '20' },
]

/** Times of one kind of request. */
class Tally {
  readonly times: number[] = []
  readonly errors = new Map<string, number>()
  inFlight = 0

  fail(what: string): void {
    this.errors.set(what, (this.errors.get(what) ?? 0) + 1)
  }

  report(name: string, budgetMs: number): boolean {
    const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => quantile(this.times, share)) as [number, number, number]
    const errors = [...this.errors].map(([what, count]) => `${count} × ${what}`).join(', ') || 'none'
    const isMet = p95 <= budgetMs && this.errors.size === 0
    console.log(
      `${name.padEnd(9)} ${String(this.times.length).padStart(6)} answers   p50 ${ms(p50)}   p95 ${ms(p95)}   p99 ${ms(p99)}` +
        `   budget of p95 ${budgetMs} ms: ${isMet ? 'met' : 'missed'}   errors: ${errors}`,
    )
    return isMet
  }
}

function ms(value: number): string {
  return `${value.toFixed(1).padStart(7)} ms`
}

/** Sends at `perSecond` until `endMs`; resolves when all have been answered. */
async function paced(
  perSecond: number,
  endMs: number,
  tally: Tally,
  send: (n: number) => Promise<string | undefined>,
): Promise<void> {
  const startedMs = performance.now()
  const underWay = new Set<Promise<void>>()
  for (let n = 0; ; n++) {
    const dueMs = startedMs + (n * 1000) / perSecond
    if (dueMs >= endMs) break
    const waitMs = dueMs - performance.now()
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
    if (tally.inFlight >= IN_FLIGHT_MAX) {
      tally.fail('not sent: too many wait for an answer')
      continue
    }
    tally.inFlight++
    const sent = send(n)
      .then(
        (error) => (error === undefined ? void tally.times.push(performance.now() - dueMs) : tally.fail(error)),
        (error: Error) => tally.fail(error.message),
      )
      .finally(() => {
        tally.inFlight--
        underWay.delete(sent)
      })
    underWay.add(sent)
  }
  await Promise.all(underWay)
}

async function load(url: string): Promise<boolean> {
  const seconds = Number(options.seconds)
  const batch = Number(options.batch)
  const dataset = new Dataset({ startMs: Date.now() - 60_000, perMs: 1, seed: 7 })
  const bodies = Array.from({ length: BODIES }, () => Buffer.from(dataset.lines(batch)))
  const [posting, searching] = [new Client(url, 16), new Client(url, 16)]
  const [receipts, searches] = [new Tally(), new Tally()]
  let incomplete = 0
  const post = async (n: number): Promise<string | undefined> => {
    const { status } = await posting.post('/v1/logs/ingest', bodies[n % bodies.length]!, NDJSON)
    return status === 200 ? undefined : `status ${status}`
  }
  const search = async (n: number): Promise<string | undefined> => {
    const answer = await searching.get('/v1/logs/search', { from: 'now-1h', ...SEARCHES[n % SEARCHES.length]! })
    if (answer.status !== 200) return `status ${answer.status}`
    if (!answer.body.includes('"complete":true')) incomplete++
    return undefined
  }
  const endMs = performance.now() + seconds * 1000
  console.log(`${options.records} records and ${options.searches} searches a second for ${seconds} s, against ${url}`)
  await Promise.all([
    paced(Number(options.records) / batch, endMs, receipts, post),
    paced(Number(options.searches), endMs, searches, search),
  ])
  posting.close()
  searching.close()
  const areMet = [receipts.report('receipts', RECEIPT_P95_BUDGET_MS), searches.report('searches', SEARCH_P95_BUDGET_MS)]
  console.log(
    `${receipts.times.length * batch} records were posted; ${incomplete} answers said that they were incomplete`,
  )
  return areMet.every((isMet) => isMet) && incomplete === 0
}

if (options.url !== undefined) process.exitCode = (await load(options.url)) ? 0 : 1
else {
  const workers = options.workers === undefined ? {} : { workers: options.workers }
  const node = await NodeProcess.start(workers, { showErrors: true })
  try {
    const [cpuBefore, startedMs] = [node.cpuMicroseconds(), performance.now()]
    process.exitCode = (await load(node.url)) ? 0 : 1
    const cores = (node.cpuMicroseconds() - cpuBefore) / 1000 / (performance.now() - startedMs)
    const { rss, peak } = node.memory()
    console.log(
      `the node used ${cores.toFixed(2)} cores and holds ${Math.round(rss / 2 ** 20)} MiB, ${Math.round(peak / 2 ** 20)} at its peak`,
    )
  } finally {
    await node.kill()
  }
}
