import Type, { type Static } from 'typebox'
import { IDEMPOTENCY_KEY_BYTES_MAX } from '../../base/limits.ts'
import { JSON_TYPE, NameText, NDJSON_TYPE, PROBLEM_TYPE, Problem } from './common.ts'
import type { Endpoint } from './endpoint.ts'

export const IngestParameters = Type.Object(
  {
    time_field: Type.Optional(NameText('Field to take as the timestamp.')),
    message_field: Type.Optional(NameText('Field to take as the message.')),
    service: Type.Optional(NameText('Service of records that name none.')),
    host: Type.Optional(NameText('Host of records that name none.')),
  },
  { additionalProperties: false },
)
export type IngestParameters = Static<typeof IngestParameters>

const IngestHeaders = Type.Object({
  'Idempotency-Key': Type.Optional(
    Type.String({
      maxLength: IDEMPOTENCY_KEY_BYTES_MAX,
      description: 'Makes any retry of the same body a no-op for 24 h; the same key with another body is 422.',
    }),
  ),
  'X-Service-Id': Type.Optional(NameText('Service of records that name none; `service` comes before it.')),
  'X-Host': Type.Optional(NameText('Host of records that name none; `host` comes before it.')),
  'X-Scope-OrgID': Type.Optional(NameText('Tenant, for credentials that may name one.')),
  'Content-Encoding': Type.Optional(Type.Enum(['gzip', 'zstd', 'deflate', 'identity'])),
})

const IngestAnswer = Type.Object(
  {
    accepted: Type.Integer({ description: 'Records that are durable.' }),
    rejected: Type.Integer({ description: 'Records that are not; kept in the dead letters where they could be read.' }),
    errors: Type.Array(
      Type.Object({
        index: Type.Integer({ description: 'Number of the record in the request, from 0.' }),
        code: Type.String(),
        reason: Type.String(),
      }),
      { description: 'The first rejects in order; `rejected` counts them all.' },
    ),
  },
  { title: 'IngestAnswer' },
)

const record = Type.Object(
  {
    timestamp: Type.Optional(Type.Union([Type.String(), Type.Number()])),
    level: Type.Optional(Type.Union([Type.String(), Type.Number()])),
    service: Type.Optional(Type.String()),
    message: Type.Optional(Type.String()),
    host: Type.Optional(Type.String()),
    traceId: Type.Optional(Type.String()),
    spanId: Type.Optional(Type.String()),
    tags: Type.Optional(Type.Unknown()),
  },
  { title: 'SentRecord', additionalProperties: true, description: 'Any JSON object; no field is required.' },
)

const envelope = Type.Object({
  logs: Type.Array(record),
  clientId: Type.Optional(Type.String({ description: 'Of the agent that sends it; for people.' })),
  token: Type.Optional(
    Type.String({
      description: 'Key, where no header field has one. Neither is stored; the body may have 4 MiB then.',
    }),
  ),
})

export const ingestLogs: Endpoint = {
  id: 'ingestLogs',
  method: 'POST',
  path: '/v1/logs/ingest',
  group: 'Ingest',
  summary: 'Store records',
  description:
    'Answers once every accepted record is durable. A record that cannot be stored is rejected alone, with its index and reason; ' +
    'the others are kept. Bodies may be compressed (gzip, zstd, deflate).',
  role: 'ingest',
  credentialInBody: true,
  query: IngestParameters,
  headers: IngestHeaders,
  body: {
    description:
      'One record, an array of records, `{"logs":[…]}`, or a record a line (NDJSON). Plain text: lines, each a message.',
    content: {
      [JSON_TYPE]: Type.Union([record, Type.Array(record), envelope]),
      [NDJSON_TYPE]: null,
      'application/stream+json': null,
      'text/plain': null,
    },
  },
  responses: {
    200: { description: 'Some or all records are durable.', content: { [JSON_TYPE]: IngestAnswer } },
    400: {
      description: 'No record was accepted, or the body cannot be read.',
      content: { [PROBLEM_TYPE]: Type.Union([Type.Intersect([Problem, IngestAnswer]), Problem]) },
    },
    413: { description: 'The body, or what it inflates to, is larger than the limit.' },
    415: { description: 'The content type or encoding is not supported.' },
    422: { description: 'The idempotency key was used with another body.' },
    429: { description: 'Too much is in flight; try again after Retry-After.' },
    503: { description: 'The node drains or cannot write; try again after Retry-After.' },
  },
}
