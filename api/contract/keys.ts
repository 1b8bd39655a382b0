import Type, { type Static } from 'typebox'
import { JSON_TYPE, NameText } from './common.ts'
import type { Endpoint } from './endpoint.ts'
import { NoParameters } from './records.ts'

const roles = Type.Array(Type.Enum(['ingest', 'read', 'alert', 'admin', 'enrol']), {
  minItems: 1,
  maxItems: 5,
  uniqueItems: true,
  description: '`admin` includes the others; `alert` sees to rules, events and silences; `enrol` registers agents.',
})

export const CreateKeyBody = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 200, description: 'For people to recognise it by.' }),
    tenant: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 64,
        description:
          'Defaults to the tenant of the request; `*`, for a key that may name any, only by a key of that kind.',
      }),
    ),
    roles,
  },
  { additionalProperties: false, title: 'CreateKey' },
)
export type CreateKeyBody = Static<typeof CreateKeyBody>

const keyMembers = {
  id: Type.String(),
  name: Type.String(),
  tenant: Type.String(),
  roles,
  createdAt: Type.String(),
}

export const KeyInfo = Type.Object(keyMembers, { title: 'KeyInfo' })
export type KeyInfo = Static<typeof KeyInfo>

export const createKey: Endpoint = {
  id: 'createKey',
  method: 'POST',
  path: '/v1/keys',
  group: 'Operate',
  summary: 'Make an API key',
  description: 'The key is in this answer only; what is kept is its hash.',
  role: 'admin',
  query: NoParameters,
  body: { description: 'What the key is for.', content: { [JSON_TYPE]: CreateKeyBody } },
  responses: {
    201: {
      description: 'Made.',
      content: { [JSON_TYPE]: Type.Object({ ...keyMembers, key: Type.String() }, { title: 'NewKey' }) },
    },
  },
}

export const listKeys: Endpoint = {
  id: 'listKeys',
  method: 'GET',
  path: '/v1/keys',
  group: 'Operate',
  summary: 'List API keys, without secrets',
  role: 'admin',
  query: NoParameters,
  responses: {
    200: {
      description: 'Keys of the tenant; of every tenant for a key of the cluster.',
      content: { [JSON_TYPE]: Type.Object({ keys: Type.Array(KeyInfo) }, { title: 'KeyList' }) },
    },
  },
}

export const revokeKey: Endpoint = {
  id: 'revokeKey',
  method: 'DELETE',
  path: '/v1/keys/{id}',
  group: 'Operate',
  summary: 'Revoke an API key',
  role: 'admin',
  pathParameters: Type.Object({ id: NameText('Id of the key.') }),
  query: NoParameters,
  responses: { 204: { description: 'Revoked.' }, 404: { description: 'There is no such key.' } },
}
