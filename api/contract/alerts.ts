import Type, { type Static } from 'typebox'
import { DurationText, JSON_TYPE, TimeText } from './common.ts'
import type { Endpoint } from './endpoint.ts'
import { NoParameters } from './records.ts'

const group = 'Alerts'
const role = 'alert'

const idParameters = (what: string) =>
  Type.Object({ id: Type.String({ minLength: 1, maxLength: 64, description: what }) })
export const ruleParameters = idParameters('Letters, digits, `_`, `.` and `-`.')
const silenceParameters = idParameters('Of a silence.')
const eventParameters = idParameters('Of an event.')

const IfMatch = Type.Object({
  'If-Match': Type.Optional(
    Type.String({
      description: 'The revision that is to be changed, as in `ETag`; `"0"` when there must be none. Else 409.',
    }),
  ),
})

export const RuleDefinition = Type.Unsafe<Record<string, unknown>>({
  type: 'object',
  title: 'AlertRuleDefinition',
  description:
    'A query, a condition on what it matches, and whom to notify. See docs/alerts.md for every member; one that is not understood is refused, with its path.',
  properties: {
    name: { type: 'string' },
    query: { type: 'string' },
    service: { type: 'string' },
    level: { type: 'string' },
    condition: {
      type: 'object',
      properties: { window: { type: 'string' }, type: { type: 'string' }, groupBy: { type: 'array' } },
    },
    for: { type: 'string' },
    cooldown: { type: 'string' },
    severity: { type: 'string' },
    channels: { type: 'array', items: { type: 'string' } },
    labels: { type: 'object' },
    runbook: { type: 'string' },
    enabled: { type: 'boolean' },
  },
  required: ['name', 'condition'],
  examples: [
    {
      name: 'Checkout errors',
      query: 'level:ERROR',
      service: 'checkout',
      condition: { count: '>100', window: '5m', groupBy: ['host'] },
      severity: 'P1',
      channels: ['ops'],
      cooldown: '10m',
    },
  ],
})

const Rule = Type.Object(
  {
    id: Type.String(),
    revision: Type.Integer({ description: 'From 1; each change has the next.' }),
    createdAt: Type.String(),
    updatedAt: Type.String(),
    definition: RuleDefinition,
  },
  { title: 'AlertRule' },
)
export type AlertRule = Static<typeof Rule>
const ruleAnswer = { [JSON_TYPE]: Rule }

export const AlertGroup = Type.Record(Type.String(), Type.String(), {
  description: 'Values of the fields that the rule groups by.',
})

const RuleStatus = Type.Object(
  {
    revision: Type.Integer({ description: 'The revision that is evaluated; 0: it is not evaluated.' }),
    keeper: Type.Union([Type.Object({ node: Type.String(), epoch: Type.Integer() }), Type.Null()], {
      description: 'The node that decides it.',
    }),
    evaluatedThrough: Type.Union([Type.String(), Type.Null()]),
    missingShards: Type.Array(Type.Integer()),
    groupCount: Type.Integer(),
    groups: Type.Array(
      Type.Object({
        group: AlertGroup,
        state: Type.Enum(['ok', 'pending', 'firing', 'cooldown']),
        since: Type.Union([Type.String(), Type.Null()]),
        value: Type.Union([Type.Number(), Type.Null()]),
        eventId: Type.Union([Type.String(), Type.Null()]),
      }),
    ),
  },
  { title: 'AlertRuleStatus' },
)
export type AlertRuleStatus = Static<typeof RuleStatus>

const Sample = Type.Object(
  {
    timestamp: Type.String(),
    level: Type.String(),
    service: Type.String(),
    host: Type.String(),
    message: Type.String(),
  },
  { title: 'AlertSample' },
)

