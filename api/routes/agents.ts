import type { FastifyReply, FastifyRequest } from 'fastify'
import { present } from '../../base/assert.ts'
import { WeirError } from '../../base/errors.ts'
import { type Access, credentialOf } from '../auth.ts'
import type { AgentInfo, AgentToken } from '../backend.ts'
import {
  AgentHeartbeatBody,
  AgentRemoteConfig,
  agentHeartbeat,
  getAgentConfig,
  listAgents,
  putAgentConfig,
  RegisterAgentBody,
  registerAgent,
  revokeAgent,
} from '../contract/agents.ts'
import { NoParameters } from '../contract/records.ts'
import { JSON_CONTENT_TYPE } from '../json-parts.ts'
import { ParameterReader, parameterError } from '../parameters.ts'
import type { Route } from '../route.ts'
import type { ServerContext } from '../server-options.ts'

/** /v1/agents */
export function agentRoutes(context: ServerContext): Route[] {
  const { agents } = context.backend
  const noParameters = new ParameterReader(NoParameters)
  const registrations = new ParameterReader(RegisterAgentBody)
  const heartbeats = new ParameterReader(AgentHeartbeatBody)
  const configs = new ParameterReader(AgentRemoteConfig)

  function begin(request: FastifyRequest): Access {
    noParameters.ofQuery(request)
    return present(request.access, 'access of agents')
  }

  async function register(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = begin(request)
    const { clientId, ...registration } = registrations.ofJson(request)
    return send(reply.code(201), tokenJson(await agents.register(tenant, registration, clientId)))
  }

  async function list(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const access = begin(request)
    return send(reply, { agents: (await agents.list(reachOf(access))).map(shown) })
  }

  async function getConfig(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = begin(request)
    const document = await agents.config(tenant, ownId(request))
    const etag = `"${document.version}"`
    reply.header('etag', etag)
    if (request.headers['if-none-match'] === etag) return reply.code(304).send()
    return send(reply, document)
  }

  async function putConfig(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = begin(request)
    const config = configs.ofJson(request)
    const document = await agents.putConfig(tenant, idOf(request), config, expectedVersion(request))
    return send(reply.header('etag', `"${document.version}"`), document)
  }

  async function heartbeat(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = begin(request)
    const said = heartbeats.ofJson(request)
    const token = credentialOf(request.raw.headers)
    const expiresMs = token === undefined ? undefined : agents.expiryOf(token)
    const { configVersion, ...renewed } = await agents.heartbeat(tenant, ownId(request), said, expiresMs)
    const { token: fresh, tokenTTL } = 'token' in renewed ? tokenJson(renewed) : {}
    return send(reply, { configVersion, ...(fresh === undefined ? {} : { token: fresh, tokenTTL }) })
  }

  async function revoke(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    await agents.revoke(reachOf(begin(request)), idOf(request))
    return reply.code(204).send()
  }

  return [
    { endpoint: registerAgent, handler: register },
    { endpoint: listAgents, handler: list },
    { endpoint: getAgentConfig, handler: getConfig },
    { endpoint: putAgentConfig, handler: putConfig },
    { endpoint: agentHeartbeat, handler: heartbeat },
    { endpoint: revokeAgent, handler: revoke },
  ]
}

/** A key of the cluster sees all agents, or those of the tenant that the request names. */
function reachOf({ scope, tenant, tenantNamed }: Access) {
  return scope === '*' && !tenantNamed ? '*' : tenant
}

function idOf(request: FastifyRequest): string {
  return (request.params as { id: string }).id
}

/** The id in the path; an agent's token names it alone. Throws not_found for the id of another. */
function ownId(request: FastifyRequest): string {
  const access = present(request.access, 'access of an agent')
  const id = idOf(request)
  if (!access.roles.includes('admin') && access.keyId !== id) throw new WeirError('not_found', 'There is no such agent')
  return id
}

function expectedVersion(request: FastifyRequest): number | undefined {
  const header = request.headers['if-match']
  if (header === undefined || header === '*') return undefined
  const version = /^"?(\d{1,9})"?$/.exec(header)?.[1]
  if (version === undefined) throw parameterError('If-Match', 'must be a version, such as "3"')
  return Number(version)
}

function tokenJson({ clientId, token, tokenTtlMs }: AgentToken) {
  return { clientId, token, tokenTTL: Math.floor(tokenTtlMs / 1000) }
}

function shown({ id, tenant, organizationName, environment, agentVersion, host, registeredMs, heartbeat }: AgentInfo) {
  return {
    clientId: id,
    tenant,
    organizationName,
    environment,
    agentVersion: heartbeat?.agentVersion ?? agentVersion,
    host: heartbeat?.host ?? host,
    registeredAt: new Date(registeredMs).toISOString(),
    lastSeenAt: heartbeat === undefined ? null : new Date(heartbeat.seenMs).toISOString(),
    heartbeat: heartbeat === undefined ? null : { ...heartbeat, seenMs: undefined },
  }
}

function send(reply: FastifyReply, body: object): FastifyReply {
  return reply.header('content-type', JSON_CONTENT_TYPE).send(JSON.stringify(body))
}
