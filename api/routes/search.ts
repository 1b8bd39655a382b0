import type { FastifyReply, FastifyRequest } from 'fastify'
import type { QueryAnswer, RowsAnswer, SearchRequest, TableAnswer } from '../../actors/messages/search.ts'
import { present } from '../../base/assert.ts'
import type { TenantId } from '../../base/ids.ts'
import { SEARCH_LIMIT_DEFAULT, SEARCH_LIMIT_MAX } from '../../base/limits.ts'
import { runForClient } from '../client-signal.ts'
import { NDJSON_TYPE } from '../contract/common.ts'
import { explainSearch, SearchParameters, searchLogs, searchLogsByPost } from '../contract/search.ts'
import { arrayParts, JSON_CONTENT_TYPE, restOfObject, sendParts } from '../json-parts.ts'
import { ParameterReader, parameterError } from '../parameters.ts'
import { lastHour, namesOf, queryBaseOf, rangeOf } from '../query-request.ts'
import type { Route } from '../route.ts'
import type { ServerContext } from '../server-options.ts'

/** GET and POST /v1/logs/search, POST /v1/logs/explain */
export function searchRoutes(context: ServerContext): Route[] {
  const { backend, options } = context
  const { clock } = options
  const reader = new ParameterReader(SearchParameters)

  async function search(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = present(request.access, 'access of a search')
    const wanted = searchRequestOf(tenant, reader.ofQueryOrBody(request), clock.nowMs())
    const answer = await runForClient(clock, reply, wanted.timeoutMs, (signal) => backend.search.search(wanted, signal))
    const asLines = (request.headers.accept ?? '').includes(NDJSON_TYPE)
    if (asLines) return sendParts(reply, NDJSON_TYPE, answerLines(answer, wanted), clock)
    return sendParts(reply, JSON_CONTENT_TYPE, answerParts(answer, wanted), clock)
  }

  async function explain(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = present(request.access, 'access of an explain')
    const wanted = searchRequestOf(tenant, reader.ofQueryOrBody(request), clock.nowMs())
    const plan = await runForClient(clock, reply, wanted.timeoutMs, (signal) => backend.search.explain(wanted, signal))
    return sendParts(reply, JSON_CONTENT_TYPE, [JSON.stringify(plan)], clock)
  }

  return [
    { endpoint: searchLogs, handler: search },
    { endpoint: searchLogsByPost, handler: search },
    { endpoint: explainSearch, handler: explain },
  ]
}

/** Throws invalid_parameter. */
function searchRequestOf(tenant: TenantId, parameters: SearchParameters, nowMs: number): SearchRequest {
  const { cursor } = parameters
  const limit = parameters.limit ?? SEARCH_LIMIT_DEFAULT
  const page = parameters.page ?? 1
  if (cursor !== undefined && parameters.page !== undefined) throw parameterError('page', 'excludes `cursor`')
  if (page * limit > SEARCH_LIMIT_MAX) {
    throw parameterError('page', `times \`limit\` may be at most ${SEARCH_LIMIT_MAX}; use \`cursor\` to go further`)
  }
  const fields = namesOf(parameters.fields)
  return {
    ...queryBaseOf(tenant, parameters, rangeOf(parameters, nowMs, lastHour(nowMs))),
    limit,
    order: parameters.order === 'asc' ? 'asc' : 'desc',
    page,
    total: parameters.total === 'exact' ? 'exact' : parameters.total === 'none' ? 'none' : 'upToLimit',
    ...(cursor === undefined ? {} : { cursor }),
    ...(fields === undefined ? {} : { fields }),
  }
}

/** Members of every answer of a query, in the order of the documents. */
export function answerMembersOf({ tookMs, coverage, stats }: QueryAnswer): QueryAnswer {
  return { tookMs: Math.round(tookMs * 1000) / 1000, coverage, stats }
}

export function tableParts(answer: TableAnswer): string[] {
  const parts = [`{"columns":${JSON.stringify(answer.columns)},"rows":`]
  arrayParts(
    answer.rows.map((row) => JSON.stringify(row)),
    parts,
  )
  parts.push(restOfObject(answerMembersOf(answer)))
  return parts
}

function answerParts(answer: RowsAnswer | TableAnswer, request: SearchRequest): string[] {
  if (answer.kind === 'table') return tableParts(answer)
  const parts = ['{"logs":']
  arrayParts(answer.logs, parts)
  parts.push(restOfObject(rowsSummary(answer, request)))
  return parts
}

function answerLines(answer: RowsAnswer | TableAnswer, request: SearchRequest): string[] {
  const parts: string[] = []
  if (answer.kind === 'rows') for (const log of answer.logs) parts.push(log, '\n')
  else for (const row of answer.rows) parts.push(JSON.stringify(row), '\n')
  const summary =
    answer.kind === 'rows' ? rowsSummary(answer, request) : { columns: answer.columns, ...answerMembersOf(answer) }
  parts.push(JSON.stringify({ summary: true, ...summary }), '\n')
  return parts
}

function rowsSummary(answer: RowsAnswer, request: SearchRequest): Readonly<Record<string, unknown>> {
  const { total, totalRelation, nextCursor } = answer
  return { total, totalRelation, page: request.page, nextCursor, ...answerMembersOf(answer) }
}