const Event = Type.Object(
  {
    id: Type.String({ description: 'The id of the firing; its notifications bear it.' }),
    rule: Type.Object({
      id: Type.String(),
      revision: Type.Integer(),
      name: Type.String(),
      severity: Type.String(),
      labels: Type.Record(Type.String(), Type.String()),
      query: Type.String(),
      runbook: Type.Optional(Type.String()),
    }),
    group: AlertGroup,
    value: Type.Union([Type.Number(), Type.Null()]),
    condition: Type.String(),
    window: Type.Object({ from: Type.String(), to: Type.String() }),
    samples: Type.Array(Sample),
    links: Type.Object({ search: Type.String(), rule: Type.String(), runbook: Type.Optional(Type.String()) }),
    channels: Type.Array(Type.String()),
    state: Type.Enum(['firing', 'resolved']),
    firedAt: Type.String(),
    resolvedAt: Type.Union([Type.String(), Type.Null()]),
    silencedBy: Type.Array(Type.String(), { description: 'Silences because of which nobody was notified.' }),
    ack: Type.Union([
      Type.Object({ by: Type.String(), at: Type.String(), comment: Type.Optional(Type.String()) }),
      Type.Null(),
    ]),
    missingShards: Type.Array(Type.Integer(), { description: 'Shards without which it was decided.' }),
  },
  { title: 'AlertEvent' },
)
export type AlertEvent = Static<typeof Event>
const eventAnswer = { [JSON_TYPE]: Event }

export const EventParameters = Type.Object(
  {
    rule: Type.Optional(Type.String({ maxLength: 64, description: 'Only of this rule.' })),
    state: Type.Optional(Type.Enum(['firing', 'resolved'], { description: 'Only those that are in this state now.' })),
    from: Type.Optional(TimeText('Only those that fired at this time or later.')),
    to: Type.Optional(TimeText('Only those that fired before this time.')),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100 })),
    cursor: Type.Optional(Type.String({ maxLength: 200, description: '`nextCursor` of the answer before.' })),
  },
  { additionalProperties: false },
)

export const AckBody = Type.Object(
  {
    by: Type.String({ minLength: 1, maxLength: 200, description: 'Who takes note of it.' }),
    comment: Type.Optional(Type.String({ maxLength: 2000 })),
  },
  { additionalProperties: false, title: 'AlertAck' },
)

export const SilenceBody = Type.Object(
  {
    matchers: Type.Array(
      Type.Object(
        {
          field: Type.String({
            minLength: 1,
            maxLength: 256,
            description: '`rule` (its id), `name`, `severity`, `labels.<name>`, or a field that the rule groups by.',
          }),
          value: Type.String({ maxLength: 1024, description: '`*` stands for any characters.' }),
          not: Type.Optional(Type.Boolean()),
        },
        { additionalProperties: false },
      ),
      { minItems: 1, maxItems: 16, description: 'All of them must match.' },
    ),
    startsAt: Type.Optional(TimeText('When it begins.', 'now')),
    endsAt: TimeText('When it ends.'),
    every: Type.Optional(DurationText('A maintenance window: it comes again so long after each start.')),
    comment: Type.Optional(Type.String({ maxLength: 2000 })),
    by: Type.Optional(Type.String({ maxLength: 200 })),
  },
  {
    additionalProperties: false,
    title: 'AlertSilenceDefinition',
    examples: [
      {
        matchers: [
          { field: 'service', value: 'checkout*' },
          { field: 'severity', value: 'P0', not: true },
        ],
        startsAt: '2026-06-01T22:00:00Z',
        endsAt: '2026-06-01T23:00:00Z',
        every: '7d',
        comment: 'Weekly deployment',
      },
    ],
  },
)
export type SilenceBody = Static<typeof SilenceBody>

const Silence = Type.Object(
  {
    id: Type.String(),
    revision: Type.Integer(),
    createdAt: Type.String(),
    updatedAt: Type.String(),
    active: Type.Boolean({ description: 'It is in force now.' }),
    matchers: Type.Array(
      Type.Object({ field: Type.String(), value: Type.String(), not: Type.Optional(Type.Boolean()) }),
    ),
    startsAt: Type.String(),
    endsAt: Type.String(),
    every: Type.Optional(Type.String()),
    comment: Type.Optional(Type.String()),
    by: Type.Optional(Type.String()),
  },
  { title: 'AlertSilence' },
)
export type AlertSilence = Static<typeof Silence>
const silenceAnswer = { [JSON_TYPE]: Silence }

