import { EXIT_FAILED, EXIT_OK } from '../../exit-status.ts'
import { makeBatch } from '../bench-records.ts'
import type { Call } from '../command.ts'
import type { CONNECTION_OPTIONS } from '../common-options.ts'
import { RefusedFailure, UsageFailure } from '../failures.ts'
import { countText } from '../list-printer.ts'
import { bytesText } from '../progress.ts'
import type { BENCH_OPTIONS } from '../send-commands.ts'
import { type Column, tableText } from '../table.ts'
import { durationOption } from '../time-option.ts'

const CONNECTIONS_MAX = 256
const BATCH_MAX = 10_000
const SHOW_EVERY_MS = 500
const BUSY_MS_DEFAULT = 1000

type BenchCall = Call<typeof BENCH_OPTIONS & typeof CONNECTION_OPTIONS>

/** `weir bench` */
export async function run(call: BenchCall): Promise<number> {
  const { options, env, clock, terminal } = call
  if (options.url === undefined && !env.WEIR_URL)
    throw new UsageFailure('weir bench stores records: name the node by --url')
  const { connections, batch } = options
  if (connections < 1 || connections > CONNECTIONS_MAX)
    throw new UsageFailure(`--connections is 1 to ${CONNECTIONS_MAX}`)
  if (batch < 1 || batch > BATCH_MAX) throw new UsageFailure(`--batch is 1 to ${BATCH_MAX}`)
  const load = new Load(call, clock.monotonicMs() + durationOption('duration', options.duration))
  const showing = clock.every(SHOW_EVERY_MS, () => terminal.status(load.progress))
  try {
    await Promise.all(Array.from({ length: connections }, () => load.run()))
  } finally {
    showing.cancel()
    terminal.endStatus()
  }
  const result = load.result
  const isTable = options.output === 'table' || (options.output === 'auto' && terminal.outIsTty)
  await terminal.write(isTable ? resultText(result) : `${JSON.stringify(result)}\n`)
  return result.refusedRequests + result.rejectedRecords > 0 ? EXIT_FAILED : EXIT_OK
}

interface BenchResult {
  readonly seconds: number
  readonly records: number
  readonly bytes: number
  readonly requests: number
  /** Answered with 429 or 503. */
  readonly refusedRequests: number
  readonly rejectedRecords: number
  readonly recordsPerSecond: number
  readonly bytesPerSecond: number
  /** Of receipts, ms; at a rate from when a request was due, so that a node that is behind is not flattered. */
  readonly receiptMs: { readonly p50: number; readonly p95: number; readonly p99: number; readonly max: number }
}

/** Connections that post one batch after the other until the time is over. */
class Load {
  readonly #call: BenchCall
  readonly #startMs: number
  readonly #endMs: number
  readonly #latenciesMs: number[] = []
  #started = 0
  #records = 0
  #bytes = 0
  #refused = 0
  #rejected = 0

  constructor(call: BenchCall, endMs: number) {
    this.#call = call
    this.#startMs = call.clock.monotonicMs()
    this.#endMs = endMs
  }

  async run(): Promise<void> {
    const { clock, signal, options } = this.#call
    while (clock.monotonicMs() < this.#endMs) {
      const number = this.#started++
      const nowMs = clock.monotonicMs()
      const dueMs = options.rate === 0 ? nowMs : this.#startMs + (number * options.batch * 1000) / options.rate
      if (dueMs >= this.#endMs) return
      if (dueMs > nowMs) await clock.sleep(dueMs - nowMs, signal)
      await this.#post(number, dueMs)
    }
  }

  async #post(number: number, dueMs: number): Promise<void> {
    const { clock, signal, options, node } = this.#call
    const body = makeBatch(number, options.batch, options.services, clock)
    try {
      const { accepted, rejected } = await node().json<{ readonly accepted: number; readonly rejected: number }>(
        '/v1/logs/ingest',
        { method: 'POST', headers: { 'content-type': 'application/x-ndjson' }, body },
      )
      this.#latenciesMs.push(clock.monotonicMs() - dueMs)
      this.#records += accepted
      this.#rejected += rejected
      this.#bytes += body.length
    } catch (error) {
      if (!(error instanceof RefusedFailure) || !error.isPassing) throw error
      this.#refused++
      await clock.sleep(error.retryAfterMs ?? BUSY_MS_DEFAULT, signal)
    }
  }

  get progress(): string {
    const seconds = (this.#call.clock.monotonicMs() - this.#startMs) / 1000
    return `${seconds.toFixed(0)} s  ${countText(this.#records)} records  ${countText(Math.round(this.#records / seconds))}/s`
  }

  get result(): BenchResult {
    const seconds = (this.#call.clock.monotonicMs() - this.#startMs) / 1000
    const sorted = Float64Array.from(this.#latenciesMs).sort()
    const at = (share: number) => rounded(sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0)
    return {
      seconds: rounded(seconds),
      records: this.#records,
      bytes: this.#bytes,
      requests: sorted.length,
      refusedRequests: this.#refused,
      rejectedRecords: this.#rejected,
      recordsPerSecond: Math.round(this.#records / seconds),
      bytesPerSecond: Math.round(this.#bytes / seconds),
      receiptMs: { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) },
    }
  }
}

function resultText(result: BenchResult): string {
  const { receiptMs } = result
  const rows: readonly (readonly [string, string])[] = [
    ['records', `${countText(result.records)} in ${result.seconds} s, ${bytesText(result.bytes)}`],
    ['rate', `${countText(result.recordsPerSecond)} records/s, ${bytesText(result.bytesPerSecond)}/s`],
    ['receipts', `p50 ${receiptMs.p50} ms, p95 ${receiptMs.p95} ms, p99 ${receiptMs.p99} ms, max ${receiptMs.max} ms`],
    ['requests', `${countText(result.requests)}, ${result.refusedRequests} refused as the node was busy`],
  ]
  const columns: readonly Column<(typeof rows)[number]>[] = [
    { title: '', text: ([name]) => name },
    { title: '', text: ([, value]) => value },
  ]
  return tableText(columns, rows).trimStart()
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100
}
