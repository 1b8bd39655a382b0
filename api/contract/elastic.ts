import Type from 'typebox'
import { JSON_TYPE, NDJSON_TYPE } from './common.ts'
import type { Endpoint } from './endpoint.ts'

const BulkItem = Type.Object({
  _index: Type.String(),
  _id: Type.Optional(Type.String({ description: 'Where the sender gave one.' })),
  status: Type.Integer({ description: '201 stored; 400 refused; 429 to be sent again.' }),
  error: Type.Optional(Type.Object({ type: Type.String(), reason: Type.String() })),
})

const BulkAnswer = Type.Object(
  {
    took: Type.Integer({ description: 'Milliseconds.' }),
    errors: Type.Boolean({ description: 'Whether any item was refused.' }),
    items: Type.Array(Type.Record(Type.String(), BulkItem), {
      description: 'One a document, in order, by its action.',
    }),
  },
  { title: 'ElasticBulkAnswer' },
)

const ElasticError = Type.Object(
  {
    error: Type.Object({ type: Type.String(), reason: Type.String() }),
    status: Type.Integer(),
  },
  { title: 'ElasticError' },
)

const failed = (description: string) => ({ description, content: { [JSON_TYPE]: ElasticError } })

const bulk = {
  group: 'Ingest by other protocols',
  role: 'ingest',
  body: {
    description:
      'Lines of actions, each but `delete` followed by its document. `update` and `delete` are refused, item by item.',
    content: { [NDJSON_TYPE]: null, [JSON_TYPE]: null },
  },
  responses: {
    200: { description: 'What became of each document.', content: { [JSON_TYPE]: BulkAnswer } },
    400: failed('The body cannot be read, or an action in it; nothing was stored.'),
    413: failed('The body, or what it inflates to, is larger than the limit.'),
    503: failed('Too much is in flight, or the node drains or cannot write; send it again after Retry-After.'),
  },
} as const

const ofIndex = {
  pathParameters: Type.Object({ index: Type.String({ description: 'Of actions that name none.' }) }),
  path: '/elastic/{index}/_bulk',
}

export const elasticBulk: Endpoint = {
  ...bulk,
  id: 'elasticBulk',
  method: 'POST',
  path: '/elastic/_bulk',
  summary: "Store documents by Elasticsearch's bulk protocol",
}

export const elasticBulkByPut: Endpoint = { ...elasticBulk, id: 'elasticBulkByPut', method: 'PUT', summary: 'The same' }

export const elasticBulkOfIndex: Endpoint = {
  ...elasticBulk,
  ...ofIndex,
  id: 'elasticBulkOfIndex',
  summary: 'The same, of one index',
}

export const elasticBulkOfIndexByPut: Endpoint = {
  ...elasticBulkOfIndex,
  id: 'elasticBulkOfIndexByPut',
  method: 'PUT',
}
