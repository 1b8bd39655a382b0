import { HttpClient } from '../harness/http-client.ts'

const ANSWER_MS_MAX = 30_000
/** A batch that nobody takes for so long is lost. */
const DELIVERY_MS_MAX = 300_000
const RETRY_MS = 200
const PAGE_ROWS = 10_000
const SERVICES = 64
const LEVELS = ['INFO', 'DEBUG', 'WARN', 'ERROR']

/** What has been sent, and what came of it. */
export class Ledger {
  readonly run: string
  /** Numbers of the records whose batch was acknowledged. */
  readonly acknowledged = new Set<number>()
  readonly receiptMs: number[] = []
  /** Answers and failures after which a batch was sent again, by kind. */
  readonly retries = new Map<string, number>()
  #next = 0

  constructor(run: string) {
    this.run = run
  }

  /** NDJSON of the next records of the run, and their numbers. */
  batch(size: number): { readonly numbers: readonly number[]; readonly body: string } {
    const numbers = Array.from({ length: size }, (_, i) => this.#next + i)
    this.#next += size
    const lines = numbers.map((number) =>
      JSON.stringify({
        timestamp: new Date().toISOString(),
        service: `service-${number % SERVICES}`,
        level: LEVELS[number % LEVELS.length],
        host: `host-${number % 7}`,
        message: `request ${number} was answered after ${number % 997} ms`,
        metadata: { run: this.run, number },
      }),
    )
    return { numbers, body: lines.join('\n') }
  }

  settle(numbers: readonly number[], ms: number): void {
    for (const number of numbers) this.acknowledged.add(number)
    this.receiptMs.push(ms)
  }

  retried(kind: string): void {
    this.retries.set(kind, (this.retries.get(kind) ?? 0) + 1)
  }
}

/**
 * Sends one batch to one address after another until it is acknowledged. Without a key only refusals are tried again (D1, D4): whoever was not answered
 * does not know whether it was stored. Throws when it is not delivered.
 */
export async function deliver(ledger: Ledger, size: number, nextUrl: () => string, key?: string): Promise<void> {
  const { numbers, body } = ledger.batch(size)
  const startedMs = performance.now()
  for (;;) {
    const url = nextUrl()
    const http = new HttpClient(url)
    let problem: string
    try {
      const { status, text } = await http.send('/v1/logs/ingest', {
        method: 'POST',
        headers: { 'content-type': 'application/x-ndjson', ...(key === undefined ? {} : { 'idempotency-key': key }) },
        body,
        signal: AbortSignal.timeout(ANSWER_MS_MAX),
      })
      if (status === 200 && JSON.parse(text).accepted === size) {
        ledger.settle(numbers, performance.now() - startedMs)
        return
      }
      // The balancer's own answers are no JSON.
      problem = `${status} ${/"code":"(\w+)"/.exec(text)?.[1] ?? 'of the balancer'}`
      const isRefusal = status === 429 || status === 503
      if (!isRefusal && key === undefined) throw new Error(`${url} answered ${status}: ${text}`)
    } catch (error) {
      if (key === undefined) throw error
      problem = (error as NodeJS.ErrnoException).code ?? (error as Error).name
    } finally {
      http.close()
    }
    ledger.retried(problem)
    if (performance.now() - startedMs > DELIVERY_MS_MAX) throw new Error(`a batch was not taken: ${problem}`)
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
  }
}

/** Numbers of the run's records that a node finds, as often as it finds them. Throws when an answer is not complete. */
export async function findAll(url: string, run: string): Promise<number[]> {
  const http = new HttpClient(url)
  try {
    const numbers: number[] = []
    let cursor: string | undefined
    do {
      const parameters = new URLSearchParams({
        query: `metadata.run:${run}`,
        from: '0',
        to: 'now+1d',
        order: 'asc',
        limit: String(PAGE_ROWS),
        total: 'none',
        fields: 'metadata.number',
        ...(cursor === undefined ? {} : { cursor }),
      })
      const { status, text } = await http.get(`/v1/logs/search?${parameters}`)
      if (status !== 200) throw new Error(`${url} answered ${status}: ${text}`)
      const page = JSON.parse(text) as Page
      if (!page.coverage.complete) throw new Error(`${url} found a part: ${JSON.stringify(page.coverage)}`)
      for (const { metadata } of page.logs) numbers.push(metadata.number)
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined)
    return numbers
  } finally {
    http.close()
  }
}

interface Page {
  readonly logs: readonly { readonly metadata: { readonly number: number } }[]
  readonly nextCursor?: string | null
  readonly coverage: { readonly complete: boolean }
}

/** What of the acknowledged records is missing, found more than once, or found though nobody was told that it was stored. */
export function compare(ledger: Ledger, found: readonly number[]) {
  const seen = new Set(found)
  return {
    missing: [...ledger.acknowledged].filter((number) => !seen.has(number)).length,
    doubled: found.length - seen.size,
    unacknowledged: [...seen].filter((number) => !ledger.acknowledged.has(number)).length,
  }
}
