import Type, { type Static } from 'typebox'
import { LOG_LEVELS } from '../../base/logger.ts'
import { JSON_TYPE, NameText } from './common.ts'
import type { Endpoint } from './endpoint.ts'
import { NoParameters } from './records.ts'

const GROUP = 'Agents'
const Name = (description: string) => Type.String({ minLength: 1, maxLength: 200, description })
const Count = (description: string) => Type.Optional(Type.Integer({ minimum: 0, description }))
const pathParameters = Type.Object({ id: NameText('The `clientId` of the agent.') })
const NO_SUCH_AGENT = { description: 'There is no such agent.' }

const registrationMembers = {
  organizationName: Name('Whose agent it is; for people.'),
  environment: Type.Optional(Name('Such as `production`.')),
  agentVersion: Type.Optional(Name('Of the program.')),
  host: Type.Optional(Name('Of the machine.')),
}

export const RegisterAgentBody = Type.Object(
  {
    ...registrationMembers,
    clientId: Type.Optional(
      Name('Of an agent that has been registered before and comes back, such as when its token has expired.'),
    ),
  },
  { additionalProperties: false, title: 'RegisterAgent' },
)
export type RegisterAgentBody = Static<typeof RegisterAgentBody>

const tokenMembers = {
  token: Type.String({ description: 'A JWT, to be sent as `Authorization: Bearer`.' }),
  tokenTTL: Type.Integer({ description: 'Seconds for which it is good.' }),
}

/** What may be set from afar; what an agent's own configuration says stands. */
export const AgentRemoteConfig = Type.Object(
  {
    isPaused: Type.Optional(Type.Boolean({ description: 'Reads nothing; what was read is still delivered.' })),
    logLevel: Type.Optional(Type.Enum([...LOG_LEVELS])),
    batchBytesMax: Type.Optional(Type.Integer({ minimum: 4096, maximum: 16 * 1024 * 1024 })),
    batchLingerMs: Type.Optional(Type.Integer({ minimum: 1, maximum: 60_000 })),
  },
  { additionalProperties: false, title: 'AgentRemoteConfig' },
)
export type AgentRemoteConfig = Static<typeof AgentRemoteConfig>

const AgentConfig = Type.Object(
  { version: Type.Integer({ description: 'From 1; 0: none was set.' }), config: AgentRemoteConfig },
  { title: 'AgentConfig' },
)

const heartbeatMembers = {
  agentVersion: Type.Optional(Name('Of the program.')),
  host: Type.Optional(Name('Of the machine.')),
  configVersion: Count('Version of the configuration that is in force.'),
  uptimeSeconds: Count('Since the start.'),
  linesRead: Count('Since the start.'),
  recordsDelivered: Count('Since the start.'),
  recordsRejected: Count('Since the start.'),
  bytesSent: Count('Since the start, compressed.'),
  spoolBytes: Count('Of batches on its disk.'),
  spoolBatches: Count('That are not delivered.'),
  failedRequests: Count('Since the start.'),
  lastError: Type.Optional(Type.String({ maxLength: 1000 })),
}

export const AgentHeartbeatBody = Type.Object(heartbeatMembers, {
  additionalProperties: false,
  title: 'AgentHeartbeat',
})
export type AgentHeartbeatBody = Static<typeof AgentHeartbeatBody>

const Agent = Type.Object(
  {
    clientId: Type.String(),
    tenant: Type.String(),
    ...registrationMembers,
    registeredAt: Type.String(),
    lastSeenAt: Type.Union([Type.String(), Type.Null()], { description: 'Of its last heartbeat.' }),
    heartbeat: Type.Union([Type.Object(heartbeatMembers), Type.Null()]),
  },
  { title: 'Agent' },
)
export type Agent = Static<typeof Agent>

export const registerAgent: Endpoint = {
  id: 'registerAgent',
  method: 'POST',
  path: '/v1/agents/register',
  group: GROUP,
  summary: 'Register an agent',
  description:
    'Needs a key with the role `enrol`. The token may ingest for the tenant of that key, until the agent is revoked or the token expires.',
  role: 'enrol',
  query: NoParameters,
  body: { description: 'Who it is.', content: { [JSON_TYPE]: RegisterAgentBody } },
  responses: {
    201: {
      description: 'Registered.',
      content: { [JSON_TYPE]: Type.Object({ clientId: Type.String(), ...tokenMembers }, { title: 'RegisteredAgent' }) },
    },
    403: { description: 'The key may not enrol, or the agent was revoked.' },
  },
}

export const listAgents: Endpoint = {
  id: 'listAgents',
  method: 'GET',
  path: '/v1/agents',
  group: GROUP,
  summary: 'List agents, with what they last said of themselves',
  role: 'read',
  query: NoParameters,
  responses: {
    200: {
      description: 'Agents of the tenant.',
      content: { [JSON_TYPE]: Type.Object({ agents: Type.Array(Agent) }, { title: 'AgentList' }) },
    },
  },
}

export const getAgentConfig: Endpoint = {
  id: 'getAgentConfig',
  method: 'GET',
  path: '/v1/agents/{id}/config',
  group: GROUP,
  summary: 'The configuration that an agent is to have',
  description: 'With an ETag; 304 where `If-None-Match` names it. For the agent itself and for admins.',
  role: 'agent',
  pathParameters,
  query: NoParameters,
  responses: {
    200: { description: 'The configuration.', content: { [JSON_TYPE]: AgentConfig } },
    304: { description: 'It is the one that is known.' },
    404: NO_SUCH_AGENT,
  },
}

export const putAgentConfig: Endpoint = {
  id: 'putAgentConfig',
  method: 'PUT',
  path: '/v1/agents/{id}/config',
  group: GROUP,
  summary: 'Set the configuration of an agent',
  description: 'It is taken over with the next heartbeat. With `If-Match` only where the version is still that one.',
  role: 'admin',
  pathParameters,
  query: NoParameters,
  body: {
    description: 'All that is set; what is absent is as the agent has it.',
    content: { [JSON_TYPE]: AgentRemoteConfig },
  },
  responses: {
    200: { description: 'Set.', content: { [JSON_TYPE]: AgentConfig } },
    404: NO_SUCH_AGENT,
    409: { description: 'It has another version.' },
  },
}

export const agentHeartbeat: Endpoint = {
  id: 'agentHeartbeat',
  method: 'POST',
  path: '/v1/agents/{id}/heartbeat',
  group: GROUP,
  summary: 'Say that an agent lives',
  description: 'A token that has less than half of its time left is renewed with the answer.',
  role: 'agent',
  pathParameters,
  query: NoParameters,
  body: { description: 'What it has done.', content: { [JSON_TYPE]: AgentHeartbeatBody } },
  responses: {
    200: {
      description: 'Heard.',
      content: {
        [JSON_TYPE]: Type.Object(
          {
            configVersion: Type.Integer({ description: 'Of the configuration that it is to have.' }),
            token: Type.Optional(tokenMembers.token),
            tokenTTL: Type.Optional(tokenMembers.tokenTTL),
          },
          { title: 'AgentHeartbeatAnswer' },
        ),
      },
    },
    404: NO_SUCH_AGENT,
  },
}

export const revokeAgent: Endpoint = {
  id: 'revokeAgent',
  method: 'DELETE',
  path: '/v1/agents/{id}',
  group: GROUP,
  summary: 'Revoke an agent',
  description: 'Its tokens are void at once on this node, on all within a second.',
  role: 'admin',
  pathParameters,
  query: NoParameters,
  responses: { 204: { description: 'Revoked.' }, 404: NO_SUCH_AGENT },
}
