import Type, { type Static } from 'typebox'
import { JSON_TYPE } from './common.ts'
import type { Endpoint } from './endpoint.ts'
import { NoParameters } from './records.ts'

const Session = Type.Object(
  {
    authMode: Type.Enum(['off', 'keys'], { description: 'Whether requests need a credential.' }),
    isSignedIn: Type.Boolean({
      description: 'Whether this browser has a session with a valid key; true where none is needed.',
    }),
    tenant: Type.Optional(Type.String({ description: 'Of the key; `*` when it may name any.' })),
    roles: Type.Optional(Type.Array(Type.String())),
    version: Type.String({ description: 'Of the node.' }),
    nodeId: Type.String(),
  },
  { title: 'Session' },
)
export type Session = Static<typeof Session>

export const SignInBody = Type.Object(
  { key: Type.String({ minLength: 1, maxLength: 1024, description: 'An API key.' }) },
  { additionalProperties: false, title: 'SignIn' },
)

export const getSession: Endpoint = {
  id: 'getSession',
  method: 'GET',
  path: '/v1/session',
  group: 'Operate',
  summary: 'Who this browser is',
  role: null,
  query: NoParameters,
  responses: { 200: { description: 'What is known of it.', content: { [JSON_TYPE]: Session } } },
}

export const createSession: Endpoint = {
  id: 'createSession',
  method: 'POST',
  path: '/v1/session',
  group: 'Operate',
  summary: 'Sign a browser in with a key',
  description:
    'For the web UI: keeps the key in a cookie that scripts cannot read (`HttpOnly`) and that goes with requests of this origin only. Programs send the key with each request instead.',
  role: null,
  query: NoParameters,
  body: { description: 'The key.', content: { [JSON_TYPE]: SignInBody } },
  responses: {
    200: { description: 'Signed in.', content: { [JSON_TYPE]: Session } },
    401: { description: 'The key is not valid.' },
    403: { description: 'A page of another origin asks, or the key is that of an agent.' },
  },
}

export const deleteSession: Endpoint = {
  id: 'deleteSession',
  method: 'DELETE',
  path: '/v1/session',
  group: 'Operate',
  summary: 'Sign a browser out',
  role: null,
  query: NoParameters,
  responses: { 204: { description: 'The cookie is gone.' } },
}
