import type { FastifyReply, FastifyRequest } from 'fastify'
import type { DeadLettersAnswer, DeadLettersRequest } from '../../actors/messages/search.ts'
import { present } from '../../base/assert.ts'
import type { TenantId } from '../../base/ids.ts'
import { QUERY_TIMEOUT_DEFAULT_MS, QUERY_TIMEOUT_MAX_MS } from '../../base/limits.ts'
import { runForClient } from '../client-signal.ts'
import {
  DEAD_LETTERS_LIMIT_DEFAULT,
  DeadLettersParameters,
  listDeadLetters,
  ReplayBody,
  replayDeadLetters,
} from '../contract/dead-letters.ts'
import { NoParameters } from '../contract/records.ts'
import { arrayParts, JSON_CONTENT_TYPE, restOfObject, sendParts } from '../json-parts.ts'
import { LetterReplay } from '../letter-replay.ts'
import { ParameterReader, parameterError } from '../parameters.ts'
import { rangeOf, timeoutMsOf } from '../query-request.ts'
import type { Route } from '../route.ts'
import type { IngestContext } from '../server-options.ts'
import { allTime } from './records.ts'

/** GET /v1/dead-letters, POST /v1/dead-letters/replay */
export function deadLetterRoutes(context: IngestContext): Route[] {
  const { clock } = context.options
  const { search: backend } = context.backend
  const letterReplay = new LetterReplay(context)
  const listParameters = new ParameterReader(DeadLettersParameters)
  const noParameters = new ParameterReader(NoParameters)
  const bodyParameters = new ParameterReader(ReplayBody)

  function requestOf(tenant: TenantId, said: Omit<ReplayBody, 'ids'>, timeoutMs: number): DeadLettersRequest {
    const nowMs = clock.nowMs()
    const { protocol, code, reason, cursor } = said
    return {
      tenant,
      range: rangeOf(said, nowMs, allTime(nowMs)),
      limit: said.limit ?? DEAD_LETTERS_LIMIT_DEFAULT,
      timeoutMs,
      ...(protocol ? { protocol } : {}),
      ...(code ? { code } : {}),
      ...(reason ? { reason } : {}),
      ...(cursor === undefined ? {} : { cursor }),
    }
  }

  async function list(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = present(request.access, 'access of the dead letters')
    const parameters = listParameters.ofQuery(request)
    const wanted = requestOf(tenant, parameters, timeoutMsOf(parameters.timeout))
    const answer = await runForClient(clock, reply, wanted.timeoutMs, (signal) => backend.deadLetters(wanted, signal))
    return sendParts(reply, JSON_CONTENT_TYPE, deadLetterParts(answer), clock)
  }

  async function replay(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = present(request.access, 'access of the dead letters')
    noParameters.ofQuery(request)
    const { ids, ...said } = bodyParameters.ofJson(request)
    const [other] = Object.keys(said)
    if (ids !== undefined && other !== undefined) throw parameterError(other, 'does not go with `ids`')
    if (ids !== undefined && new Set(ids).size < ids.length) throw parameterError('ids', 'names a letter twice')
    const wanted = { ...requestOf(tenant, said, QUERY_TIMEOUT_DEFAULT_MS), ...(ids === undefined ? {} : { ids }) }
    const answer = await runForClient(clock, reply, QUERY_TIMEOUT_MAX_MS, (signal) =>
      letterReplay.replay(wanted, signal),
    )
    reply.header('content-type', JSON_CONTENT_TYPE)
    return reply.send(JSON.stringify(answer))
  }

  return [
    { endpoint: listDeadLetters, handler: list },
    { endpoint: replayDeadLetters, handler: replay },
  ]
}

function* deadLetterParts({ deadLetters, nextCursor, coverage }: DeadLettersAnswer): Generator<string> {
  yield '{"deadLetters":'
  yield* arrayParts(deadLetters, (letter) => JSON.stringify(letter))
  yield restOfObject({ nextCursor, coverage })
}
