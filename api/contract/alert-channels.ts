import Type from 'typebox'
import { JSON_TYPE } from './common.ts'
import type { Endpoint } from './endpoint.ts'
import { NoParameters } from './records.ts'

const group = 'Alerts'
const role = 'alert'

const pathParameters = Type.Object({
  id: Type.String({ minLength: 1, maxLength: 64, description: 'Letters, digits, `_`, `.` and `-`; rules name it.' }),
})

const IfMatch = Type.Object({
  'If-Match': Type.Optional(
    Type.String({
      description: 'The revision that is to be changed, as in `ETag`; `"0"` when there must be none. Else 409.',
    }),
  ),
})

const MEMBERS = {
  name: { type: 'string', description: 'For people. Of a channel that is made without an id, the id is made of it.' },
  type: { type: 'string', enum: ['webhook', 'slack', 'teams', 'pagerduty', 'opsgenie', 'email'] },
  enabled: { type: 'boolean', default: true },
  sendResolved: { type: 'boolean', default: true, description: 'Also tells that it is over.' },
  ratePerMinute: { type: 'integer', description: 'Messages a minute; what is more waits.' },
  fallback: { type: 'string', description: 'Id of the channel that is told where this one fails.' },
  fallbackAfter: { type: 'string', default: '5m', description: 'How long this one may fail before it is.' },
  url: {
    type: 'string',
    description: 'Of webhook, slack, teams; of pagerduty and opsgenie where it is another than the usual.',
  },
  secret: { type: 'string', description: 'Of webhook: signs the body. Write-only.' },
  headers: {
    type: 'object',
    additionalProperties: { type: 'string' },
    description: 'Of webhook. Values are write-only.',
  },
  template: { type: 'string', description: 'Of webhook: the body.' },
  contentType: { type: 'string', description: 'Of webhook: of the body.' },
  routingKey: { type: 'string', description: 'Of pagerduty. Write-only.' },
  apiKey: { type: 'string', description: 'Of opsgenie. Write-only.' },
  to: { type: 'array', items: { type: 'string' }, description: 'Of email: addresses.' },
  from: { type: 'string', description: 'Of email; default alerts.smtpFrom.' },
  server: {
    type: 'object',
    description:
      'Of email: `host`, `port`, `security` (tls, starttls, none), `user`, `password` (write-only); default the server of the node.',
  },
}

const ChannelDefinition = Type.Unsafe<Record<string, unknown>>({
  type: 'object',
  title: 'AlertChannelDefinition',
  description:
    'Where notifications go. Secrets are never shown: in their place stands `********`, which, sent back, stands for the one that is kept. See docs/alert-channels.md.',
  properties: { id: { type: 'string' }, ...MEMBERS },
  required: ['type'],
  examples: [
    { name: 'duty', type: 'pagerduty', routingKey: 'R0123456789abcdef0123456789abcde', fallback: 'duty-mail' },
    { name: 'duty-mail', type: 'email', to: ['duty@example.com'] },
  ],
})

const Channel = Type.Unsafe<Record<string, unknown>>({
  type: 'object',
  title: 'AlertChannel',
  properties: {
    id: { type: 'string' },
    revision: { type: 'integer' },
    createdAt: { type: 'string' },
    updatedAt: { type: 'string' },
    ...MEMBERS,
  },
  required: ['id', 'revision', 'createdAt', 'updatedAt', 'name', 'type'],
})
const answer = { [JSON_TYPE]: Channel }

const TestAnswer = Type.Object(
  {
    delivered: Type.Boolean(),
    outcome: Type.String({
      description: '`delivered`, or why not: timeout, tls, dns, status, redirect, refusedTarget …',
    }),
    detail: Type.Union([Type.String(), Type.Null()]),
    status: Type.Union([Type.Integer(), Type.Null()], { description: 'Of HTTP or SMTP.' }),
    tookMs: Type.Number(),
  },
  { title: 'AlertChannelTest' },
)

const Delivery = Type.Object(
  {
    firingId: Type.String({ description: 'The id of the event.' }),
    kind: Type.Enum(['fired', 'resolved', 'test']),
    channel: Type.String(),
    rule: Type.String(),
    status: Type.Enum(['waiting', 'delivered', 'givenUp']),
    createdAt: Type.String(),
    nextAttemptAt: Type.Union([Type.String(), Type.Null()]),
    settledAt: Type.Union([Type.String(), Type.Null()]),
    attempts: Type.Integer(),
    fallbackOf: Type.Union([Type.String(), Type.Null()], { description: 'The channel that it stands in for.' }),
    fellBackTo: Type.Union([Type.String(), Type.Null()], { description: 'The channel that was told as well.' }),
    log: Type.Array(
      Type.Object({
        at: Type.String(),
        node: Type.String(),
        outcome: Type.String(),
        detail: Type.Union([Type.String(), Type.Null()]),
        status: Type.Union([Type.Integer(), Type.Null()]),
        tookMs: Type.Number(),
      }),
      { description: 'The last attempts, oldest first.' },
    ),
  },
  { title: 'AlertDelivery' },
)

