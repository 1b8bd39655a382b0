import type { Coverage } from '../../../api/contract/common.ts'
import { Backoff } from '../../../base/backoff.ts'
import type { Call } from '../command.ts'
import { missingText } from '../coverage-text.ts'
import { parseExact } from '../exact-values.ts'
import { RefusedFailure, UnreachableFailure } from '../failures.ts'
import type { TAIL_OPTIONS } from '../find-commands.ts'
import { countText } from '../list-printer.ts'
import { LiveTail } from '../live-tail.ts'
import type { NodeClient, Parameters } from '../node-client.ts'
import { printable } from '../printable.ts'
import { RecordPrinter } from '../record-printer.ts'
import { sinceParameter } from '../time-option.ts'

/** Of one answer. */
export const LINES_MAX = 1000
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
 * Prints the newest records, oldest first, then those that come, until the signal aborts. Where the node goes away, it goes on where it stopped.
 * Throws RefusedFailure where the node refuses the first request, or refuses for good.
 */
export async function followRecords(
  { clock, terminal, signal, node }: Pick<Call, 'clock' | 'terminal' | 'signal' | 'node'>,
  printer: RecordPrinter,
  { from, ...filter }: Parameters,
  lines: number,
): Promise<number> {
  const client = node()
  // One record is the least that can be asked for.
  const { logs, cursor, coverage } = await newestRecords(client, { ...filter, from, limit: Math.max(1, lines) })
  const warn = (text: string) => terminal.tell(terminal.paintError(`weir: ${printable(text)}`, 'yellow'))
  const missing = missingText(coverage)
  if (missing !== undefined) warn(missing)
  if (lines > 0) await printer.records(logs.map((log) => JSON.stringify(log)))
  const live = new LiveTail(client, filter, cursor)
  const backoff = new Backoff(clock, RETRY)
  const reader = {
    logs: (records: readonly string[]) => printer.records(records),
    dropped: (count: number) => warn(`${countText(count)} records were left out: they came faster than they are read`),
    began() {
      if (backoff.attempts > 0) terminal.tell(terminal.paintError('weir: the node answers again', 'dim'))
      backoff.reset()
    },
  }
  for (;;) {
    try {
      await live.follow(reader)
    } catch (error) {
      signal.throwIfAborted()
      const mayPass = error instanceof UnreachableFailure || (error instanceof RefusedFailure && error.isPassing)
      if (!mayPass) throw error
      if (backoff.attempts === 0) warn(`${(error as Error).message}; trying again`)
      const asked = error instanceof RefusedFailure ? (error.retryAfterMs ?? 0) : 0
      await clock.sleep(Math.max(backoff.nextMs(), Math.min(asked, RETRY.maxMs)), signal)
    }
  }
}

interface Newest {
  readonly logs: readonly unknown[]
  readonly cursor: string
  readonly coverage: Coverage
}

async function newestRecords(client: NodeClient, parameters: Parameters): Promise<Newest> {
  const text = await client.text(await client.open('/v1/logs/tail', { parameters }))
  try {
    return parseExact(text) as Newest
  } catch (cause) {
    throw new UnreachableFailure(`what answers at ${client.url.origin} is no node of Weir`, { cause })
  }
}
