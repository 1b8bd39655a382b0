import { hash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { WeirError } from '../base/errors.ts'
import { isTenantName, TENANT_DEFAULT, type TenantId } from '../base/ids.ts'
import type { KeyBackend, Role } from './backend.ts'
import { sessionCredential } from './session-cookie.ts'

export type AuthMode = 'off' | 'keys'

/** Who sent a request and for which tenant. */
export interface Access {
  /** The tenant that the request is about. */
  readonly tenant: TenantId
  /** The tenant of the credential; `*` when it may name any. */
  readonly scope: TenantId | '*'
  readonly roles: readonly Role[]
  /** True when the request named its tenant itself. */
  readonly tenantNamed: boolean
  /** null when authentication is off. */
  readonly keyId: string | null
}

const ALL_ROLES: readonly Role[] = ['ingest', 'read', 'alert', 'admin', 'enrol', 'agent']
const ACCESS_WITHOUT_AUTH: Access = {
  tenant: TENANT_DEFAULT,
  scope: '*',
  roles: ALL_ROLES,
  tenantNamed: false,
  keyId: null,
}
/** Longer ones are not keys of ours; bounds the hashing of rubbish. */
const CREDENTIAL_CHARS_MAX = 1024

/** What is said where a request has no credential, or one that cannot be read. */
export const CREDENTIAL_MISSING = 'Send an API key, such as `Authorization: Bearer <key>`'

const KEY_PREFIX = 'weir_'
/** Three parts in base64url, of which the first is a JSON object. */
const JWT = /^eyJ[\w-]+\.[\w-]+\.[\w-]+$/

/** SHA-256 of a key, hex: what is kept of it. A key has 256 random bits, so that no slow hash is needed. */
export function hashKey(key: string): string {
  return hash('sha256', key, 'hex')
}

/** A new key: `weir_` and 256 random bits in base64url. */
export function makeKey(randomBytes: (count: number) => Uint8Array): string {
  return KEY_PREFIX + Buffer.from(randomBytes(32)).toString('base64url')
}

/**
 * Establishes who sends a request. Throws unauthenticated (no or unknown credential), forbidden (a tenant that the
 * credential may not name), invalid_parameter (no tenant name).
 *
 * Keys are found by their digest: what the time of a lookup could tell is about SHA-256 of the sender's own guess, which
 * says nothing of any key.
 */
export function authenticate(mode: AuthMode, keys: KeyBackend, headers: IncomingHttpHeaders): Access {
  const named = namedTenant(headers)
  if (mode === 'off') {
    return named === undefined ? ACCESS_WITHOUT_AUTH : { ...ACCESS_WITHOUT_AUTH, tenant: named, tenantNamed: true }
  }
  const credential = credentialOf(headers) ?? (hasCredential(headers) ? undefined : sessionCredential(headers))
  if (credential === undefined) throw new WeirError('unauthenticated', CREDENTIAL_MISSING)
  const key = JWT.test(credential) ? keys.findToken(credential) : keys.find(hashKey(credential))
  if (key === undefined) throw new WeirError('unauthenticated', 'The credential is not a valid key')
  if (key.tenant !== '*' && named !== undefined && named !== key.tenant) {
    throw new WeirError('forbidden', 'The key may not name another tenant in X-Scope-OrgID')
  }
  return {
    tenant: key.tenant === '*' ? (named ?? TENANT_DEFAULT) : key.tenant,
    scope: key.tenant,
    roles: key.roles,
    tenantNamed: named !== undefined,
    keyId: key.id,
  }
}

/** Throws forbidden unless the credential has `role`; admin includes the others. */
export function authorize(access: Access, role: Role): void {
  if (!access.roles.includes(role) && !access.roles.includes('admin')) {
    throw new WeirError('forbidden', `The key lacks the role ${role}`)
  }
}

/** Throws forbidden unless the credential is one of the whole cluster. */
export function authorizeCluster(access: Access): void {
  if (access.scope !== '*') throw new WeirError('forbidden', 'This needs a key of the whole cluster')
}

/**
 * The key in a request: Authorization (Bearer, Splunk, ApiKey, Basic with the key as password), X-API-Key or DD-API-KEY.
 * Undefined when there is none or it is malformed.
 */
export function credentialOf(headers: IncomingHttpHeaders): string | undefined {
  const { authorization } = headers
  const credential =
    authorization !== undefined
      ? credentialOfAuthorization(authorization)
      : (single(headers['x-api-key']) ?? single(headers['dd-api-key']))
  if (credential === undefined || credential.length === 0 || credential.length > CREDENTIAL_CHARS_MAX) return undefined
  return credential
}

/** Whether a request says in its header fields who sends it, well or badly. */
export function hasCredential(headers: IncomingHttpHeaders): boolean {
  return [headers.authorization, headers['x-api-key'], headers['dd-api-key']].some((field) => field !== undefined)
}

function credentialOfAuthorization(authorization: string): string | undefined {
  const space = authorization.indexOf(' ')
  if (space < 0) return undefined
  const value = authorization.slice(space + 1).trim()
  switch (authorization.slice(0, space).toLowerCase()) {
    case 'bearer':
    case 'splunk':
      return value
    case 'basic':
      return afterColon(value)
    case 'apikey':
      // Elasticsearch clients send base64 of `id:key`; others the key itself.
      return value.startsWith(KEY_PREFIX) ? value : (afterColon(value) ?? value)
    default:
      return undefined
  }
}

function afterColon(base64: string): string | undefined {
  const text = Buffer.from(base64, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return colon < 0 ? undefined : text.slice(colon + 1)
}

function namedTenant(headers: IncomingHttpHeaders): TenantId | undefined {
  const name = single(headers['x-scope-orgid'])
  if (name === undefined || name === '') return undefined
  if (!isTenantName(name)) {
    throw new WeirError('invalid_parameter', 'X-Scope-OrgID is not the name of one tenant', {
      parameter: 'X-Scope-OrgID',
    })
  }
  return name
}

function single(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header
}
