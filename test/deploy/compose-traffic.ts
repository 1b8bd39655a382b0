import { HttpClient } from '../harness/http-client.ts'
import { deliver, type Ledger } from './compose-load.ts'

const SENDERS = 8
const BATCH = 100
const SEARCH_EVERY_MS = 100
const SEARCH_MS_MAX = 15_000

/** What callers saw while something was done to the cluster. */
export interface Seen {
  readonly records: number
  /** Of one batch, with all that was tried again. */
  readonly longestReceiptMs: number
  readonly searches: number
  /** Without a search that was answered in full. */
  readonly longestBlindMs: number
  /** Searches that were answered in part, and said so. */
  readonly partial: number
}

export interface TrafficOptions {
  readonly ledger: Ledger
  /** Where to send; asked for each attempt. */
  readonly urls: () => readonly string[]
  readonly searchUrl: string
  readonly recordsPerSecond: number
}

/** Records with keys and searches without a pause, until it is ended. */
export class Traffic {
  readonly #options: TrafficOptions
  readonly #running: Promise<unknown>
  #isOver = false
  #turn = 0
  #batch = 0
  #from = { records: 0, receipts: 0 }
  #searches = 0
  #partial = 0
  #longestBlindMs = 0
  #lastSeenMs = performance.now()

  constructor(options: TrafficOptions) {
    this.#options = options
    this.#running = Promise.all([this.#search(), ...Array.from({ length: SENDERS }, () => this.#send())])
    // Told to those who wait for it.
    this.#running.catch(() => undefined)
  }

  /** Rejects at once when records cannot be delivered. */
  async during<T>(work: Promise<T>): Promise<T> {
    return (await Promise.race([work, this.#running])) as T
  }

  async end(): Promise<void> {
    this.#isOver = true
    await this.#running
  }

  /** Since the last call. */
  take(): Seen {
    const { ledger } = this.#options
    const receipts = ledger.receiptMs.slice(this.#from.receipts)
    const seen = {
      records: ledger.acknowledged.size - this.#from.records,
      longestReceiptMs: receipts.reduce((longest, ms) => Math.max(longest, ms), 0),
      searches: this.#searches,
      longestBlindMs: Math.max(this.#longestBlindMs, performance.now() - this.#lastSeenMs),
      partial: this.#partial,
    }
    this.#from = { records: ledger.acknowledged.size, receipts: ledger.receiptMs.length }
    this.#searches = 0
    this.#partial = 0
    this.#longestBlindMs = 0
    this.#lastSeenMs = performance.now()
    return seen
  }

  async #send(): Promise<void> {
    const { ledger, urls, recordsPerSecond } = this.#options
    const everyMs = (1000 * BATCH * SENDERS) / recordsPerSecond
    while (!this.#isOver) {
      const dueMs = performance.now() + everyMs
      await deliver(
        ledger,
        BATCH,
        () => urls()[this.#turn++ % urls().length] as string,
        `${ledger.run}-${this.#batch++}`,
      )
      await pause(Math.max(0, dueMs - performance.now()))
    }
  }

  async #search(): Promise<void> {
    const { ledger, searchUrl } = this.#options
    const http = new HttpClient(searchUrl)
    const path = `/v1/logs/search?query=metadata.run:${ledger.run}&from=0&limit=10&total=none`
    while (!this.#isOver) {
      const answer = await http.send(path, { signal: AbortSignal.timeout(SEARCH_MS_MAX) }).catch(() => undefined)
      const isAnswer = answer?.status === 200
      const isComplete = isAnswer && answer.json().coverage.complete === true
      const nowMs = performance.now()
      if (isComplete) {
        this.#searches += 1
        this.#longestBlindMs = Math.max(this.#longestBlindMs, nowMs - this.#lastSeenMs)
        this.#lastSeenMs = nowMs
      } else if (isAnswer) this.#partial += 1
      await pause(SEARCH_EVERY_MS)
    }
    http.close()
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