export const NO_RULE = { description: 'There is no such rule.' }
const NO_EVENT = { description: 'There is no such event.' }
const NO_SILENCE = { description: 'There is no such silence.' }
const OTHER_REVISION = { description: 'It has another revision than `If-Match` says.' }

export const listAlertRules: Endpoint = {
  id: 'listAlertRules',
  method: 'GET',
  path: '/v1/alerts/rules',
  group,
  summary: 'List the alert rules of the tenant',
  role,
  query: NoParameters,
  responses: {
    200: {
      description: 'All rules, by id.',
      content: { [JSON_TYPE]: Type.Object({ rules: Type.Array(Rule) }, { title: 'AlertRuleList' }) },
    },
  },
}

export const createAlertRule: Endpoint = {
  id: 'createAlertRule',
  method: 'POST',
  path: '/v1/alerts/rules',
  group,
  summary: 'Make an alert rule',
  description:
    'It gets an id. Evaluated within a second, beginning with what is stored of its running window. What is not understood is refused, with its path.',
  role,
  query: NoParameters,
  body: { description: 'The definition.', content: { [JSON_TYPE]: RuleDefinition } },
  responses: { 201: { description: 'Made.', content: ruleAnswer } },
}

export const getAlertRule: Endpoint = {
  id: 'getAlertRule',
  method: 'GET',
  path: '/v1/alerts/rules/{id}',
  group,
  summary: 'An alert rule',
  role,
  pathParameters: ruleParameters,
  query: NoParameters,
  responses: { 200: { description: 'As it is in force.', content: ruleAnswer }, 404: NO_RULE },
}

export const putAlertRule: Endpoint = {
  id: 'putAlertRule',
  method: 'PUT',
  path: '/v1/alerts/rules/{id}',
  group,
  summary: 'Make or change an alert rule',
  description:
    'What fires under the revision before is resolved. A rule of which only `enabled` is false is kept and not evaluated.',
  role,
  pathParameters: ruleParameters,
  query: NoParameters,
  headers: IfMatch,
  body: { description: 'The definition.', content: { [JSON_TYPE]: RuleDefinition } },
  responses: {
    200: { description: 'Changed.', content: ruleAnswer },
    201: { description: 'Made.', content: ruleAnswer },
    409: OTHER_REVISION,
  },
}

export const deleteAlertRule: Endpoint = {
  id: 'deleteAlertRule',
  method: 'DELETE',
  path: '/v1/alerts/rules/{id}',
  group,
  summary: 'Delete an alert rule',
  description: 'Its events are kept; those that fire are resolved.',
  role,
  pathParameters: ruleParameters,
  query: NoParameters,
  headers: IfMatch,
  responses: { 204: { description: 'Deleted.' }, 404: NO_RULE, 409: OTHER_REVISION },
}

export const getAlertRuleStatus: Endpoint = {
  id: 'getAlertRuleStatus',
  method: 'GET',
  path: '/v1/alerts/rules/{id}/status',
  group,
  summary: 'How it stands with an alert rule',
  description: 'The state of its groups as the node sees it that decides the rule.',
  role,
  pathParameters: ruleParameters,
  query: NoParameters,
  responses: { 200: { description: 'Now.', content: { [JSON_TYPE]: RuleStatus } }, 404: NO_RULE },
}

export const listAlertEvents: Endpoint = {
  id: 'listAlertEvents',
  method: 'GET',
  path: '/v1/alerts/events',
  group,
  summary: 'What has fired',
  description: 'One event for each episode of a group of a rule. The last 2,000 of a tenant are kept, for 30 days.',
  role,
  query: EventParameters,
  responses: {
    200: {
      description: 'The newest first.',
      content: {
        [JSON_TYPE]: Type.Object(
          { events: Type.Array(Event), nextCursor: Type.Union([Type.String(), Type.Null()]) },
          { title: 'AlertEventList' },
        ),
      },
    },
  },
}

