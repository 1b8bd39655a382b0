import { parseArgs } from 'node:util'
import { Client, quantile } from './client.ts'
import { waitUntilSearchable } from './ingest.ts'
import { LiveBodies } from './live-bodies.ts'
import { type JournalFigures, journalFigures, runningNodes, startCluster, startNode } from './load-target.ts'
import { measureYardstick } from './yardstick.ts'

/**
 * `npm run load`: searches and posts at a steady pace at the same time, how long each took, and what it cost. Options: --seconds 20, after
 * --warm-up 5; --records 50000 (or `max`: as fast as they are taken) and --searches 200 a second; --batch 500 records a request.
 *
 * What is loaded: one node that it starts; with --nodes 3 --nats 3 a cluster that it starts; with --url a,b,c nodes that run. --workers of each
 * node, --profiles a directory for CPU profiles of the nodes that it starts.
 *
 * Records carry the time at which they are posted, and searches look at the last hour.
 * The pace is kept whatever the answers do: each time counts from the moment at which the request was due, so that a stall shows in
 * all that it held up. Requests go to the nodes in turn. CPU counts until the last record is found, searches included.
 */
const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '20' },
    'warm-up': { type: 'string', default: '5' },
    records: { type: 'string', default: '50000' },
    searches: { type: 'string', default: '200' },
    batch: { type: 'string', default: '500' },
    url: { type: 'string' },
    nodes: { type: 'string' },
    nats: { type: 'string', default: '3' },
    workers: { type: 'string' },
    profiles: { type: 'string' },
  },
})

const SEARCH_P95_BUDGET_MS = 100
/** Of ingest, nodes and NATS servers together, in yardsticks a record. */
const CPU_BUDGET_Y = 1.8
const NDJSON = { 'content-type': 'application/x-ndjson' }
/** Distinct bodies, posted in turn. */
const BODIES = 40
/** A sender gathers records for so long before it posts them. */
const SPAN_MS = 200
/** Requests under way beyond which the nodes are no longer keeping up; more are counted as not sent. */
const IN_FLIGHT_MAX = 2000
const CONNECTIONS = 16
/** Of `--records max`: requests under way at each node. */
const SENDERS = 6

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

  report(name: string, budgetMs: number | undefined): boolean {
    const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => quantile(this.times, share)) as [number, number, number]
    const errors = [...this.errors].map(([what, count]) => `${count} × ${what}`).join(', ') || 'none'
    const isMet = (budgetMs === undefined || p95 <= budgetMs) && this.errors.size === 0
    const budget = budgetMs === undefined ? '' : `   budget of p95 ${budgetMs} ms: ${isMet ? 'met' : 'missed'}`
    console.log(
      `${name.padEnd(9)} ${String(this.times.length).padStart(6)} answers   p50 ${ms(p50)}   p95 ${ms(p95)}   p99 ${ms(p99)}` +
        `${budget}   errors: ${errors}`,
    )
    return isMet
  }
}

function ms(value: number): string {
  return `${value.toFixed(1).padStart(7)} ms`
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en')
}

type Send = (n: number) => Promise<string | undefined>

/** Sends at `perSecond` until `endMs`; resolves when all have been answered. */
async function paced(perSecond: number, endMs: number, tally: Tally, send: Send): Promise<void> {
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
    const sent = timed(n, dueMs, tally, send).finally(() => underWay.delete(sent))
    underWay.add(sent)
  }
  await Promise.all(underWay)
}

/** So many at a time until `endMs`, each as soon as one is answered. */
async function asFastAsTaken(senders: number, endMs: number, tally: Tally, send: Send): Promise<void> {
  let n = 0
  const sender = async (): Promise<void> => {
    while (performance.now() < endMs) await timed(n++, performance.now(), tally, send)
  }
  await Promise.all(Array.from({ length: senders }, sender))
}

async function timed(n: number, sinceMs: number, tally: Tally, send: Send): Promise<void> {
  tally.inFlight++
  try {
    const error = await send(n)
    if (error === undefined) tally.times.push(performance.now() - sinceMs)
    else tally.fail(error)
  } catch (error) {
    tally.fail(error instanceof Error ? error.message : String(error))
  }
  tally.inFlight--
}

/** One period of load. */
interface Period {
  readonly receipts: Tally
  readonly searches: Tally
  readonly incomplete: number
  /** That were acknowledged. */
  readonly records: number
  readonly tookMs: number
}

/** Puts the nodes of `urls` under load, for as many periods as it is asked. */
class Load {
  readonly #posting: readonly Client[]
  readonly #searching: readonly Client[]
  readonly #batch = Number(options.batch)
  readonly #bodies: LiveBodies
  /** Of all periods. */
  #posted = 0

  constructor(urls: readonly string[]) {
    this.#bodies = new LiveBodies(BODIES, this.#batch, 7)
    this.#posting = urls.map((url) => new Client(url, CONNECTIONS))
    this.#searching = urls.map((url) => new Client(url, CONNECTIONS))
  }

