import Type from 'typebox'
import { JSON_TYPE, PROTOBUF_TYPE, TEXT_TYPE } from './common.ts'
import type { Endpoint } from './endpoint.ts'

const Push = Type.Object(
  {
    streams: Type.Array(
      Type.Object({
        stream: Type.Record(Type.String(), Type.String(), { description: 'Labels.' }),
        values: Type.Array(Type.Array(Type.Unknown()), {
          description:
            'Entries: `["nanoseconds since the epoch", "line", {structured metadata}]`; the last may be absent.',
        }),
      }),
    ),
  },
  { title: 'LokiPush' },
)

const failed = (description: string) => ({ description, content: { [TEXT_TYPE]: null } })

export const lokiPush: Endpoint = {
  id: 'lokiPush',
  method: 'POST',
  path: '/loki/api/v1/push',
  group: 'Ingest by other protocols',
  summary: "Store entries by Loki's push protocol",
  role: 'ingest',
  body: {
    description: 'A `PushRequest`: JSON where the Content-Type says so, else protobuf as a snappy block.',
    content: { [JSON_TYPE]: Push, [PROTOBUF_TYPE]: null },
  },
  responses: {
    204: { description: 'All entries are durable.' },
    400: failed(
      'The body cannot be read, and nothing was stored; or some entries were refused, which are named, and the others were stored.',
    ),
    413: failed('The body, or what it inflates to, is larger than the limit.'),
    429: failed('Too much is in flight; send it again after Retry-After.'),
    503: failed('The node drains or cannot write; send it again after Retry-After.'),
  },
}
