import { batch, signal } from '@preact/signals'
import { call } from '../../api-client.ts'
import type { FieldsResult, HistogramResult, PatternsResult, TableResult } from '../../api-types.ts'
import { Loader } from '../../loaded.ts'
import { filterOf, makesTable } from '../../query-syntax.ts'
import { SearchResults } from '../../search-results.ts'
import { spanOf, type TimeRange, type TimeSpan } from '../../time-range.ts'
import type { SearchParams } from './search-params.ts'

/** Of answers that only help: late ones are partial. */
const SIDE_TIMEOUT = '5s'
const PATTERNS_MAX = 200

/** One search as it was asked for: the same moments for the rows, the chart and the fields. */
export interface Asked extends TimeSpan {
  readonly query: string
  /** The query without pipes. */
  readonly filter: string
  readonly from: string
  readonly to: string
  readonly isTable: boolean
}

/** Everything that the search page has fetched. */
export class SearchModel {
  readonly results = new SearchResults()
  readonly table = new Loader<TableResult>()
  readonly histogram = new Loader<HistogramResult>()
  readonly fields = new Loader<FieldsResult>()
  readonly patterns = new Loader<PatternsResult>()
  readonly asked = signal<Asked | undefined>(undefined)
  #isStopped = false

  /** Asks anew. The rows come first, then what is around them. */
  run({ query, range, order, tab }: SearchParams): void {
    const asked = askedOf(query, range)
    const { from, to } = asked
    batch(() => {
      this.asked.value = asked
      this.patterns.clear()
    })
    if (asked.isTable) {
      this.results.stop()
      void this.table.load(
        async (signal) => (await call('GET /v1/logs/search', { query: { query, from, to }, signal })) as TableResult,
      )
    } else {
      this.table.clear()
      void this.results.start({ query, from, to, order })
    }
    this.#isStopped = false
    void this.#around(asked)
    if (tab === 'patterns') this.findPatterns()
  }

  findPatterns(): void {
    const asked = this.asked.value
    const { isLoading, value } = this.patterns.state.value
    if (asked === undefined || isLoading || value !== undefined) return
    const { filter: query, from, to } = asked
    void this.patterns.load((signal) =>
      call('GET /v1/logs/patterns', { query: { query, from, to, limit: PATTERNS_MAX }, signal }),
    )
  }

  stop(): void {
    this.#isStopped = true
    this.results.stop()
    for (const loader of [this.table, this.histogram, this.fields, this.patterns]) loader.stop()
  }

  async #around(asked: Asked): Promise<void> {
    const { filter: query, from, to } = asked
    await this.histogram.load((signal) => call('GET /v1/logs/histogram', { query: { query, from, to }, signal }))
    if (this.#isStopped || this.asked.value !== asked) return
    await this.fields.load((signal) =>
      call('GET /v1/fields', { query: { query, from, to, timeout: SIDE_TIMEOUT }, signal }),
    )
  }
}

function askedOf(query: string, range: TimeRange): Asked {
  const { fromMs, toMs } = spanOf(range)
  const from = new Date(fromMs).toISOString()
  const to = new Date(toMs).toISOString()
  return { query, filter: filterOf(query), from, to, fromMs, toMs, isTable: makesTable(query) }
}