  yardstick(): number {
    return measureYardstick(this.#bodies.all())
  }

  async run(seconds: number): Promise<Period> {
    const [receipts, searches] = [new Tally(), new Tally()]
    let incomplete = 0
    const post: Send = async (n) => {
      const client = this.#posting[n % this.#posting.length]!
      const { status } = await client.post('/v1/logs/ingest', this.#bodies.body(n, SPAN_MS), NDJSON)
      return status === 200 ? undefined : `status ${status}`
    }
    const search: Send = async (n) => {
      const client = this.#searching[n % this.#searching.length]!
      const answer = await client.get('/v1/logs/search', { from: 'now-1h', ...SEARCHES[n % SEARCHES.length]! })
      if (answer.status !== 200) return `status ${answer.status}`
      if (!answer.body.includes('"complete":true')) incomplete++
      return undefined
    }
    const startedMs = performance.now()
    const endMs = startedMs + seconds * 1000
    await Promise.all([
      options.records === 'max'
        ? asFastAsTaken(SENDERS * this.#posting.length, endMs, receipts, post)
        : paced(Number(options.records) / this.#batch, endMs, receipts, post),
      Number(options.searches) > 0 ? paced(Number(options.searches), endMs, searches, search) : undefined,
    ])
    const records = receipts.times.length * this.#batch
    this.#posted += records
    return { receipts, searches, incomplete, records, tookMs: performance.now() - startedMs }
  }

  /** Resolves when all that was posted is found, from every node. */
  async caughtUp(): Promise<void> {
    for (const client of this.#searching) await waitUntilSearchable(client, this.#posted)
  }

  close(): void {
    for (const client of [...this.#posting, ...this.#searching]) client.close()
  }
}

function reportJournal(before: JournalFigures, after: JournalFigures, tookMs: number): void {
  const frames = after.frames - before.frames
  const perFrame = (after.records - before.records) / frames
  const kib = (after.frameBytes - before.frameBytes) / frames / 1024
  console.log(
    `journal   ${count((frames * 1000) / tookMs)} messages a second, ${count(perFrame)} records and ${kib.toFixed(1)} KiB each`,
  )
}

function reportRate({ records, incomplete, tookMs }: Period): void {
  const rate = `${count(records)} records were posted, ${count((records * 1000) / tookMs)} a second`
  console.log(`${rate}; ${incomplete} answers said that they were incomplete`)
}

async function main(): Promise<boolean> {
  const given = {
    ...(options.workers === undefined ? {} : { workers: options.workers }),
    ...(options.profiles === undefined ? {} : { profiles: options.profiles }),
  }
  const target =
    options.url !== undefined
      ? runningNodes(options.url.split(','))
      : options.nodes !== undefined
        ? await startCluster(Number(options.nodes), Number(options.nats), given)
        : await startNode(given)
  const load = new Load(target.urls)
  try {
    const pace = options.records === 'max' ? 'as many records as are taken' : `${options.records} records`
    console.log(`${pace} and ${options.searches} searches a second for ${options.seconds} s, against ${target.what}`)
    const yardstick = load.yardstick()
    await load.run(Number(options['warm-up']))
    if (target.cpu !== undefined) await load.caughtUp()
    const [journal, cpu] = [await journalFigures(target.urls), target.cpu?.()]
    const period = await load.run(Number(options.seconds))
    const journalAfter = await journalFigures(target.urls)
    const budgetMs = options.records === 'max' ? undefined : target.receiptP95BudgetMs
    const areMet = [period.receipts.report('receipts', budgetMs)]
    if (period.searches.times.length > 0) areMet.push(period.searches.report('searches', SEARCH_P95_BUDGET_MS))
    reportRate(period)
    reportJournal(journal, journalAfter, period.tookMs)
    if (target.cpu !== undefined && cpu !== undefined) {
      await load.caughtUp()
      const after = target.cpu()
      const nodes = (after.nodes - cpu.nodes) / period.records
      const servers = (after.natsServers - cpu.natsServers) / period.records
      const perCore = 1e6 / (nodes + servers)
      console.log(
        `CPU       nodes ${nodes.toFixed(2)} µs, NATS servers ${servers.toFixed(2)} µs a record: ${((nodes + servers) / yardstick).toFixed(2)} Y ` +
          `(Y is ${yardstick.toFixed(2)} µs; budget of ingest through one of each ${CPU_BUDGET_Y} Y), ${count(perCore)} records a second and core`,
      )
    }
    if (target.memory !== undefined) {
      const { rss, peak } = target.memory()
      console.log(`memory    ${count(rss / 2 ** 20)} MiB, ${count(peak / 2 ** 20)} at its peak`)
    }
    return areMet.every((isMet) => isMet) && period.incomplete === 0
  } finally {
    load.close()
    await target.stop()
  }
}

process.exitCode = (await main()) ? 0 : 1
