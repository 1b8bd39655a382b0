import type { Coverage } from '../../../api/contract/common.ts'
import { Backoff } from '../../../base/backoff.ts'
import type { Call } from '../command.ts'
import { missingText } from '../coverage-text.ts'
import { parseExact } from '../exact-values.ts'
import { RefusedFailure, UnreachableFailure } from '../failures.ts'
import type { TAIL_OPTIONS } from '../find-commands.ts'
import type { NodeClient, Parameters } from '../node-client.ts'
import { RecordPrinter } from '../record-printer.ts'
import { sinceParameter } from '../time-option.ts'

/** Of one answer. */
export const LINES_MAX = 1000
/** So long a node holds a request back while nothing comes. */
const WAIT_MS = 25_000
const SILENCE_SLACK_MS = 20_000
const RETRY = { firstMs: 250, maxMs: 5000, factor: 2 }

/** `weir tail` */
export async function run(call: Call<typeof TAIL_OPTIONS>): Promise<number> {
  const { words, options, terminal } = call
  const parameters = {
    query: words.join(' '),
    from: sinceParameter(options.since),
    service: options.service,
    level: options.level,
    host: options.host,
  }
  const printer = new RecordPrinter(terminal, options)
  return followRecords(call, printer, parameters, Math.min(options.lines, LINES_MAX))
}

/**
 * Prints the newest records, oldest first, then those that come, until the signal aborts. Where the node goes away, it goes on at its cursor.
 * Throws RefusedFailure where the first request is refused.
 */
export async function followRecords(
  { clock, terminal, signal, node }: Pick<Call, 'clock' | 'terminal' | 'signal' | 'node'>,
  printer: RecordPrinter,
  parameters: Parameters,
  lines: number,
): Promise<number> {
  const tail = new TailPoll(node(), parameters)
  const backoff = new Backoff(clock, RETRY)
  let isFirst = true
  let wasMissing: string | undefined
  for (;;) {
    try {
      const { logs, coverage } = await tail.next(isFirst ? Math.max(1, lines) : LINES_MAX)
      if (backoff.attempts > 0) terminal.tell(terminal.paintError('weir: the node answers again', 'dim'))
      backoff.reset()
      const missing = missingText(coverage)
      if (missing !== undefined && missing !== wasMissing)
        terminal.tell(terminal.paintError(`weir: ${missing}`, 'yellow'))
      wasMissing = missing
      // One record is the least that can be asked for.
      if (!isFirst || lines > 0) await printer.records(logs)
      isFirst = false
    } catch (error) {
      signal.throwIfAborted()
      const mayPass = error instanceof UnreachableFailure || (error instanceof RefusedFailure && error.isPassing)
      if (!mayPass || isFirst) throw error
      if (backoff.attempts === 0) {
        terminal.tell(terminal.paintError(`weir: ${(error as Error).message}; trying again`, 'yellow'))
      }
      const asked = error instanceof RefusedFailure ? (error.retryAfterMs ?? 0) : 0
      await clock.sleep(Math.max(backoff.nextMs(), Math.min(asked, RETRY.maxMs)), signal)
    }
  }
}

interface TailPage {
  /** JSON of a record each, oldest first. */
  readonly logs: readonly string[]
  readonly coverage: Coverage
}

/** GET /v1/logs/tail, from cursor to cursor. */
class TailPoll {
  readonly #client: NodeClient
  readonly #parameters: Parameters
  #cursor: string | undefined

  constructor(client: NodeClient, parameters: Parameters) {
    this.#client = client
    this.#parameters = parameters
  }

  async next(limit: number): Promise<TailPage> {
    const { from, ...rest } = this.#parameters
    const place = this.#cursor === undefined ? { from } : { cursor: this.#cursor, wait: `${WAIT_MS}ms` }
    const answer = await this.#client.open('/v1/logs/tail', {
      parameters: { ...rest, ...place, limit },
      silenceMsMax: WAIT_MS + SILENCE_SLACK_MS,
    })
    const { logs, cursor, coverage } = tailAnswerOf(await this.#client.text(answer), this.#client)
    this.#cursor = cursor
    return { logs: logs.map((log) => JSON.stringify(log)), coverage }
  }
}

function tailAnswerOf(
  text: string,
  { url }: NodeClient,
): { readonly logs: readonly unknown[]; readonly cursor: string; readonly coverage: Coverage } {
  try {
    return parseExact(text) as ReturnType<typeof tailAnswerOf>
  } catch (cause) {
    throw new UnreachableFailure(`what answers at ${url.origin} is no node of Weir`, { cause })
  }
}
