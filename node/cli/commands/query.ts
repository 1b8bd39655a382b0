import { EXIT_EMPTY, EXIT_INCOMPLETE, EXIT_OK } from '../../exit-status.ts'
import { type SearchPage, searchPage } from '../answer-lines.ts'
import type { Call } from '../command.ts'
import { missingText } from '../coverage-text.ts'
import { RefusedFailure, UsageFailure } from '../failures.ts'
import type { QUERY_OPTIONS } from '../find-commands.ts'
import type { NodeClient, Parameters } from '../node-client.ts'
import { RecordPrinter } from '../record-printer.ts'
import { durationOption, sinceParameter } from '../time-option.ts'
import { followRecords, LINES_MAX } from './tail.ts'

/** Of one request; a larger answer would have to be kept whole by the node and here. */
const PAGE_ROWS_MAX = 2000
/** A node may search for so long; then comes the time to send. */
const TIMEOUT_MS_DEFAULT = 30_000
const SILENCE_SLACK_MS = 30_000

/** `weir query` */
export async function run(call: Call<typeof QUERY_OPTIONS>): Promise<number> {
  const { words, options, terminal } = call
  const { since, from, limit } = options
  if (since !== undefined && from !== undefined) throw new UsageFailure('--since and --from exclude each other')
  const parameters: Parameters = {
    query: words.join(' '),
    from: from ?? sinceParameter(since),
    service: options.service,
    level: options.level,
    host: options.host,
  }
  const printer = new RecordPrinter(terminal, options)
  if (options.follow) {
    if (options.to !== undefined) throw new UsageFailure('--follow has no end: leave --to away')
    return followRecords(call, printer, parameters, Math.min(limit || LINES_MAX, LINES_MAX))
  }
  const found = await printAll(call, printer, {
    ...parameters,
    to: options.to,
    order: options.order,
    fields: options.fields,
    timeout: options.timeout,
  })
  await printer.end()
  if (!options.quiet && terminal.errorIsTty) terminal.tell(terminal.paintError(foundText(found), 'dim'))
  if (found.isIncomplete) return EXIT_INCOMPLETE
  return options['fail-empty'] && found.printed === 0 ? EXIT_EMPTY : EXIT_OK
}

interface Found {
  readonly printed: number
  readonly isTable: boolean
  readonly total: string | undefined
  readonly tookMs: number
  readonly isIncomplete: boolean
}

async function printAll(
  { options, terminal, node }: Call<typeof QUERY_OPTIONS>,
  printer: RecordPrinter,
  parameters: Parameters,
): Promise<Found> {
  const { timeout } = options
  const timeoutMs = timeout === undefined ? TIMEOUT_MS_DEFAULT : durationOption('timeout', timeout)
  const pages = new Pages(node(), parameters, timeoutMs + SILENCE_SLACK_MS)
  const wanted = options.limit || Infinity
  let printed = 0
  let total: string | undefined
  let tookMs = 0
  const told = new Set<string>()
  do {
    const { lines, summary } = await pages.next(Math.min(PAGE_ROWS_MAX, wanted - printed))
    tookMs += summary.tookMs
    const missing = missingText(summary.coverage)
    if (missing !== undefined && !told.has(missing)) {
      told.add(missing)
      terminal.tell(terminal.paintError(`weir: ${missing}`, 'yellow'))
    }
    const { columns } = summary
    if (columns !== undefined) {
      await printer.table(columns, lines)
      return { printed: lines.length, isTable: true, total: undefined, tookMs, isIncomplete: told.size > 0 }
    }
    await printer.records(lines)
    printed += lines.length
    if (typeof summary.total === 'number') {
      total ??= `${summary.totalRelation === 'gte' ? 'more than ' : ''}${summary.total.toLocaleString('en')}`
    }
  } while (pages.hasMore && printed < wanted)
  return { printed, isTable: false, total, tookMs, isIncomplete: told.size > 0 }
}

/** The pages of one search, by its cursor. */
class Pages {
  readonly #client: NodeClient
  readonly #parameters: Parameters
  readonly #silenceMsMax: number
  #cursor: string | null | undefined
  #rowsMax = PAGE_ROWS_MAX

  constructor(client: NodeClient, parameters: Parameters, silenceMsMax: number) {
    this.#client = client
    this.#parameters = parameters
    this.#silenceMsMax = silenceMsMax
  }

  /** True until a page was the last. */
  get hasMore(): boolean {
    return this.#cursor !== null
  }

  async next(rows: number): Promise<SearchPage> {
    for (;;) {
      const limit = Math.min(rows, this.#rowsMax)
      try {
        const page = await this.#ask(limit)
        this.#cursor = page.summary.nextCursor ?? null
        return page
      } catch (error) {
        // So many large records do not fit an answer.
        const isTooLarge = error instanceof RefusedFailure && error.problem.code === 'result_too_large'
        if (!isTooLarge || limit <= 1) throw error
        this.#rowsMax = Math.ceil(limit / 4)
      }
    }
  }

  async #ask(limit: number): Promise<SearchPage> {
    const rest = this.#cursor == null ? {} : { cursor: this.#cursor, total: 'none' }
    const answer = await this.#client.open('/v1/logs/search', {
      parameters: { ...this.#parameters, ...rest, limit },
      headers: { accept: 'application/x-ndjson' },
      silenceMsMax: this.#silenceMsMax,
    })
    return searchPage(this.#client, answer)
  }
}

function foundText({ printed, isTable, total, tookMs }: Found): string {
  const rows = printed.toLocaleString('en')
  const what = isTable ? `${rows} ${printed === 1 ? 'row' : 'rows'}` : `${rows} of ${total ?? 'more'} records`
  return `${what}, ${tookMs < 10 ? tookMs.toFixed(1) : Math.round(tookMs)} ms`
}
