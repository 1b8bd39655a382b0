import type {
  AgentBackend,
  AgentConfigDocument,
  AgentHeartbeat,
  AgentInfo,
  AgentRegistration,
  AgentToken,
  KeyRecord,
} from '../api/backend.ts'
import type { Clock } from '../base/clock.ts'
import { WeirError } from '../base/errors.ts'
import type { TenantId } from '../base/ids.ts'
import { AGENT_TOKEN_TTL_MS, AGENTS_PER_TENANT_MAX } from '../base/limits.ts'
import type { Registry, RegistryEntry } from '../cluster/registry.ts'
import { AgentTokens } from './agent-tokens.ts'

/** `agent/<id>`: who it is. `agent-config/<id>`: what it is to do. `agent-seen/<id>`: its last heartbeat, which no thread follows. */
const PREFIX = 'agent/'
const CONFIG_PREFIX = 'agent-config/'
const SEEN_PREFIX = 'agent-seen/'
/** A token is renewed with a heartbeat when it has less than this left. */
const RENEW_BEFORE_MS = AGENT_TOKEN_TTL_MS / 2
const WRITE_ATTEMPTS_MAX = 5

interface StoredAgent extends AgentRegistration {
  readonly id: string
  readonly tenant: TenantId
  readonly registeredMs: number
  /** Its tokens are void, and it does not come back. */
  readonly isRevoked: boolean
}

interface StoredSeen extends AgentHeartbeat {
  readonly seenMs: number
}

const NO_CONFIG: AgentConfigDocument = { version: 0, config: {} }

/** The fleet of agents, in the registry; each thread keeps who there is in memory, as it asks at every request. */
export class AgentStore implements AgentBackend {
  readonly #registry: Registry
  readonly #clock: Clock
  readonly #tokens: AgentTokens
  readonly #agents = new Map<string, StoredAgent>()

  private constructor(registry: Registry, clock: Clock, tokens: AgentTokens) {
    this.#registry = registry
    this.#clock = clock
    this.#tokens = tokens
  }

