import Type, { type Static } from 'typebox'
import { SEARCH_LIMIT_DEFAULT, SEARCH_LIMIT_MAX } from '../../base/limits.ts'
import {
  answerMembers,
  Coverage,
  DurationText,
  JSON_TYPE,
  LogRecord,
  NameList,
  NDJSON_TYPE,
  queryParameters,
  rangeParameters,
} from './common.ts'
import type { Endpoint } from './endpoint.ts'
import { lastParameter } from './tails.ts'

export const limitParameter = (defaultLimit: number, max: number) =>
  Type.Optional(Type.Integer({ minimum: 1, maximum: max, default: defaultLimit }))

export const cursorParameter = Type.Optional(
  Type.String({ minLength: 1, maxLength: 4096, description: 'From `nextCursor` or `cursor` of an earlier answer.' }),
)

export const SearchParameters = Type.Object(
  {
    ...queryParameters,
    ...rangeParameters,
    limit: limitParameter(SEARCH_LIMIT_DEFAULT, SEARCH_LIMIT_MAX),
    order: Type.Optional(Type.Enum(['asc', 'desc'], { default: 'desc', description: 'By time.' })),
    page: Type.Optional(
      Type.Integer({ minimum: 1, default: 1, description: `From 1; page × limit ≤ ${SEARCH_LIMIT_MAX}.` }),
    ),
    cursor: cursorParameter,
    fields: Type.Optional(NameList('Fields to return.')),
    total: Type.Optional(
      Type.Enum(['exact', 'none'], { description: 'Count all matches, or none; by default exact up to 10,000.' }),
    ),
  },
  { additionalProperties: false },
)
export type SearchParameters = Static<typeof SearchParameters>

const RowsResult = Type.Object(
  {
    logs: Type.Array(LogRecord),
    total: Type.Union([Type.Integer(), Type.Null()]),
    totalRelation: Type.Enum(['eq', 'gte']),
    page: Type.Integer(),
    nextCursor: Type.Union([Type.String(), Type.Null()]),
    ...answerMembers,
  },
  { title: 'RowsResult' },
)

export const TableResult = Type.Object(
  {
    columns: Type.Array(Type.String()),
    rows: Type.Array(
      Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean(), Type.Null()])),
    ),
    ...answerMembers,
  },
  { title: 'TableResult' },
)

const searchResponses = {
  200: {
    description:
      'Records, newest first unless asked otherwise; a table when the query ends in an aggregating pipe. ' +
      'With `Accept: application/x-ndjson`: a row a line, then one line `{"summary":true,…}`.',
    content: { [JSON_TYPE]: Type.Union([RowsResult, TableResult]), [NDJSON_TYPE]: null },
  },
  400: { description: 'A parameter or the query is wrong; its name or position is given.' },
}

export const searchLogs: Endpoint = {
  id: 'searchLogs',
  method: 'GET',
  path: '/v1/logs/search',
  group: 'Search',
  summary: 'Find records',
  role: 'read',
  query: SearchParameters,
  responses: searchResponses,
}

export const searchLogsByPost: Endpoint = {
  ...searchLogs,
  id: 'searchLogsByPost',
  method: 'POST',
  description: 'Parameters come as a JSON object or as form fields, in the query string, or both; none twice.',
  body: {
    description: 'The parameters.',
    content: { [JSON_TYPE]: SearchParameters, 'application/x-www-form-urlencoded': SearchParameters },
  },
}

export const explainSearch: Endpoint = {
  ...searchLogsByPost,
  id: 'explainSearch',
  path: '/v1/logs/explain',
  summary: 'Show how a search is planned',
  description: 'Takes the parameters of a search; tells shards, blocks and which filter pruned what.',
  responses: {
    200: {
      description: 'The plan.',
      content: {
        [JSON_TYPE]: Type.Object(
          { query: Type.Unknown(), shards: Type.Array(Type.Unknown()), totals: Type.Unknown(), coverage: Coverage },
          { title: 'ExplainResult' },
        ),
      },
    },
  },
}

export const TAIL_LIMIT_DEFAULT = 100
const TAIL_LIMIT_MAX = 1000

export const TailParameters = Type.Object(
  {
    ...queryParameters,
    from: rangeParameters.from,
    cursor: cursorParameter,
    limit: limitParameter(TAIL_LIMIT_DEFAULT, TAIL_LIMIT_MAX),
    wait: Type.Optional(DurationText('Wait up to this long when there is nothing new.', '0s')),
    last: lastParameter,
  },
  { additionalProperties: false },
)
export type TailParameters = Static<typeof TailParameters>

export const tailLogs: Endpoint = {
  id: 'tailLogs',
  method: 'GET',
  path: '/v1/logs/tail',
  group: 'Search',
  summary: 'Follow new records',
  description:
    'One answer, or a live tail. A poll gives the newest records without a cursor, and with the cursor of the last answer what has come since; `limit`, `wait` and `from` are for polls. ' +
    'With `Accept: text/event-stream` the answer is a stream of events that goes on (`last`; `Last-Event-ID` is a cursor), and a WebSocket takes `{"subscribe":{…}}`: see the page on live tails.',
  role: 'read',
  query: TailParameters,
  responses: {
    200: {
      description: 'Records, oldest first.',
      content: {
        [JSON_TYPE]: Type.Object(
          { logs: Type.Array(LogRecord), cursor: Type.String(), coverage: Coverage },
          { title: 'TailResult' },
        ),
        'text/event-stream': null,
      },
    },
  },
}
