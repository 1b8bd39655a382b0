import type { FastifyReply, FastifyRequest } from 'fastify'
import type { QueryAnswer, RowsAnswer, SearchRequest, TableAnswer } from '../../actors/messages/search.ts'
import { present } from '../../base/assert.ts'
import type { TenantId } from '../../base/ids.ts'
import { SEARCH_LIMIT_DEFAULT, SEARCH_LIMIT_MAX } from '../../base/limits.ts'
import { runForClient } from '../client-signal.ts'
import { NDJSON_TYPE } from '../contract/common.ts'
import { explainSearch, SearchParameters, searchLogs, searchLogsByPost } from '../contract/search.ts'
import { arrayParts, JSON_CONTENT_TYPE, recordParts, restOfObject, sendParts } from '../json-parts.ts'
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
    if ((request.headers.accept ?? '').includes(NDJSON_TYPE)) {
      return sendParts(reply, `${NDJSON_TYPE}; charset=utf-8`, answerLines(answer, wanted), clock)
    }
    const parts = answer.kind === 'table' ? tableParts(answer) : rowsParts(answer, wanted)
    return sendParts(reply, JSON_CONTENT_TYPE, parts, clock)
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

export function* tableParts(answer: TableAnswer): Generator<string> {
  yield `{"columns":${JSON.stringify(answer.columns)},"rows":`
  yield* arrayParts(answer.rows, (row) => JSON.stringify(row))
  yield restOfObject(answerMembersOf(answer))
}

function* rowsParts(answer: RowsAnswer, request: SearchRequest): Generator<string> {
  yield '{"logs":'
  yield* recordParts(answer.logs)
  yield restOfObject(rowsSummary(answer, request))
}

function* answerLines(answer: RowsAnswer | TableAnswer, request: SearchRequest): Generator<string> {
  if (answer.kind === 'rows') for (const log of answer.logs) yield `${log}\n`
  else for (const row of answer.rows) yield `${JSON.stringify(row)}\n`
  const summary =
    answer.kind === 'rows' ? rowsSummary(answer, request) : { columns: answer.columns, ...answerMembersOf(answer) }
  yield `${JSON.stringify({ summary: true, ...summary })}\n`
}

function rowsSummary(answer: RowsAnswer, request: SearchRequest): Readonly<Record<string, unknown>> {
  const { total, totalRelation, nextCursor } = answer
  return { total, totalRelation, page: request.page, nextCursor, ...answerMembersOf(answer) }
}
