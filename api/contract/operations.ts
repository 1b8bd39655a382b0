import Type from 'typebox'
import { JSON_TYPE } from './common.ts'
import type { Endpoint } from './endpoint.ts'

export const getHealth: Endpoint = {
  id: 'getHealth',
  method: 'GET',
  path: '/healthz',
  group: 'Operate',
  summary: 'Is the process alive',
  role: null,
  responses: {
    200: { description: 'Alive.', content: { [JSON_TYPE]: Type.Object({ status: Type.Enum(['alive']) }) } },
  },
}

const Readiness = Type.Object(
  {
    status: Type.Enum(['ready', 'not_ready']),
    reasons: Type.Array(Type.String(), { description: 'Why it is not ready.' }),
    lacks: Type.Optional(
      Type.Array(Type.String(), {
        description:
          'What is missing of a node that takes requests all the same, such as the bucket. Answers say in their coverage what they lack.',
      }),
    ),
  },
  { title: 'Readiness' },
)

export const getReadiness: Endpoint = {
  id: 'getReadiness',
  method: 'GET',
  path: '/readyz',
  group: 'Operate',
  summary: 'Does the node take requests',
  role: null,
  responses: {
    200: { description: 'Ready.', content: { [JSON_TYPE]: Readiness } },
    503: { description: 'Not ready, and why.', content: { [JSON_TYPE]: Readiness } },
  },
}

export const getMetrics: Endpoint = {
  id: 'getMetrics',
  method: 'GET',
  path: '/metrics',
  group: 'Operate',
  summary: 'Metrics in the Prometheus exposition format',
  description: 'They count every tenant, so that a credential of the whole cluster is needed.',
  role: 'read',
  clusterOnly: true,
  responses: { 200: { description: 'Metrics.', content: { 'text/plain; version=0.0.4; charset=utf-8': null } } },
}

export const getOpenApi: Endpoint = {
  id: 'getOpenApi',
  method: 'GET',
  path: '/openapi.json',
  group: 'Operate',
  summary: 'This interface as an OpenAPI 3.1 document',
  role: null,
  responses: { 200: { description: 'The document.', content: { [JSON_TYPE]: Type.Unknown() } } },
}

export const getDocs: Endpoint = {
  id: 'getDocs',
  method: 'GET',
  path: '/docs',
  group: 'Operate',
  summary: 'This interface for people',
  role: null,
  responses: { 200: { description: 'A page.', content: { 'text/html': null } } },
}

export const getErrorDocs: Endpoint = {
  id: 'getErrorDocs',
  method: 'GET',
  path: '/docs/errors',
  group: 'Operate',
  summary: 'Every error code',
  role: null,
  responses: { 200: { description: 'A page.', content: { 'text/html': null } } },
}

export const getLanding: Endpoint = {
  id: 'getLanding',
  method: 'GET',
  path: '/',
  group: 'Operate',
  summary: 'What this node is and where to go next',
  role: null,
  responses: {
    200: {
      description: 'A page, or JSON when asked for.',
      content: { 'text/html': null, [JSON_TYPE]: Type.Unknown() },
    },
  },
}
