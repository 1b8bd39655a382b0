import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ContextAnswer, TraceAnswer } from '../../actors/messages/search.ts'
import { present } from '../../base/assert.ts'
import { FUTURE_MAX_MS, QUERY_TIMEOUT_DEFAULT_MS } from '../../base/limits.ts'
import { runForClient } from '../client-signal.ts'
import {
  CONTEXT_DEFAULT,
  ContextParameters,
  getRecord,
  getRecordContext,
  getTrace,
  NoParameters,
  TRACE_LIMIT_DEFAULT,
  TraceParameters,
} from '../contract/records.ts'
import { JSON_CONTENT_TYPE, recordParts, restOfObject, sendParts } from '../json-parts.ts'
import { ParameterReader } from '../parameters.ts'
import { queryBaseOf, type RangeDefaults, rangeOf, timeoutMsOf } from '../query-request.ts'
import type { Route } from '../route.ts'
import type { ServerContext } from '../server-options.ts'

/** GET /v1/logs/{id}, /v1/logs/{id}/context, /v1/traces/{traceId} */
export function recordRoutes(context: ServerContext): Route[] {
  const { clock } = context.options
  const { search: backend } = context.backend
  const noParameters = new ParameterReader(NoParameters)
  const contextParameters = new ParameterReader(ContextParameters)
  const traceParameters = new ParameterReader(TraceParameters)

  async function record(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = present(request.access, 'access of a record')
    noParameters.ofQuery(request)
    const { id } = request.params as { id: string }
    const found = await runForClient(clock, reply, QUERY_TIMEOUT_DEFAULT_MS, (signal) =>
      backend.record(tenant, id, signal),
    )
    return sendParts(reply, JSON_CONTENT_TYPE, [found], clock)
  }

  async function neighbours(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = present(request.access, 'access of a record')
    const parameters = contextParameters.ofQuery(request)
    const wanted = {
      tenant,
      id: (request.params as { id: string }).id,
      before: parameters.before ?? CONTEXT_DEFAULT,
      after: parameters.after ?? CONTEXT_DEFAULT,
      timeoutMs: timeoutMsOf(parameters.timeout),
    }
    const answer = await runForClient(clock, reply, wanted.timeoutMs, (signal) => backend.context(wanted, signal))
    return sendParts(reply, JSON_CONTENT_TYPE, contextParts(answer), clock)
  }

  async function trace(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = present(request.access, 'access of a trace')
    const parameters = traceParameters.ofQuery(request)
    const { traceId } = request.params as { traceId: string }
    const nowMs = clock.nowMs()
    const base = queryBaseOf(tenant, parameters, rangeOf(parameters, nowMs, allTime(nowMs)))
    const limit = parameters.limit ?? TRACE_LIMIT_DEFAULT
    const answer = await runForClient(clock, reply, base.timeoutMs, (signal) =>
      backend.trace(base, traceId, limit, signal),
    )
    return sendParts(reply, JSON_CONTENT_TYPE, traceParts(answer), clock)
  }

  return [
    { endpoint: getRecord, handler: record },
    { endpoint: getRecordContext, handler: neighbours },
    { endpoint: getTrace, handler: trace },
  ]
}

/** Everything that may be kept: from the epoch to the latest timestamp that is accepted (D5). */
export function allTime(nowMs: number): RangeDefaults {
  return { fromMs: 0, toMs: nowMs + FUTURE_MAX_MS + 1 }
}

function* contextParts({ before, record, after, coverage }: ContextAnswer): Generator<string> {
  yield '{"before":'
  yield* recordParts(before)
  yield `,"record":${record},"after":`
  yield* recordParts(after)
  yield restOfObject({ coverage })
}

function* traceParts({ logs, coverage, ...head }: TraceAnswer): Generator<string> {
  yield `${JSON.stringify(head).slice(0, -1)},"logs":`
  yield* recordParts(logs)
  yield restOfObject({ coverage })
}