export const DeliveryParameters = Type.Object(
  {
    firing: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 64,
        pattern: '^[\\w-]+$',
        description: 'Only of this firing: the id of an event.',
      }),
    ),
    channel: Type.Optional(Type.String({ maxLength: 64, description: 'Only to this channel.' })),
    status: Type.Optional(Type.Enum(['waiting', 'delivered', 'givenUp'], { description: 'Only with this status.' })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100 })),
  },
  { additionalProperties: false },
)

const NO_CHANNEL = { description: 'There is no such channel.' }
const OTHER_REVISION = { description: 'It has another revision than `If-Match` says.' }

export const listAlertChannels: Endpoint = {
  id: 'listAlertChannels',
  method: 'GET',
  path: '/v1/alerts/channels',
  group,
  summary: 'List the channels of the tenant',
  role,
  query: NoParameters,
  responses: {
    200: {
      description: 'All channels, by id, without secrets.',
      content: { [JSON_TYPE]: Type.Object({ channels: Type.Array(Channel) }, { title: 'AlertChannelList' }) },
    },
  },
}

export const createAlertChannel: Endpoint = {
  id: 'createAlertChannel',
  method: 'POST',
  path: '/v1/alerts/channels',
  group,
  summary: 'Make a channel',
  description: 'Under its `id`, or one made of its name. What is not understood is refused, with its path.',
  role,
  query: NoParameters,
  body: { description: 'The definition.', content: { [JSON_TYPE]: ChannelDefinition } },
  responses: { 201: { description: 'Made.', content: answer }, 409: { description: 'There is one of this id.' } },
}

export const getAlertChannel: Endpoint = {
  id: 'getAlertChannel',
  method: 'GET',
  path: '/v1/alerts/channels/{id}',
  group,
  summary: 'A channel',
  role,
  pathParameters,
  query: NoParameters,
  responses: { 200: { description: 'Without secrets.', content: answer }, 404: NO_CHANNEL },
}

export const putAlertChannel: Endpoint = {
  id: 'putAlertChannel',
  method: 'PUT',
  path: '/v1/alerts/channels/{id}',
  group,
  summary: 'Make or change a channel',
  description:
    'A masked secret stays as it is, unless it would go to another host than before. What waits for the channel goes by the new definition.',
  role,
  pathParameters,
  query: NoParameters,
  headers: IfMatch,
  body: { description: 'The definition.', content: { [JSON_TYPE]: ChannelDefinition } },
  responses: {
    200: { description: 'Changed.', content: answer },
    201: { description: 'Made.', content: answer },
    409: OTHER_REVISION,
  },
}

export const deleteAlertChannel: Endpoint = {
  id: 'deleteAlertChannel',
  method: 'DELETE',
  path: '/v1/alerts/channels/{id}',
  group,
  summary: 'Delete a channel',
  description: 'What waits for it is given up. Rules that name it say so in their deliveries.',
  role,
  pathParameters,
  query: NoParameters,
  headers: IfMatch,
  responses: { 204: { description: 'Deleted.' }, 404: NO_CHANNEL, 409: OTHER_REVISION },
}

export const testAlertChannel: Endpoint = {
  id: 'testAlertChannel',
  method: 'POST',
  path: '/v1/alerts/channels/{id}/test',
  group,
  summary: 'Send a test message',
  description:
    'One attempt, of ten seconds at most. The answer says what became of it; it is 200 also where nothing arrived.',
  role,
  pathParameters,
  query: NoParameters,
  responses: { 200: { description: 'What became of it.', content: { [JSON_TYPE]: TestAnswer } }, 404: NO_CHANNEL },
}

export const listAlertDeliveries: Endpoint = {
  id: 'listAlertDeliveries',
  method: 'GET',
  path: '/v1/alerts/deliveries',
  group,
  summary: 'What became of notifications',
  description:
    'One delivery for each notification and channel: those that wait, and the last 2,000 of the others, for 30 days.',
  role,
  query: DeliveryParameters,
  responses: {
    200: {
      description: 'The newest first.',
      content: { [JSON_TYPE]: Type.Object({ deliveries: Type.Array(Delivery) }, { title: 'AlertDeliveryList' }) },
    },
  },
}

export const ALERT_CHANNEL_ENDPOINTS: readonly Endpoint[] = [
  listAlertChannels,
  createAlertChannel,
  getAlertChannel,
  putAlertChannel,
  deleteAlertChannel,
  testAlertChannel,
  listAlertDeliveries,
]
