import type { Client } from './client.ts'
import { EVERYTHING } from './ingest.ts'
import type { Row } from './measure.ts'
import { medianMs } from './measure.ts'

/** The budgets of queries are for a machine with this yardstick, in µs, and scale with it. */
const BUDGET_YARDSTICK = 3.7

/** Questions of one kind. */
interface Kind {
  readonly name: string
  /** Default: a search. */
  readonly path?: string
  /** At the yardstick above; absent: only told. */
  readonly budgetMs?: number
  readonly questions: readonly Record<string, string>[]
}

/**
 * The query rows, over HTTP, with the budget they are held to on a machine with this yardstick. A node remembers what a filter matched of a block, and
 * what an aggregation found in a segment, so each kind is told twice: the median of different questions of which none was asked before, and of one that is asked again and again.
 */
export async function searchRows(client: Client, bodies: readonly Buffer[], yardstick: number): Promise<Row[]> {
  const measured: Row[] = []
  for (const { name, path = '/v1/logs/search', budgetMs, questions } of kindsOf(bodies)) {
    const ask = (question: Record<string, string>) => client.getJson(path, { ...EVERYTHING, ...question })
    const budget =
      budgetMs === undefined
        ? {}
        : { budget: (budgetMs * yardstick) / BUDGET_YARDSTICK, budgetText: `${budgetMs} ms at Y = 3.7 µs` }
    const own = { unit: 'ms', ...budget }
    const [before, ...fresh] = questions
    await ask(before!)
    let next = 0
    const first = await medianMs(() => ask(fresh[next++ % fresh.length]!), fresh.length, 0)
    measured.push({ name: `${name}, first`, value: first, ...own })
    measured.push({ name: `${name}, again`, value: await medianMs(() => ask(before!)), ...own })
  }
  return measured
}

function kindsOf(bodies: readonly Buffer[]): Kind[] {
  const middle = bodies[bodies.length >> 1]!.toString()
  const traceIds = Array.from(middle.matchAll(/"traceId":"(\w+)"/g), (match) => match[1]!)
  const services = ['checkout', 'payment', 'inventory', 'catalog', 'cart', 'shipping', 'auth', 'search', 'email']
  const words = (list: string) => list.split(' ').map((query) => ({ query }))
  const phrases = [
    'gateway timeout',
    'calling stripe',
    'giving up',
    'failed to',
    'to reserve',
    'reserve stock',
    'stock for',
  ]
  const patterns = [
    'stripe, attempt [23]',
    'after 1\\d+ms',
    'order 7\\d*:',
    'rows=[1-4]\\d{3}',
    'orders.\\d+ completed',
    'by 10.0.7\\d',
  ]
  return [
    { name: 'newest 100 of a common word', budgetMs: 10, questions: words('completed in bytes GET POST PUT api') },
    {
      name: 'newest 100 of a rarer word',
      budgetMs: 10,
      questions: words('timeout gateway stripe calling giving refused connection reserve stock failed'),
    },
    {
      name: 'phrase and level, newest 100',
      budgetMs: 5,
      questions: phrases.map((phrase) => ({ query: `"${phrase}" level:ERROR` })),
    },
    { name: 'trace id', budgetMs: 3, questions: traceIds.slice(0, 20).map((id) => ({ query: `traceId:${id}` })) },
    { name: 'trace id as a bare word', budgetMs: 3, questions: traceIds.slice(20, 40).map((query) => ({ query })) },
    {
      name: 'regular expression over all messages, count',
      budgetMs: 150,
      questions: patterns.map((pattern) => ({ query: `message:/.*${pattern}.*/`, limit: '1', total: 'exact' })),
    },
    {
      name: 'count by service per 5 minutes',
      budgetMs: 15,
      questions: [
        { query: '* | stats count() by (service, bucket(5m))' },
        ...services.map((_, i) => ({ query: `* | stats count() by (service, bucket(${5 + i}m))` })),
      ],
    },
    {
      name: 'distinct users by service per 10 minutes',
      questions: services.map((_, i) => ({
        query: `* | stats count(), uniq(metadata.userId) by (service, bucket(${10 + i}m))`,
      })),
    },
    {
      name: 'histogram of errors by service',
      path: '/v1/logs/histogram',
      questions: services.map((_, i) => ({ query: 'level:ERROR', groupBy: 'service', interval: `${10 + i}m` })),
    },
    {
      name: 'fields',
      path: '/v1/fields',
      questions: ['*', 'level:ERROR', 'level:WARN', 'level:INFO', 'level:DEBUG'].map((query) => ({ query })),
    },
  ]
}
