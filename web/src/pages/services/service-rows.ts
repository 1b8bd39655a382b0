import type { LogRecord, TableResult } from '../../api-types.ts'
import type { TimeSpan } from '../../time-range.ts'

export interface ServiceRow {
  readonly service: string
  readonly count: number
  readonly perSecond: number
  /** Records of ERROR and FATAL. */
  readonly errors: number
  /** Records of each interval of the span, from its start. */
  readonly bars: readonly number[]
  readonly newest: { readonly atMs: number; readonly message: string } | undefined
}

type Rows = TableResult['rows']

/** Puts the answers together, a row a service: those with the most errors first, then those with the most records. */
export function servicesOf(found: {
  /** service, level, count */
  readonly levels: Rows
  /** service, bucket (RFC 3339), count */
  readonly bars: Rows
  /** Newest first. */
  readonly errors: readonly LogRecord[]
  readonly span: TimeSpan
  readonly intervalMs: number
}): readonly ServiceRow[] {
  const { fromMs, toMs } = found.span
  const barCount = Math.max(1, Math.ceil((toMs - fromMs) / found.intervalMs))
  const made = new Map<string, { count: number; errors: number; bars: number[] }>()
  for (const { service, level, count } of found.levels) {
    const row = rowOf(made, String(service), barCount)
    row.count += Number(count)
    if (level === 'ERROR' || level === 'FATAL') row.errors += Number(count)
  }
  for (const { service, bucket, count } of found.bars) {
    const row = made.get(String(service))
    const bar = Math.floor((Date.parse(String(bucket)) - fromMs) / found.intervalMs)
    // The first bucket begins before the span.
    if (row !== undefined) row.bars[Math.min(barCount - 1, Math.max(0, bar))]! += Number(count)
  }
  const newest = new Map<string, ServiceRow['newest']>()
  for (const { service, timestamp, message } of found.errors) {
    if (!newest.has(service)) newest.set(service, { atMs: Date.parse(timestamp), message: message ?? '' })
  }
  return [...made]
    .map(([service, row]) => ({
      service,
      ...row,
      perSecond: row.count / Math.max(1, (toMs - fromMs) / 1000),
      newest: newest.get(service),
    }))
    .sort((a, b) => b.errors - a.errors || b.count - a.count || (a.service < b.service ? -1 : 1))
}

function rowOf(
  made: Map<string, { count: number; errors: number; bars: number[] }>,
  service: string,
  barCount: number,
): { count: number; errors: number; bars: number[] } {
  let row = made.get(service)
  if (row === undefined) {
    row = { count: 0, errors: 0, bars: new Array<number>(barCount).fill(0) }
    made.set(service, row)
  }
  return row
}
