import type { Client } from './client.ts'
import { EVERYTHING } from './ingest.ts'
import type { Row } from './measure.ts'
import { medianMs } from './measure.ts'

/** The budgets of queries are for a machine with this yardstick, in µs, and scale with it. */
const BUDGET_YARDSTICK = 3.7

/** The query rows, each the median over HTTP, with the budget they are held to on a machine with this yardstick. */
export async function searchRows(client: Client, bodies: readonly Buffer[], yardstick: number): Promise<Row[]> {
  const middle = bodies[bodies.length >> 1]!.toString()
  const traceId = /"traceId":"(\w+)"/.exec(middle)?.[1] ?? ''
  const search = (parameters: Record<string, string>) => () =>
    client.getJson('/v1/logs/search', { ...EVERYTHING, ...parameters })
  const rows: [name: string, budget: number, run: () => Promise<unknown>][] = [
    ['newest 100 of a common word', 10, search({ query: 'completed' })],
    ['newest 100 of a rarer word', 10, search({ query: 'timeout' })],
    ['phrase and level, newest 100', 5, search({ query: '"gateway timeout" level:ERROR' })],
    ['trace id', 3, search({ query: `traceId:${traceId}` })],
    ['trace id as a bare word', 3, search({ query: traceId })],
    [
      'regular expression over all messages, count',
      150,
      search({ query: 'message:/stripe, attempt [23]/', limit: '1', total: 'exact' }),
    ],
    ['count by service per 5 minutes', 15, search({ query: '* | stats count() by (service, bucket(5m))' })],
  ]
  const measured: Row[] = []
  for (const [name, budgetMs, run] of rows) {
    const budget = (budgetMs * yardstick) / BUDGET_YARDSTICK
    measured.push({ name, value: await medianMs(run), unit: 'ms', budget, budgetText: `${budgetMs} ms at Y = 3.7 µs` })
  }
  return measured
}
