import type { LogRecord } from './api-types.ts'
import { valueAt } from './record-fields.ts'

/** What one service did within a trace, as its records tell. Times in milliseconds since the epoch, with fractions. */
export interface TraceSpan {
  /** Its id, or the service where records have none. */
  readonly id: string
  readonly service: string
  /** How many spans it is below the first. */
  readonly depth: number
  readonly startMs: number
  readonly endMs: number
  readonly logs: readonly LogRecord[]
  readonly errors: number
}

interface Building {
  readonly id: string
  readonly service: string
  readonly parent: string | undefined
  startMs: number
  endMs: number
  readonly logs: LogRecord[]
}

const PARENT_FIELDS = [
  'parentSpanId',
  'parent_span_id',
  'parent.id',
  'metadata.parentSpanId',
  'metadata.parent_span_id',
]
const DEPTH_MAX = 64

/**
 * The spans of a trace in the order in which a tree of them is read. Records say which span they are of (`spanId`) and whose child it is; a span lasts from its
 * first record to its last, and at least as long as those below it. Records without a span are one span for each service.
 */
export function spansOf(logs: readonly LogRecord[]): readonly TraceSpan[] {
  const spans = new Map<string, Building>()
  for (const log of logs) {
    const spanId = typeof log.spanId === 'string' && log.spanId !== '' ? log.spanId : undefined
    const id = spanId ?? `service ${log.service}`
    const atMs = preciseMs(log.timestamp)
    const span = spans.get(id)
    if (span === undefined) {
      spans.set(id, { id, service: log.service, parent: parentOf(log), startMs: atMs, endMs: atMs, logs: [log] })
    } else {
      span.startMs = Math.min(span.startMs, atMs)
      span.endMs = Math.max(span.endMs, atMs)
      span.logs.push(log)
    }
  }
  const children = new Map<string | undefined, Building[]>()
  for (const span of spans.values()) {
    const parent =
      span.parent !== undefined && span.parent !== span.id && spans.has(span.parent) ? span.parent : undefined
    children.set(parent, [...(children.get(parent) ?? []), span])
  }
  const ordered: TraceSpan[] = []
  const seen = new Set<string>()
  const visit = (span: Building, depth: number): void => {
    if (seen.has(span.id) || depth > DEPTH_MAX) return
    seen.add(span.id)
    const place = ordered.length
    const below = (children.get(span.id) ?? []).toSorted((a, b) => a.startMs - b.startMs)
    ordered.push(finished(span, depth))
    for (const child of below) visit(child, depth + 1)
    const endMs = Math.max(...ordered.slice(place).map((one) => one.endMs))
    ordered[place] = { ...ordered[place]!, endMs }
  }
  for (const root of (children.get(undefined) ?? []).toSorted((a, b) => a.startMs - b.startMs)) visit(root, 0)
  // Spans that are each other's parents have no root.
  for (const span of spans.values()) visit(span, 0)
  return ordered
}

function finished({ id, service, startMs, endMs, logs }: Building, depth: number): TraceSpan {
  const errors = logs.filter(({ level }) => level === 'ERROR' || level === 'FATAL').length
  return { id, service, depth, startMs, endMs, logs, errors }
}

function parentOf(log: LogRecord): string | undefined {
  for (const name of PARENT_FIELDS) {
    const value = valueAt(log, name)
    if (typeof value === 'string' && value !== '') return value
  }
  return undefined
}

/** RFC 3339 with up to nine digits, of which `Date.parse` keeps three. */
export function preciseMs(timestamp: string): number {
  const ms = Date.parse(timestamp)
  const digits = /\.\d{3}(\d{1,6})/.exec(timestamp)?.[1] ?? ''
  return digits === '' ? ms : ms + Number(`0.${digits}`)
}
