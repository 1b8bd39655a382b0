import type { LeafRow } from './messages/leaf.ts'
import type { TraceAnswer } from './messages/search.ts'

/** What a trace's records, oldest first, say of it as a whole and of each service. */
export function summariseTrace(
  rows: readonly LeafRow[],
): Pick<TraceAnswer, 'startedAt' | 'durationMs' | 'services' | 'logs'> {
  const services = new Map<
    string,
    { service: string; count: number; firstAt: string; lastAt: string; errors: number }
  >()
  let startedAt = ''
  for (const { json } of rows) {
    const { timestamp, service = 'unknown', level } = JSON.parse(json) as Record<string, string>
    if (startedAt === '') startedAt = timestamp!
    const known = services.get(service) ?? { service, count: 0, firstAt: timestamp!, lastAt: timestamp!, errors: 0 }
    known.count++
    known.lastAt = timestamp!
    if (level === 'ERROR' || level === 'FATAL') known.errors++
    services.set(service, known)
  }
  const first = rows[0]!.key
  const last = rows[rows.length - 1]!.key
  const durationMs = last.timeMs - first.timeMs + (last.timeNs - first.timeNs) / 1e6
  return { startedAt, durationMs, services: [...services.values()], logs: rows.map((row) => row.json) }
}
