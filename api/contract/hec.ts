import Type from 'typebox'
import { JSON_TYPE } from './common.ts'
import type { Endpoint } from './endpoint.ts'

const HecAnswer = Type.Object(
  {
    text: Type.String(),
    code: Type.Integer({ description: '0: success; others as Splunk has them.' }),
    ackId: Type.Optional(Type.Integer({ description: 'Where the request names a channel.' })),
    'invalid-event-number': Type.Optional(Type.Integer({ description: 'The first event that was refused, from 0.' })),
    accepted: Type.Optional(Type.Integer({ description: 'Events of a request with refused ones that are durable.' })),
    rejected: Type.Optional(Type.Integer()),
    detail: Type.Optional(Type.String()),
  },
  { title: 'HecAnswer' },
)

const answer = (description: string) => ({ description, content: { [JSON_TYPE]: HecAnswer } })

const ingest = {
  group: 'Ingest by other protocols',
  method: 'POST',
  role: 'ingest',
  responses: {
    200: answer('The events are durable.'),
    400: answer('Some or all events were refused; the others are durable.'),
    413: answer('The body, or what it inflates to, is larger than the limit.'),
    503: answer('Too much is in flight, or the node drains or cannot write; send it again after Retry-After.'),
  },
} as const

const channel = Type.Optional(Type.String({ description: 'As in X-Splunk-Request-Channel.' }))

export const hecEvent: Endpoint = {
  ...ingest,
  id: 'hecEvent',
  path: '/services/collector/event',
  summary: "Store events by Splunk's HTTP Event Collector",
  query: Type.Object({ channel }),
  body: {
    description:
      'Objects `{"event":…,"time":…,"host":…,"source":…,"sourcetype":…,"index":…,"fields":{…}}`, one after the other.',
    content: { [JSON_TYPE]: null },
  },
}

export const hecCollector: Endpoint = {
  ...hecEvent,
  id: 'hecCollector',
  path: '/services/collector',
  summary: 'The same',
}

export const hecRaw: Endpoint = {
  ...ingest,
  id: 'hecRaw',
  path: '/services/collector/raw',
  summary: 'Store lines of text by the same protocol',
  query: Type.Object({
    channel,
    time: Type.Optional(Type.String({ description: 'Of all lines, in seconds.' })),
    host: Type.Optional(Type.String()),
    source: Type.Optional(Type.String()),
    sourcetype: Type.Optional(Type.String()),
    index: Type.Optional(Type.String()),
  }),
  body: { description: 'An event a line.', content: { 'text/plain': null } },
}

export const hecAck: Endpoint = {
  id: 'hecAck',
  group: 'Ingest by other protocols',
  method: 'POST',
  path: '/services/collector/ack',
  summary: 'Ask whether events are durable: those with an ackId are',
  role: 'ingest',
  query: Type.Object({ channel }),
  body: {
    description: '`{"acks":[0,1]}`',
    content: { [JSON_TYPE]: Type.Object({ acks: Type.Array(Type.Integer({ minimum: 0 })) }, { title: 'HecAcks' }) },
  },
  responses: {
    200: {
      description: 'By ackId.',
      content: { [JSON_TYPE]: Type.Object({ acks: Type.Record(Type.String(), Type.Boolean()) }) },
    },
    400: answer('There is no channel, or no list of numbers.'),
  },
}

export const hecHealth: Endpoint = {
  id: 'hecHealth',
  group: 'Ingest by other protocols',
  method: 'GET',
  path: '/services/collector/health',
  summary: 'Whether the node takes events',
  role: null,
  responses: { 200: answer('It does.'), 503: answer('It does not.') },
}
