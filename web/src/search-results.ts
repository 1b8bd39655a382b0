import { type Signal, signal } from '@preact/signals'
import { ApiProblem, callLines } from './api-client.ts'
import type { Coverage, LogRecord, QueryStats } from './api-types.ts'
import { elapsedMs } from './browser-clock.ts'
import { problemOf } from './loaded.ts'

export interface SearchRequest {
  readonly query: string
  /** Moments as RFC 3339, so that every page is of the same range. */
  readonly from: string
  readonly to: string
  readonly order: 'asc' | 'desc'
}

/** What a node says of a page beside its rows. */
interface PageSummary {
  readonly nextCursor: string | null
  readonly tookMs: number
  readonly coverage: Coverage
  readonly stats: QueryStats
}

export interface ResultsState {
  readonly count: number
  readonly isLoading: boolean
  /** There is nothing after the last row. */
  readonly isWhole: boolean
  readonly problem: ApiProblem | undefined
  /** Of the newest page. */
  readonly summary: PageSummary | undefined
  /** False as soon as one page was not complete. */
  readonly isComplete: boolean
  /** From asking to the first row, as the user waited. */
  readonly firstRowMs: number | undefined
}

const FIRST_PAGE_ROWS = 200
const PAGE_ROWS = 1000
/** Of one search: more is for an export or a narrower query. About 100 MB of text. */
export const ROWS_MAX = 100_000
const TEXT_CHARS_MAX = 150_000_000
const PARSED_MAX = 4000

const NOTHING: ResultsState = {
  count: 0,
  isLoading: false,
  isWhole: false,
  problem: undefined,
  summary: undefined,
  isComplete: true,
  firstRowMs: undefined,
}

/**
 * The rows of one search, a page at a time as they are asked for. They are kept as the text that came, and parsed when they are looked at: a hundred thousand
 * records as objects would be several times their size.
 */
export class SearchResults {
  readonly state: Signal<ResultsState> = signal(NOTHING)
  #lines: string[] = []
  #chars = 0
  readonly #parsed = new Map<number, LogRecord>()
  #request: SearchRequest | undefined
  #running: AbortController | undefined
  #rowsMax = PAGE_ROWS

  /** Forgets what there is and fetches the first page. */
  async start(request: SearchRequest): Promise<void> {
    this.#running?.abort()
    this.#request = request
    this.#rowsMax = PAGE_ROWS
    await this.#loadPage(undefined)
  }

  /** Fetches the next page, unless one is being fetched, all are there, or there are as many as are kept. */
  async more(): Promise<void> {
    const { isLoading, isWhole, summary, count, problem } = this.state.value
    const cursor = summary?.nextCursor
    if (isLoading || isWhole || problem !== undefined || cursor === null || cursor === undefined) return
    if (count >= ROWS_MAX || this.#chars >= TEXT_CHARS_MAX) return
    await this.#loadPage(cursor)
  }

  stop(): void {
    this.#running?.abort()
  }

  row(index: number): LogRecord | undefined {
    const known = this.#parsed.get(index)
    if (known !== undefined) return known
    const line = this.#lines[index]
    if (line === undefined) return undefined
    const record = JSON.parse(line) as LogRecord
    if (this.#parsed.size >= PARSED_MAX) this.#parsed.delete(this.#parsed.keys().next().value as number)
    this.#parsed.set(index, record)
    return record
  }

  indexOf(id: string): number {
    const mark = `{"id":${JSON.stringify(id)}`
    return this.#lines.findIndex((line) => line.startsWith(mark))
  }

  async #loadPage(cursor: string | undefined): Promise<void> {
    const running = new AbortController()
    this.#running = running
    const startedMs = elapsedMs()
    let isFresh = cursor === undefined
    // What was found before is shown until the first new row is there.
    this.state.value = { ...this.state.value, isLoading: true, ...(isFresh ? { problem: undefined } : {}) }
    const reset = () => {
      if (!isFresh) return
      isFresh = false
      this.#lines = []
      this.#chars = 0
      this.#parsed.clear()
      this.state.value = { ...NOTHING, isLoading: true, firstRowMs: elapsedMs() - startedMs }
    }
    const limit = Math.min(this.#rowsMax, cursor === undefined ? FIRST_PAGE_ROWS : PAGE_ROWS)
    try {
      const { query, from, to, order } = this.#request!
      const page = callLines('GET /v1/logs/search', {
        query: { query, from, to, order, limit, total: 'none', ...(cursor === undefined ? {} : { cursor }) },
        signal: running.signal,
      })
      let summary: PageSummary | undefined
      for await (const lines of page) {
        if (running.signal.aborted) return
        reset()
        for (const line of lines) {
          if (line.startsWith('{"summary":true')) summary = JSON.parse(line) as PageSummary
          else if (line !== '') this.#push(line)
        }
        this.state.value = { ...this.state.value, count: this.#lines.length }
      }
      if (running.signal.aborted) return
      reset()
      const isComplete = this.state.value.isComplete && summary?.coverage.complete !== false
      const isWhole = summary === undefined || summary.nextCursor === null
      this.state.value = {
        ...this.state.value,
        count: this.#lines.length,
        summary,
        isLoading: false,
        isWhole,
        isComplete,
      }
    } catch (error) {
      if (running.signal.aborted) return
      if (isTooLarge(error) && limit > 1) {
        this.#rowsMax = Math.ceil(limit / 4)
        return this.#loadPage(cursor)
      }
      const kept = cursor === undefined ? NOTHING : this.state.value
      if (cursor === undefined) {
        this.#lines = []
        this.#parsed.clear()
      }
      this.state.value = { ...kept, isLoading: false, problem: problemOf(error) }
    }
  }

  #push(line: string): void {
    this.#lines.push(line)
    this.#chars += line.length
  }
}

/** So many large records do not fit an answer; fewer may. */
function isTooLarge(error: unknown): boolean {
  return error instanceof ApiProblem && error.code === 'result_too_large'
}
