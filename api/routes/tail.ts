import type { FastifyReply, FastifyRequest } from 'fastify'
import type { TailAnswer } from '../../actors/messages/search.ts'
import type { TailStart } from '../../actors/messages/tail.ts'
import { present } from '../../base/assert.ts'
import { TAIL_WAIT_MAX_MS } from '../../base/limits.ts'
import { runForClient } from '../client-signal.ts'
import { TAIL_LIMIT_DEFAULT, TailParameters, tailLogs } from '../contract/search.ts'
import { JSON_CONTENT_TYPE, recordParts, restOfObject, sendParts } from '../json-parts.ts'
import { ParameterReader, parameterError } from '../parameters.ts'
import { durationMsOf, durationText, lastHour, queryBaseOf, rangeOf } from '../query-request.ts'
import type { Route } from '../route.ts'
import type { ServerContext } from '../server-options.ts'
import { tailStartOf } from '../sockets/tail-words.ts'
import { allTime } from './records.ts'
import { EVENT_STREAM_TYPE, streamTail } from './tail-stream.ts'

/** GET /v1/logs/tail: one answer, or server-sent events. Its WebSocket is api/sockets/tail-socket.ts. */
export function tailRoutes(context: ServerContext): Route[] {
  const { backend, options, drainSignal } = context
  const { clock } = options
  const reader = new ParameterReader(TailParameters)

  async function handler(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = present(request.access, 'access of a tail')
    const parameters = reader.ofQuery(request)
    if (wantsEvents(request)) return streamTail(context, request, reply, streamStartOf(request, parameters))
    if (parameters.last !== undefined) throw parameterError('last', 'is for live tails; a poll takes `limit`')
    const { cursor } = parameters
    const nowMs = clock.nowMs()
    const all = allTime(nowMs)
    // A cursor says itself where to go on: what came since is new, however old its timestamp.
    const defaults = cursor === undefined ? { fromMs: lastHour(nowMs).fromMs, toMs: all.toMs } : all
    const base = queryBaseOf(tenant, parameters, rangeOf(parameters, nowMs, defaults))
    const waitMs = parameters.wait === undefined ? 0 : durationMsOf('wait', parameters.wait)
    if (waitMs < 0 || waitMs > TAIL_WAIT_MAX_MS) {
      throw parameterError('wait', `must be at most ${durationText(TAIL_WAIT_MAX_MS)}`)
    }
    const wanted = {
      ...base,
      limit: parameters.limit ?? TAIL_LIMIT_DEFAULT,
      waitMs,
      ...(cursor === undefined ? {} : { cursor }),
    }
    const answer = await runForClient(
      clock,
      reply,
      base.timeoutMs + waitMs,
      (signal) => backend.search.tail(wanted, signal),
      drainSignal,
    )
    return sendParts(reply, JSON_CONTENT_TYPE, tailParts(answer), clock)
  }

  return [{ endpoint: tailLogs, handler }]
}

/** HEAD asks for an answer that ends. */
function wantsEvents({ method, headers }: FastifyRequest): boolean {
  return method === 'GET' && (headers.accept ?? '').includes(EVENT_STREAM_TYPE)
}

/** A client that comes again says in a header field where it was. */
function streamStartOf(
  { headers }: FastifyRequest,
  { limit, wait, from, timeout, ...start }: TailParameters,
): TailStart {
  for (const [name, value] of Object.entries({ limit, wait, from, timeout })) {
    if (value !== undefined) throw parameterError(name, 'is for polls; a live tail takes `last`')
  }
  const lastEventId = headers['last-event-id']
  return tailStartOf({
    ...start,
    ...(typeof lastEventId === 'string' && lastEventId !== '' ? { cursor: lastEventId } : {}),
  })
}

function* tailParts({ logs, cursor, coverage }: TailAnswer): Generator<string> {
  yield '{"logs":'
  yield* recordParts(logs)
  yield restOfObject({ cursor, coverage })
}
