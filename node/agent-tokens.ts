import { createPrivateKey, createPublicKey, generateKeyPairSync, hash, type KeyObject, sign, verify } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import { WeirError } from '../base/errors.ts'
import { isTenantName, type TenantId } from '../base/ids.ts'
import { AGENT_TOKEN_TTL_MS, AGENT_TOKENS_CACHED_MAX } from '../base/limits.ts'
import type { Registry } from '../cluster/registry.ts'

/** `agent-signing/<number>`: the keys that sign tokens; the newest signs, all verify. */
const PREFIX = 'agent-signing/'
const NUMBER_DIGITS = 6
/** A new key signs when the newest is so old. */
const KEY_AGE_MAX_MS = 90 * 86_400_000
/** Clocks of nodes differ. */
const SKEW_MAX_MS = 60_000
const ISSUER = 'weir'

interface StoredKey {
  readonly kid: string
  /** PKCS 8 in PEM. */
  readonly privateKey: string
  readonly createdMs: number
}

interface SigningKey {
  readonly number: number
  readonly kid: string
  readonly createdMs: number
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

/** What a token says that is genuine and has not expired. */
export interface TokenClaims {
  readonly clientId: string
  readonly tenant: TenantId
  readonly expiresMs: number
}

/**
 * Tokens of agents: JWTs (RFC 7519) signed with Ed25519 (RFC 8037), with the id of the key in their header. The keys are in the registry; the first is made by
 * compare-and-set, so that nodes that start together make one.
 */
export class AgentTokens {
  readonly #registry: Registry
  readonly #clock: Clock
  readonly #keys = new Map<string, SigningKey>()
  /** By SHA-256 of the token: what was found genuine before, the oldest first. */
  readonly #known = new Map<string, TokenClaims>()

  private constructor(registry: Registry, clock: Clock) {
    this.#registry = registry
    this.#clock = clock
  }

  static async open(registry: Registry, clock: Clock): Promise<AgentTokens> {
    const tokens = new AgentTokens(registry, clock)
    await registry.watch(PREFIX, ({ key, value }) => tokens.#heard(key, value))
    return tokens
  }

  /** A token for this agent, good for AGENT_TOKEN_TTL_MS. */
  async issue(clientId: string, tenant: TenantId): Promise<string> {
    const { kid, privateKey } = await this.#signingKey()
    const nowS = Math.floor(this.#clock.nowMs() / 1000)
    const header = encoded({ alg: 'EdDSA', typ: 'JWT', kid })
    const exp = nowS + AGENT_TOKEN_TTL_MS / 1000
    const payload = encoded({ iss: ISSUER, sub: clientId, tenant, roles: ['ingest'], iat: nowS, exp })
    const signature = sign(null, Buffer.from(`${header}.${payload}`), privateKey).toString('base64url')
    return `${header}.${payload}.${signature}`
  }

  /** Undefined for what is no token of ours, or has expired. (A first look 120 µs, others 2.) */
  verify(token: string): TokenClaims | undefined {
    const id = hash('sha256', token, 'base64url')
    const known = this.#known.get(id)
    const claims = known ?? this.#verify(token)
    if (claims === undefined || claims.expiresMs <= this.#clock.nowMs()) {
      this.#known.delete(id)
      return undefined
    }
    if (known === undefined) {
      this.#known.set(id, claims)
      if (this.#known.size > AGENT_TOKENS_CACHED_MAX) this.#known.delete(this.#known.keys().next().value!)
    }
    return claims
  }

  #verify(token: string): TokenClaims | undefined {
    const [header, payload, signature, ...rest] = token.split('.')
    if (header === undefined || payload === undefined || signature === undefined || rest.length > 0) return undefined
    const { alg, kid } = decoded(header)
    const key = alg === 'EdDSA' && typeof kid === 'string' ? this.#keys.get(kid) : undefined
    if (key === undefined) return undefined
    const bytes = Buffer.from(signature, 'base64url')
    if (!verify(null, Buffer.from(`${header}.${payload}`), key.publicKey, bytes)) return undefined
    const { iss, sub, tenant, iat, exp } = decoded(payload)
    if (iss !== ISSUER || typeof sub !== 'string' || typeof tenant !== 'string' || !isTenantName(tenant))
      return undefined
    if (typeof exp !== 'number' || typeof iat !== 'number') return undefined
    if (iat * 1000 > this.#clock.nowMs() + SKEW_MAX_MS) return undefined
    return { clientId: sub, tenant, expiresMs: exp * 1000 }
  }

  async #signingKey(): Promise<SigningKey> {
    for (;;) {
      const newest = [...this.#keys.values()].sort((a, b) => b.number - a.number)[0]
      const nowMs = this.#clock.nowMs()
      if (newest !== undefined && nowMs - newest.createdMs < KEY_AGE_MAX_MS) return newest
      const { privateKey } = generateKeyPairSync('ed25519')
      const stored: StoredKey = {
        kid: Buffer.from(this.#clock.randomBytes(8)).toString('hex'),
        privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
        createdMs: nowMs,
      }
      const key = PREFIX + String((newest?.number ?? 0) + 1).padStart(NUMBER_DIGITS, '0')
      const value = Buffer.from(JSON.stringify(stored))
      try {
        await this.#registry.put(key, value, 0)
        this.#heard(key, value)
      } catch (error) {
        if (!(error instanceof WeirError) || error.code !== 'revision_conflict') throw error
        // Another node was first.
        this.#heard(key, (await this.#registry.get(key))?.value)
      }
    }
  }

  #heard(key: string, value: Uint8Array | undefined): void {
    const number = Number(key.slice(PREFIX.length))
    for (const [kid, known] of this.#keys) if (known.number === number) this.#keys.delete(kid)
    if (value === undefined) {
      this.#known.clear()
      return
    }
    const { kid, privateKey: pem, createdMs } = JSON.parse(Buffer.from(value).toString()) as StoredKey
    const privateKey = createPrivateKey(pem)
    this.#keys.set(kid, { number, kid, createdMs, privateKey, publicKey: createPublicKey(privateKey) })
  }
}

function encoded(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}

function decoded(part: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString())
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}
