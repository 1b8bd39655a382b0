import Type, { type Static } from 'typebox'
import { SEARCH_LIMIT_MAX } from '../../base/limits.ts'
import { Coverage, DurationText, JSON_TYPE, LogRecord, NameText, queryParameters, TimeText } from './common.ts'
import type { Endpoint } from './endpoint.ts'
import { limitParameter } from './search.ts'

const RecordPath = Type.Object({ id: NameText('Id of the record.') })
const timeout = Type.Optional(DurationText('Give up after this long.', '30s'))

export const NoParameters = Type.Object({}, { additionalProperties: false })

export const getRecord: Endpoint = {
  id: 'getRecord',
  method: 'GET',
  path: '/v1/logs/{id}',
  group: 'Search',
  summary: 'One record',
  role: 'read',
  pathParameters: RecordPath,
  query: NoParameters,
  responses: {
    200: { description: 'The record.', content: { [JSON_TYPE]: LogRecord } },
    404: { description: 'The tenant has no such record.' },
  },
}

export const CONTEXT_DEFAULT = 10
const CONTEXT_MAX = 1000

export const ContextParameters = Type.Object(
  {
    before: Type.Optional(Type.Integer({ minimum: 0, maximum: CONTEXT_MAX, default: CONTEXT_DEFAULT })),
    after: Type.Optional(Type.Integer({ minimum: 0, maximum: CONTEXT_MAX, default: CONTEXT_DEFAULT })),
    timeout,
  },
  { additionalProperties: false },
)
export type ContextParameters = Static<typeof ContextParameters>

export const getRecordContext: Endpoint = {
  id: 'getRecordContext',
  method: 'GET',
  path: '/v1/logs/{id}/context',
  group: 'Search',
  summary: 'A record and its neighbours in the same service and host',
  role: 'read',
  pathParameters: RecordPath,
  query: ContextParameters,
  responses: {
    200: {
      description: 'Oldest first in both lists.',
      content: {
        [JSON_TYPE]: Type.Object(
          { before: Type.Array(LogRecord), record: LogRecord, after: Type.Array(LogRecord), coverage: Coverage },
          { title: 'ContextResult' },
        ),
      },
    },
    404: { description: 'The tenant has no such record.' },
  },
}

export const TRACE_LIMIT_DEFAULT = 1000

export const TraceParameters = Type.Object(
  {
    query: queryParameters.query,
    service: queryParameters.service,
    level: queryParameters.level,
    host: queryParameters.host,
    timeout: queryParameters.timeout,
    from: Type.Optional(TimeText('Start, inclusive; all that is kept when absent.')),
    to: Type.Optional(TimeText('End, exclusive; open when absent.')),
    limit: limitParameter(TRACE_LIMIT_DEFAULT, SEARCH_LIMIT_MAX),
  },
  { additionalProperties: false },
)
export type TraceParameters = Static<typeof TraceParameters>

const TraceResult = Type.Object(
  {
    traceId: Type.String(),
    startedAt: Type.String(),
    durationMs: Type.Number(),
    services: Type.Array(
      Type.Object({
        service: Type.String(),
        count: Type.Integer(),
        firstAt: Type.String(),
        lastAt: Type.String(),
        errors: Type.Integer(),
      }),
    ),
    logs: Type.Array(LogRecord),
    coverage: Coverage,
  },
  { title: 'TraceResult' },
)
export type TraceResult = Static<typeof TraceResult>

export const getTrace: Endpoint = {
  id: 'getTrace',
  method: 'GET',
  path: '/v1/traces/{traceId}',
  group: 'Search',
  summary: 'Every record of a trace, oldest first',
  role: 'read',
  pathParameters: Type.Object({ traceId: NameText('Id of the trace.') }),
  query: TraceParameters,
  responses: {
    200: {
      description: 'The trace.',
      content: {
        [JSON_TYPE]: TraceResult,
      },
    },
    404: { description: 'The tenant has no record of this trace.' },
  },
}
