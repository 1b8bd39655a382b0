import Type, { type Static } from 'typebox'
import { QUERY_TEXT_BYTES_MAX } from '../../base/limits.ts'

/** Schemas with a `title` become named components of the OpenAPI document. */

export const JSON_TYPE = 'application/json'
export const NDJSON_TYPE = 'application/x-ndjson'
export const PROTOBUF_TYPE = 'application/x-protobuf'
export const TEXT_TYPE = 'text/plain'
export const PROBLEM_TYPE = 'application/problem+json'
export const HTML_TYPE = 'text/html; charset=utf-8'

const PARAMETER_CHARS_MAX = 1024

export const TimeText = (description: string, defaultText?: string) =>
  Type.Union([Type.String({ maxLength: 64 }), Type.Number()], {
    description: `${description} RFC 3339, epoch s/ms/µs/ns, or relative (\`now-1h\`).`,
    ...(defaultText === undefined ? {} : { default: defaultText }),
  })

export const DurationText = (description: string, defaultText?: string) =>
  Type.String({
    maxLength: 64,
    description: `${description} A number with a unit: \`500ms\`, \`30s\`, \`5m\`, \`1h\`, \`1d\`.`,
    ...(defaultText === undefined ? {} : { default: defaultText }),
  })

export const NameText = (description: string) => Type.String({ maxLength: PARAMETER_CHARS_MAX, description })

/** Names separated by commas, or a JSON array of names. */
export const NameList = (description: string) =>
  Type.Union(
    [
      Type.String({ maxLength: QUERY_TEXT_BYTES_MAX }),
      Type.Array(Type.String({ maxLength: PARAMETER_CHARS_MAX }), { maxItems: 256 }),
    ],
    { description: `${description} Separated by commas.` },
  )

/** What narrows every query. */
export const queryParameters = {
  query: Type.Optional(
    Type.String({
      maxLength: QUERY_TEXT_BYTES_MAX,
      description: 'Text of the query language; empty or absent matches every record.',
    }),
  ),
  service: Type.Optional(NameText('Only records of this service.')),
  level: Type.Optional(NameText('Only records of this level.')),
  host: Type.Optional(NameText('Only records of this host.')),
  traceId: Type.Optional(NameText('Only records of this trace.')),
  timeout: Type.Optional(
    DurationText('After this long, what was found so far is returned and labelled partial.', '30s'),
  ),
}

export const rangeParameters = {
  from: Type.Optional(TimeText('Start, inclusive.', 'now-1h')),
  to: Type.Optional(TimeText('End, exclusive.', 'now')),
}

export const Problem = Type.Object(
  {
    type: Type.String({ description: 'URI reference of the description of this kind of error.' }),
    title: Type.String(),
    status: Type.Integer(),
    code: Type.String({ description: 'Stable; listed at /docs/errors.' }),
    detail: Type.String(),
    instance: Type.String({ description: 'Path of the request.' }),
    requestId: Type.String({ description: 'Names this request in the logs of the node.' }),
    parameter: Type.Optional(Type.String({ description: 'With invalid_parameter: its name.' })),
    position: Type.Optional(Type.Integer({ description: 'With invalid_query: where, in characters from 0.' })),
    length: Type.Optional(Type.Integer({ description: 'With invalid_query: how many characters.' })),
    hint: Type.Optional(Type.String({ description: 'With invalid_query: what to write instead.' })),
  },
  { title: 'Problem', description: 'An RFC 9457 problem document.' },
)
export type Problem = Static<typeof Problem>

export const LogRecord = Type.Object(
  {
    id: Type.String({ description: 'Stable; sorts by time within a shard.' }),
    timestamp: Type.String({ description: 'RFC 3339 with up to nine fractional digits.' }),
    level: Type.String({ description: 'TRACE, DEBUG, INFO, WARN, ERROR or FATAL.' }),
    service: Type.String(),
    host: Type.Optional(Type.String()),
    message: Type.Optional(Type.String()),
    traceId: Type.Optional(Type.String()),
    tags: Type.Optional(Type.Unknown()),
    metadata: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
    ingestedAt: Type.String(),
  },
  {
    title: 'LogRecord',
    description: 'A record. Further fields return where they were sent.',
    additionalProperties: true,
  },
)
export type LogRecord = Static<typeof LogRecord>

const TierCoverage = Type.Object({ blocks: Type.Integer(), rows: Type.Integer() }, { title: 'TierCoverage' })

export const Coverage = Type.Object(
  {
    complete: Type.Boolean({
      description: 'False when something did not answer or lags; then it is named in `missing`.',
    }),
    shards: Type.Integer(),
    answered: Type.Integer(),
    missing: Type.Array(Type.Object({ shard: Type.Integer(), reason: Type.String() })),
    tiers: Type.Object({ hot: TierCoverage, warm: TierCoverage, cold: TierCoverage }),
  },
  { title: 'Coverage', description: 'Which parts of the data an answer rests on.' },
)
export type Coverage = Static<typeof Coverage>

const QueryStats = Type.Object(
  {
    blocks: Type.Integer(),
    blocksSkipped: Type.Integer(),
    rowsScanned: Type.Integer(),
    bytesRead: Type.Integer(),
  },
  { title: 'QueryStats' },
)

/** Members that every answer of a query has. */
export const answerMembers = { tookMs: Type.Number(), coverage: Coverage, stats: QueryStats }
