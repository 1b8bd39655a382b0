import type { FastifyReply, FastifyRequest } from 'fastify'
import type { HistogramAnswer, PatternsAnswer, QueryBase } from '../../actors/messages/search.ts'
import { present } from '../../base/assert.ts'
import { HISTOGRAM_BUCKETS_MAX } from '../../base/limits.ts'
import { runForClient } from '../client-signal.ts'
import {
  AggregateParameters,
  aggregateLogs,
  FIELD_VALUES_LIMIT_DEFAULT,
  FieldsParameters,
  FieldValuesParameters,
  HistogramParameters,
  histogramLogs,
  listFields,
  listFieldValues,
  PATTERNS_LIMIT_DEFAULT,
  PatternsParameters,
  patternsOfLogs,
} from '../contract/analytics.ts'
import { arrayParts, JSON_CONTENT_TYPE, restOfObject, sendParts } from '../json-parts.ts'
import { ParameterReader, parameterError } from '../parameters.ts'
import { durationMsOf, durationText, lastHour, namesOf, queryBaseOf, rangeOf } from '../query-request.ts'
import type { Route } from '../route.ts'
import type { ServerContext } from '../server-options.ts'
import { answerMembersOf, tableParts } from './search.ts'

/** GET /v1/logs/{histogram,aggregate,patterns}, /v1/fields, /v1/fields/{name}/values */
export function searchAnalyticsRoutes(context: ServerContext): Route[] {
  const { options } = context
  const { clock } = options
  const { search: backend } = context.backend
  const histogramParameters = new ParameterReader(HistogramParameters)
  const aggregateParameters = new ParameterReader(AggregateParameters)
  const patternsParameters = new ParameterReader(PatternsParameters)
  const fieldsParameters = new ParameterReader(FieldsParameters)
  const fieldValuesParameters = new ParameterReader(FieldValuesParameters)

  function baseOf(request: FastifyRequest, parameters: FieldsParameters): QueryBase {
    const { tenant } = present(request.access, 'access of a query')
    const nowMs = clock.nowMs()
    return queryBaseOf(tenant, parameters, rangeOf(parameters, nowMs, lastHour(nowMs)))
  }

  async function histogram(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const parameters = histogramParameters.ofQuery(request)
    const base = baseOf(request, parameters)
    const intervalMs = intervalMsOf(parameters.interval, base)
    const wanted = {
      ...base,
      groupBy: parameters.groupBy ?? 'level',
      ...(intervalMs === undefined ? {} : { intervalMs }),
    }
    const answer = await runForClient(clock, reply, base.timeoutMs, (signal) => backend.histogram(wanted, signal))
    return sendParts(reply, JSON_CONTENT_TYPE, histogramParts(answer), clock)
  }

  async function aggregate(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const parameters = aggregateParameters.ofQuery(request)
    const metric = parameters.metric ?? 'count'
    const { field, top } = parameters
    if (metric !== 'count' && field === undefined) throw parameterError('field', `is required by the metric ${metric}`)
    if (metric === 'count' && field !== undefined) throw parameterError('field', 'is not taken by the metric count')
    const base = baseOf(request, parameters)
    const intervalMs = intervalMsOf(parameters.interval, base)
    const wanted = {
      ...base,
      groupBy: namesOf(parameters.groupBy) ?? [],
      metric,
      ...(intervalMs === undefined ? {} : { intervalMs }),
      ...(field === undefined ? {} : { field }),
      ...(top === undefined ? {} : { top }),
    }
    const answer = await runForClient(clock, reply, base.timeoutMs, (signal) => backend.aggregate(wanted, signal))
    return sendParts(reply, JSON_CONTENT_TYPE, tableParts(answer), clock)
  }

  async function patterns(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const parameters = patternsParameters.ofQuery(request)
    const base = baseOf(request, parameters)
    const limit = parameters.limit ?? PATTERNS_LIMIT_DEFAULT
    const answer = await runForClient(clock, reply, base.timeoutMs, (signal) => backend.patterns(base, limit, signal))
    return sendParts(reply, JSON_CONTENT_TYPE, patternParts(answer), clock)
  }

  async function fields(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const base = baseOf(request, fieldsParameters.ofQuery(request))
    const answer = await runForClient(clock, reply, base.timeoutMs, (signal) => backend.fields(base, signal))
    const text = JSON.stringify({ fields: answer.fields, ...answerMembersOf(answer) })
    return sendParts(reply, JSON_CONTENT_TYPE, [text], clock)
  }

  async function fieldValues(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const parameters = fieldValuesParameters.ofQuery(request)
    const { name } = request.params as { name: string }
    const base = baseOf(request, parameters)
    const limit = parameters.limit ?? FIELD_VALUES_LIMIT_DEFAULT
    const answer = await runForClient(clock, reply, base.timeoutMs, (signal) =>
      backend.fieldValues(base, name, limit, signal),
    )
    const text = JSON.stringify({ values: answer.values, other: answer.other, ...answerMembersOf(answer) })
    return sendParts(reply, JSON_CONTENT_TYPE, [text], clock)
  }

  return [
    { endpoint: histogramLogs, handler: histogram },
    { endpoint: aggregateLogs, handler: aggregate },
    { endpoint: patternsOfLogs, handler: patterns },
    { endpoint: listFields, handler: fields },
    { endpoint: listFieldValues, handler: fieldValues },
  ]
}

function* histogramParts(answer: HistogramAnswer): Generator<string> {
  yield `{"interval":"${durationText(answer.intervalMs)}","buckets":`
  yield* arrayParts(answer.buckets, ({ startMs, count, by }) =>
    JSON.stringify({ start: new Date(startMs).toISOString(), count, by }),
  )
  yield restOfObject({ total: answer.total, ...answerMembersOf(answer) })
}

function* patternParts(answer: PatternsAnswer): Generator<string> {
  yield '{"patterns":'
  yield* arrayParts(answer.patterns, ({ sample, ...rest }) => `{"sample":${sample}${restOfObject(rest)}`)
  yield restOfObject(answerMembersOf(answer))
}

/** Throws invalid_parameter for an interval that makes more buckets than one answer may have. */
function intervalMsOf(text: string | undefined, { range }: QueryBase): number | undefined {
  if (text === undefined) return undefined
  const intervalMs = durationMsOf('interval', text)
  if (intervalMs < 1) throw parameterError('interval', 'must be at least 1ms')
  if ((range.toMs - range.fromMs) / intervalMs > HISTOGRAM_BUCKETS_MAX) {
    throw parameterError('interval', `makes more than ${HISTOGRAM_BUCKETS_MAX} buckets of this range`)
  }
  return intervalMs
}
