import type { TraceResult } from '../../../api/contract/records.ts'
import { EXIT_EMPTY, EXIT_INCOMPLETE, EXIT_OK } from '../../exit-status.ts'
import type { Call } from '../command.ts'
import { missingText } from '../coverage-text.ts'
import { type Fields, parseExact } from '../exact-values.ts'
import { RefusedFailure } from '../failures.ts'
import type { TRACE_OPTIONS } from '../find-commands.ts'
import { printJson } from '../list-printer.ts'
import { printable } from '../printable.ts'
import { recordText } from '../record-text.ts'
import { type Column, tableText } from '../table.ts'
import type { Terminal } from '../terminal.ts'

const BAR_COLUMNS = 30

/** `weir trace` */
export async function run({ words: [id = ''], options, terminal, node }: Call<typeof TRACE_OPTIONS>): Promise<number> {
  const client = node()
  let trace: TraceResult
  try {
    const { from, to, limit } = options
    const answer = await client.open(`/v1/traces/${encodeURIComponent(id)}`, { parameters: { from, to, limit } })
    trace = parseExact(await client.text(answer)) as TraceResult
  } catch (error) {
    if (!(error instanceof RefusedFailure) || error.status !== 404 || !options['fail-empty']) throw error
    return EXIT_EMPTY
  }
  const form = options.output === 'auto' ? (terminal.outIsTty ? 'text' : 'ndjson') : options.output
  if (form === 'json') await printJson(terminal, trace)
  else if (form === 'ndjson') for (const log of trace.logs) await printJson(terminal, log, false)
  else await terminal.write(traceText(trace, terminal))
  const missing = missingText(trace.coverage)
  if (missing === undefined) return EXIT_OK
  terminal.tell(terminal.paintError(`weir: ${missing}`, 'yellow'))
  return EXIT_INCOMPLETE
}

type Service = TraceResult['services'][number]

/** The services with the time in which each logged, then every record with its distance from the first. */
function traceText({ traceId, startedAt, durationMs, services, logs }: TraceResult, terminal: Terminal): string {
  const { paint, outIsTty, width } = terminal
  const startMs = Date.parse(startedAt)
  const columns: readonly Column<Service>[] = [
    { title: 'SERVICE', text: ({ service }) => service },
    { title: 'RECORDS', text: ({ count }) => String(count), align: 'right' },
    { title: 'ERRORS', text: ({ errors }) => String(errors), align: 'right' },
    { title: 'FROM', text: ({ firstAt }) => `+${Date.parse(firstAt) - startMs} ms`, align: 'right' },
    { title: 'TO', text: ({ lastAt }) => `+${Date.parse(lastAt) - startMs} ms`, align: 'right' },
    { title: 'WHEN', text: (service) => barOf(service, startMs, durationMs) },
  ]
  const title = `trace ${printable(traceId)}: ${logs.length} records in ${durationMs} ms, from ${printable(startedAt)}`
  const offsets = logs.map(({ timestamp }) => `+${Date.parse(timestamp) - startMs} ms`)
  const widest = Math.max(0, ...offsets.map((offset) => offset.length))
  const lines = logs.map((log, i) => {
    const { timestamp: _, traceId: __, ...rest } = log as Fields
    return `${paint((offsets[i] ?? '').padStart(widest), 'bold')}${recordText(rest, paint, !outIsTty)}\n`
  })
  const table = tableText(columns, services, outIsTty ? width : Infinity)
  return `${paint(title, 'bold')}\n\n${table}\n${lines.join('')}`
}

function barOf({ firstAt, lastAt }: Service, startMs: number, durationMs: number): string {
  const place = (time: string) =>
    durationMs === 0
      ? 0
      : Math.min(BAR_COLUMNS - 1, Math.floor(((Date.parse(time) - startMs) / durationMs) * BAR_COLUMNS))
  const begin = place(firstAt)
  return `${' '.repeat(begin)}${'='.repeat(place(lastAt) - begin + 1)}`
}