export const getAlertEvent: Endpoint = {
  id: 'getAlertEvent',
  method: 'GET',
  path: '/v1/alerts/events/{id}',
  group,
  summary: 'An event',
  role,
  pathParameters: eventParameters,
  query: NoParameters,
  responses: { 200: { description: 'As it is now.', content: eventAnswer }, 404: NO_EVENT },
}

export const ackAlertEvent: Endpoint = {
  id: 'ackAlertEvent',
  method: 'POST',
  path: '/v1/alerts/events/{id}/ack',
  group,
  summary: 'Acknowledge an event',
  description: 'The first acknowledgement stands.',
  role,
  pathParameters: eventParameters,
  query: NoParameters,
  body: { description: 'Who takes note of it.', content: { [JSON_TYPE]: AckBody } },
  responses: { 200: { description: 'Acknowledged.', content: eventAnswer }, 404: NO_EVENT },
}

export const listAlertSilences: Endpoint = {
  id: 'listAlertSilences',
  method: 'GET',
  path: '/v1/alerts/silences',
  group,
  summary: 'List silences and maintenance windows',
  role,
  query: NoParameters,
  responses: {
    200: {
      description: 'All of them; those that are over are removed after 30 days.',
      content: { [JSON_TYPE]: Type.Object({ silences: Type.Array(Silence) }, { title: 'AlertSilenceList' }) },
    },
  },
}

export const createAlertSilence: Endpoint = {
  id: 'createAlertSilence',
  method: 'POST',
  path: '/v1/alerts/silences',
  group,
  summary: 'Silence alerts',
  description: 'While it is in force, nobody is notified of what it matches; the events are kept and name it.',
  role,
  query: NoParameters,
  body: { description: 'What is silenced, and when.', content: { [JSON_TYPE]: SilenceBody } },
  responses: { 201: { description: 'Made.', content: silenceAnswer } },
}

export const getAlertSilence: Endpoint = {
  id: 'getAlertSilence',
  method: 'GET',
  path: '/v1/alerts/silences/{id}',
  group,
  summary: 'A silence',
  role,
  pathParameters: silenceParameters,
  query: NoParameters,
  responses: { 200: { description: 'As it is in force.', content: silenceAnswer }, 404: NO_SILENCE },
}

export const putAlertSilence: Endpoint = {
  id: 'putAlertSilence',
  method: 'PUT',
  path: '/v1/alerts/silences/{id}',
  group,
  summary: 'Make or change a silence',
  role,
  pathParameters: silenceParameters,
  query: NoParameters,
  headers: IfMatch,
  body: { description: 'What is silenced, and when.', content: { [JSON_TYPE]: SilenceBody } },
  responses: {
    200: { description: 'Changed.', content: silenceAnswer },
    201: { description: 'Made.', content: silenceAnswer },
    409: OTHER_REVISION,
  },
}

export const deleteAlertSilence: Endpoint = {
  id: 'deleteAlertSilence',
  method: 'DELETE',
  path: '/v1/alerts/silences/{id}',
  group,
  summary: 'End a silence',
  role,
  pathParameters: silenceParameters,
  query: NoParameters,
  headers: IfMatch,
  responses: { 204: { description: 'Deleted.' }, 404: NO_SILENCE, 409: OTHER_REVISION },
}

/** Every endpoint of rules, events and silences, in the order of the documents. */
export const ALERT_ENDPOINTS: readonly Endpoint[] = [
  listAlertRules,
  createAlertRule,
  getAlertRule,
  putAlertRule,
  deleteAlertRule,
  getAlertRuleStatus,
  listAlertEvents,
  getAlertEvent,
  ackAlertEvent,
  listAlertSilences,
  createAlertSilence,
  getAlertSilence,
  putAlertSilence,
  deleteAlertSilence,
]
