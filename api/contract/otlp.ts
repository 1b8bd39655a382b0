import Type from 'typebox'
import { JSON_TYPE, PROTOBUF_TYPE } from './common.ts'
import type { Endpoint } from './endpoint.ts'

const ExportLogs = Type.Object(
  { resourceLogs: Type.Optional(Type.Array(Type.Unknown())) },
  { title: 'ExportLogsServiceRequest' },
)
const ExportLogsAnswer = Type.Object(
  {
    partialSuccess: Type.Optional(
      Type.Object({
        rejectedLogRecords: Type.String({ description: 'How many; the others are stored.' }),
        errorMessage: Type.String(),
      }),
    ),
  },
  { title: 'ExportLogsServiceResponse' },
)
const RpcStatus = Type.Object(
  { code: Type.Integer({ description: 'Of google.rpc.Code.' }), message: Type.String() },
  { title: 'RpcStatus' },
)

const failed = (description: string) => ({ description, content: { [JSON_TYPE]: RpcStatus, [PROTOBUF_TYPE]: null } })

export const otlpLogs: Endpoint = {
  id: 'otlpLogs',
  method: 'POST',
  path: '/v1/logs',
  group: 'Ingest by other protocols',
  summary: 'Store records by OTLP, the protocol of OpenTelemetry',
  role: 'ingest',
  body: {
    description: 'An `ExportLogsServiceRequest` in JSON or protobuf, as the Content-Type says.',
    content: { [JSON_TYPE]: ExportLogs, [PROTOBUF_TYPE]: null },
  },
  responses: {
    200: {
      description: 'What is not counted in `partialSuccess` is durable.',
      content: { [JSON_TYPE]: ExportLogsAnswer, [PROTOBUF_TYPE]: null },
    },
    400: failed('The body cannot be read; nothing was stored.'),
    413: failed('The body, or what it inflates to, is larger than the limit.'),
    415: failed('The Content-Type is neither of both.'),
    429: failed('Too much is in flight; send it again after Retry-After.'),
    503: failed('The node drains or cannot write; send it again after Retry-After.'),
  },
}

export const otlpLogsOfBase: Endpoint = {
  ...otlpLogs,
  id: 'otlpLogsOfBase',
  path: '/otlp/v1/logs',
  summary: 'The same, below a path of its own',
}
