import type { KeyBackend, KeyRecord } from '../api/backend.ts'
import type { Clock } from '../base/clock.ts'
import { WeirError } from '../base/errors.ts'
import type { Registry } from '../cluster/registry.ts'

const PREFIX = 'key/'

interface StoredKey extends KeyRecord {
  /** SHA-256 of the key, hex. */
  readonly hash: string
}

/** API keys in the registry, hashed; each thread keeps them in memory and hears of changes. */
export class KeyStore implements KeyBackend {
  readonly #registry: Registry
  readonly #clock: Clock
  readonly #byHash = new Map<string, KeyRecord>()
  readonly #hashOf = new Map<string, string>()

  readonly findToken: KeyBackend['findToken']

  private constructor(registry: Registry, clock: Clock, findToken: KeyBackend['findToken']) {
    this.#registry = registry
    this.#clock = clock
    this.findToken = findToken
  }

  /** `findToken` knows the tokens of agents. */
  static async open(
    registry: Registry,
    clock: Clock,
    findToken: KeyBackend['findToken'] = () => undefined,
  ): Promise<KeyStore> {
    const store = new KeyStore(registry, clock, findToken)
    await registry.watch(PREFIX, ({ key, value }) => store.#changed(key, value))
    return store
  }

  find(hash: string): KeyRecord | undefined {
    return this.#byHash.get(hash)
  }

  async create(record: Omit<KeyRecord, 'id' | 'createdMs'>, hash: string): Promise<KeyRecord> {
    const id = Buffer.from(this.#clock.randomBytes(8)).toString('hex')
    return this.put(id, record, hash)
  }

  /** Creates the key under a given id. Throws revision_conflict when there is one. */
  async put(id: string, record: Omit<KeyRecord, 'id' | 'createdMs'>, hash: string): Promise<KeyRecord> {
    const stored: StoredKey = { ...record, id, createdMs: this.#clock.nowMs(), hash }
    const value = encode(stored)
    await this.#registry.put(PREFIX + id, value, 0)
    this.#changed(PREFIX + id, value)
    return recordOf(stored)
  }

  async list(): Promise<readonly KeyRecord[]> {
    const entries = await this.#registry.list(PREFIX)
    return entries.map(({ value }) => recordOf(decode(value)))
  }

  async revoke(id: string): Promise<void> {
    const entry = await this.#registry.get(PREFIX + id)
    if (entry === undefined) throw new WeirError('not_found', 'there is no such key')
    await this.#registry.delete(PREFIX + id, entry.revision)
    this.#changed(PREFIX + id, undefined)
  }

  #changed(key: string, value: Uint8Array | undefined): void {
    const id = key.slice(PREFIX.length)
    const before = this.#hashOf.get(id)
    if (before !== undefined) this.#byHash.delete(before)
    this.#hashOf.delete(id)
    if (value === undefined) return
    const stored = decode(value)
    this.#byHash.set(stored.hash, recordOf(stored))
    this.#hashOf.set(id, stored.hash)
  }
}

function recordOf({ id, name, tenant, roles, createdMs }: StoredKey): KeyRecord {
  return { id, name, tenant, roles, createdMs }
}

function encode(stored: StoredKey): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(stored))
}

function decode(value: Uint8Array): StoredKey {
  return JSON.parse(new TextDecoder().decode(value)) as StoredKey
}
