import Type from 'typebox'
import { JSON_TYPE } from './common.ts'
import type { Endpoint } from './endpoint.ts'

const DatadogErrors = Type.Object(
  { errors: Type.Array(Type.Object({ status: Type.String(), title: Type.String(), detail: Type.String() })) },
  { title: 'DatadogErrors' },
)

const failed = (description: string) => ({ description, content: { [JSON_TYPE]: DatadogErrors } })
const done = { description: 'The entries are durable.', content: { [JSON_TYPE]: Type.Object({}) } }

const Entry = Type.Object(
  {
    message: Type.Optional(Type.String()),
    ddsource: Type.Optional(Type.String()),
    ddtags: Type.Optional(Type.String()),
    hostname: Type.Optional(Type.String()),
    service: Type.Optional(Type.String()),
    status: Type.Optional(Type.String()),
  },
  { title: 'DatadogEntry', additionalProperties: true },
)

export const datadogLogs: Endpoint = {
  id: 'datadogLogs',
  group: 'Ingest by other protocols',
  method: 'POST',
  path: '/api/v2/logs',
  summary: "Store entries by Datadog's logs API",
  role: 'ingest',
  query: Type.Object({
    ddsource: Type.Optional(Type.String()),
    ddtags: Type.Optional(Type.String()),
    hostname: Type.Optional(Type.String()),
    service: Type.Optional(Type.String()),
  }),
  body: {
    description:
      'An array of entries, one entry, or lines of text. The parameters are for entries that do not say it themselves.',
    content: { [JSON_TYPE]: Type.Union([Type.Array(Entry), Entry]), 'text/plain': null },
  },
  responses: {
    202: done,
    400: failed('Some or all entries were refused; the others are durable.'),
    413: failed('The body, or what it inflates to, is larger than the limit.'),
    429: failed('Too much is in flight; send it again after Retry-After.'),
    503: failed('The node drains or cannot write; send it again after Retry-After.'),
  },
}

export const datadogInput: Endpoint = {
  ...datadogLogs,
  id: 'datadogInput',
  path: '/v1/input',
  summary: 'The same, of version 1',
  responses: { ...datadogLogs.responses, 200: done },
}

export const datadogValidate: Endpoint = {
  id: 'datadogValidate',
  group: 'Ingest by other protocols',
  method: 'GET',
  path: '/api/v1/validate',
  summary: 'Whether the key is one that may send',
  role: 'ingest',
  responses: { 200: { description: 'It is.', content: { [JSON_TYPE]: Type.Object({ valid: Type.Literal(true) }) } } },
}
