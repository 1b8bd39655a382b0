import type { FastifyReply, FastifyRequest } from 'fastify'
import { present } from '../../base/assert.ts'
import { WeirError } from '../../base/errors.ts'
import { isTenantName, type TenantId } from '../../base/ids.ts'
import { type Access, hashKey, makeKey } from '../auth.ts'
import type { KeyRecord } from '../backend.ts'
import { CreateKeyBody, createKey, type KeyInfo, listKeys, revokeKey } from '../contract/keys.ts'
import { NoParameters } from '../contract/records.ts'
import { JSON_CONTENT_TYPE } from '../json-parts.ts'
import { ParameterReader, parameterError } from '../parameters.ts'
import type { Route } from '../route.ts'
import type { ServerContext } from '../server-options.ts'

/** POST, GET and DELETE of /v1/keys */
export function keyRoutes(context: ServerContext): Route[] {
  const { keys } = context.backend
  const { clock } = context.options
  const noParameters = new ParameterReader(NoParameters)
  const bodyParameters = new ParameterReader(CreateKeyBody)

  async function create(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const access = present(request.access, 'access of key management')
    noParameters.ofQuery(request)
    const { name, tenant, roles } = bodyParameters.ofJson(request)
    const key = makeKey((count) => clock.randomBytes(count))
    const record = await keys.create({ name, tenant: tenantOfNewKey(access, tenant), roles }, hashKey(key))
    reply.code(201).header('content-type', JSON_CONTENT_TYPE)
    return reply.send(JSON.stringify({ ...keyInfo(record), key }))
  }

  async function list(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const access = present(request.access, 'access of key management')
    noParameters.ofQuery(request)
    const seen = (await keys.list()).filter((key) => maySee(access, key))
    reply.header('content-type', JSON_CONTENT_TYPE)
    return reply.send(JSON.stringify({ keys: seen.map(keyInfo) }))
  }

  async function revoke(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const access = present(request.access, 'access of key management')
    noParameters.ofQuery(request)
    const { id } = request.params as { id: string }
    const key = (await keys.list()).find((candidate) => candidate.id === id)
    // The same answer for a key of another tenant and for none at all.
    if (key === undefined || !maySee(access, key)) throw new WeirError('not_found', 'There is no such key')
    await keys.revoke(id)
    return reply.code(204).send()
  }

  return [
    { endpoint: createKey, handler: create },
    { endpoint: listKeys, handler: list },
    { endpoint: revokeKey, handler: revoke },
  ]
}

/** A key of the cluster sees all, or those of the tenant that the request names. */
function maySee(access: Access, key: KeyRecord): boolean {
  if (access.scope === '*' && !access.tenantNamed) return true
  return key.tenant === access.tenant
}

/** Throws forbidden for a tenant beyond the reach of the credential, invalid_parameter for what names none. */
function tenantOfNewKey(access: Access, named: string | undefined): TenantId | '*' {
  if (named === undefined || named === access.tenant) return access.tenant
  if (access.scope !== '*') throw new WeirError('forbidden', 'The key may only make keys of its own tenant')
  if (named === '*') return '*'
  if (!isTenantName(named)) {
    throw parameterError('tenant', 'must be 1 to 64 letters, digits, `_`, `.` or `-`, beginning with a letter or digit')
  }
  return named
}

function keyInfo({ id, name, tenant, roles, createdMs }: KeyRecord): KeyInfo {
  return {
    id,
    name,
    tenant,
    roles: roles.filter((role) => role !== 'agent'),
    createdAt: new Date(createdMs).toISOString(),
  }
}