  static async open(registry: Registry, clock: Clock): Promise<AgentStore> {
    const store = new AgentStore(registry, clock, await AgentTokens.open(registry, clock))
    await registry.watch(PREFIX, ({ key, value }) => store.#heard(key, value))
    return store
  }

  /** The credential that a token is: undefined where it is not genuine, has expired or was revoked. */
  findToken(token: string): KeyRecord | undefined {
    const claims = this.#tokens.verify(token)
    if (claims === undefined) return undefined
    const agent = this.#agents.get(claims.clientId)
    if (agent === undefined || agent.isRevoked || agent.tenant !== claims.tenant) return undefined
    const { id, tenant, registeredMs, host } = agent
    return { id, name: `agent ${host ?? id}`, tenant, roles: ['ingest', 'agent'], createdMs: registeredMs }
  }

  async register(tenant: TenantId, registration: AgentRegistration, clientId?: string): Promise<AgentToken> {
    const known = clientId === undefined ? undefined : await this.#read<StoredAgent>(PREFIX + clientId)
    if (known !== undefined && (known.value.tenant !== tenant || known.value.isRevoked)) {
      throw new WeirError('forbidden', 'The agent was revoked; it may only come back as a new one')
    }
    if (known === undefined) {
      const count = [...this.#agents.values()].filter((agent) => agent.tenant === tenant && !agent.isRevoked).length
      if (count >= AGENTS_PER_TENANT_MAX) {
        throw new WeirError('conflict', `A tenant may have ${AGENTS_PER_TENANT_MAX} agents; revoke some first`)
      }
    }
    const agent: StoredAgent = {
      ...registration,
      id: known?.value.id ?? Buffer.from(this.#clock.randomBytes(12)).toString('hex'),
      tenant,
      registeredMs: known?.value.registeredMs ?? this.#clock.nowMs(),
      isRevoked: false,
    }
    await this.#write(PREFIX + agent.id, agent, known?.revision ?? 0)
    return this.#token(agent)
  }

  async heartbeat(tenant: TenantId, id: string, heartbeat: AgentHeartbeat, expiresMs?: number) {
    const agent = this.#present(tenant, id)
    const seen: StoredSeen = { ...heartbeat, seenMs: this.#clock.nowMs() }
    await this.#writeLast(SEEN_PREFIX + id, () => seen)
    const { version } = await this.config(tenant, id)
    const isOld = expiresMs !== undefined && expiresMs - this.#clock.nowMs() < RENEW_BEFORE_MS
    return { configVersion: version, ...(isOld ? await this.#token(agent) : {}) }
  }

  /** When a token expires, ms since the epoch; undefined where it is none. */
  expiryOf(token: string): number | undefined {
    return this.#tokens.verify(token)?.expiresMs
  }

  async config(tenant: TenantId, id: string): Promise<AgentConfigDocument> {
    this.#present(tenant, id)
    return (await this.#read<AgentConfigDocument>(CONFIG_PREFIX + id))?.value ?? NO_CONFIG
  }

  async putConfig(tenant: TenantId, id: string, config: AgentConfigDocument['config'], expected?: number) {
    this.#present(tenant, id)
    return this.#writeLast<AgentConfigDocument>(CONFIG_PREFIX + id, (before = NO_CONFIG) => {
      if (expected !== undefined && expected !== before.version) {
        throw new WeirError('conflict', `The configuration has version ${before.version}, not ${expected}`)
      }
      return { version: before.version + 1, config }
    })
  }

  async list(tenant: TenantId | '*'): Promise<readonly AgentInfo[]> {
    const seen = new Map<string, StoredSeen>()
    for (const entry of await this.#registry.list(SEEN_PREFIX)) {
      seen.set(entry.key.slice(SEEN_PREFIX.length), decode<StoredSeen>(entry))
    }
    const agents = (await this.#registry.list(PREFIX)).map((entry) => decode<StoredAgent>(entry))
    return agents
      .filter((agent) => !agent.isRevoked && (tenant === '*' || agent.tenant === tenant))
      .map((agent) => ({ ...agent, heartbeat: seen.get(agent.id) }))
  }

  async revoke(tenant: TenantId | '*', id: string): Promise<void> {
    const entry = await this.#read<StoredAgent>(PREFIX + id)
    if (entry === undefined || entry.value.isRevoked || (tenant !== '*' && entry.value.tenant !== tenant)) {
      throw absent()
    }
    await this.#write(PREFIX + id, { ...entry.value, isRevoked: true }, entry.revision)
  }

  #present(tenant: TenantId, id: string): StoredAgent {
    const agent = this.#agents.get(id)
    if (agent === undefined || agent.isRevoked || agent.tenant !== tenant) throw absent()
    return agent
  }

  async #token({ id, tenant }: StoredAgent): Promise<AgentToken> {
    return { clientId: id, token: await this.#tokens.issue(id, tenant), tokenTtlMs: AGENT_TOKEN_TTL_MS }
  }

  async #read<T>(key: string): Promise<{ readonly value: T; readonly revision: number } | undefined> {
    const entry = await this.#registry.get(key)
    return entry === undefined ? undefined : { value: decode<T>(entry), revision: entry.revision }
  }

  /** Throws conflict where somebody else has written in the meantime. */
  async #write(key: string, value: object, revision: number): Promise<void> {
    const bytes = Buffer.from(JSON.stringify(value))
    try {
      await this.#registry.put(key, bytes, revision)
    } catch (error) {
      if (!(error instanceof WeirError) || error.code !== 'revision_conflict') throw error
      throw new WeirError('conflict', 'Another request changed the agent first')
    }
    if (key.startsWith(PREFIX)) this.#heard(key, bytes)
  }

  /** Writes what `change` makes of what is there; again where somebody was faster. */
  async #writeLast<T extends object>(key: string, change: (before: T | undefined) => T): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const before = await this.#read<T>(key)
      const value = change(before?.value)
      try {
        await this.#write(key, value, before?.revision ?? 0)
        return value
      } catch (error) {
        if (attempt === WRITE_ATTEMPTS_MAX) throw error
        if (!(error instanceof WeirError) || error.code !== 'conflict') throw error
      }
    }
  }

  #heard(key: string, value: Uint8Array | undefined): void {
    const id = key.slice(PREFIX.length)
    if (value === undefined) this.#agents.delete(id)
    else this.#agents.set(id, JSON.parse(Buffer.from(value).toString()) as StoredAgent)
  }
}

function decode<T>({ value }: RegistryEntry): T {
  return JSON.parse(Buffer.from(value).toString()) as T
}

/** The same for an agent of another tenant and for none at all. */
function absent(): WeirError {
  return new WeirError('not_found', 'There is no such agent')
}
