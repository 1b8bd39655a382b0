import type { Clock } from '../base/clock.ts'
import { asWeirError, WeirError } from '../base/errors.ts'
import { isTenantName, type TenantId } from '../base/ids.ts'
import { ALERT_DELETED_KEPT } from '../base/limits.ts'
import type { Logger } from '../base/logger.ts'
import type { Registry } from '../cluster/registry.ts'

/** A definition of a tenant as it is stored. */
export interface AlertDocument<T> {
  readonly id: string
  /** From 1; each change has the next, also over a deletion. */
  readonly revision: number
  readonly createdMs: number
  readonly updatedMs: number
  readonly value: T
}

export interface AlertDocumentsOptions<T> {
  readonly registry: Registry
  readonly clock: Clock
  readonly logger: Logger
  /** Of the registry's keys: `<prefix><tenant>/<id>`. */
  readonly prefix: string
  /** What one of them is called where something is wrong. */
  readonly noun: string
  readonly perTenantMax: number
  readonly bytesMax: number
  /** Throws invalid_parameter for a value that is not good. */
  readonly check: (tenant: TenantId, id: string, revision: number, value: T) => void
}

interface Entry<T> {
  readonly revision: number
  readonly createdMs: number
  readonly updatedMs: number
  /** null: it was deleted; its number goes on, so that the id of a firing names one definition only. */
  readonly value: T | null
}

type Listener<T> = (tenant: TenantId, id: string, document: AlertDocument<T> | undefined) => void

/** Definitions of one kind of all tenants: entries of the registry, changed by compare-and-set, and heard of by every thread that opens them. */
export class AlertDocuments<T> {
  readonly #options: AlertDocumentsOptions<T>
  readonly #heard = new Map<TenantId, Map<string, Entry<T>>>()
  readonly #listeners = new Set<Listener<T>>()
  #endWatch: (() => void) | undefined

  private constructor(options: AlertDocumentsOptions<T>) {
    this.#options = options
  }

  /** Resolves once all that the registry has is heard. Throws what the registry throws. */
  static async open<T>(options: AlertDocumentsOptions<T>): Promise<AlertDocuments<T>> {
    const documents = new AlertDocuments<T>(options)
    documents.#endWatch = await options.registry.watch(options.prefix, ({ key, value }) => documents.#hear(key, value))
    return documents
  }

  close(): void {
    this.#endWatch?.()
    this.#listeners.clear()
  }

  /** Calls `listener` for each change from now on; the result ends it. */
  onChange(listener: Listener<T>): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Tenants that have one, as far as this thread has heard. */
  *tenants(): Iterable<TenantId> {
    for (const [tenant, entries] of this.#heard) {
      for (const { value } of entries.values()) {
        if (value === null) continue
        yield tenant
        break
      }
    }
  }

  /** Of a tenant, as far as this thread has heard. */
  *known(tenant: TenantId): Iterable<AlertDocument<T>> {
    for (const [id, entry] of this.#heard.get(tenant) ?? []) {
      const document = documentOf(id, entry)
      if (document !== undefined) yield document
    }
  }

  /** In the order of the ids. */
  async list(tenant: TenantId): Promise<readonly AlertDocument<T>[]> {
    const { registry, prefix } = this.#options
    const entries = await registry.list(`${prefix}${tenant}/`)
    return entries
      .map(({ key, value }) => documentOf(key.slice(prefix.length + tenant.length + 1), decode<T>(value)))
      .filter((document) => document !== undefined)
      .sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  /** Throws not_found. */
  async get(tenant: TenantId, id: string): Promise<AlertDocument<T>> {
    const found = await this.#options.registry.get(this.#keyOf(tenant, id))
    const document = found === undefined ? undefined : documentOf(id, decode<T>(found.value))
    if (document === undefined) throw this.#missing()
    return document
  }

  /**
   * Makes or changes one. `expected` is the revision that is to be changed (0: there must be none); absent: whatever it is. Throws
   * invalid_parameter, conflict, body_too_large.
   */
  async put(tenant: TenantId, id: string, value: T, expected?: number): Promise<AlertDocument<T>> {
    const { registry, clock, noun, perTenantMax, bytesMax, check } = this.#options
    if (Buffer.byteLength(JSON.stringify(value)) > bytesMax)
      throw new WeirError('body_too_large', `A ${noun} may have ${bytesMax} bytes`)
    const key = this.#keyOf(tenant, id)
    const before = await registry.get(key)
    const known = before === undefined ? undefined : decode<T>(before.value)
    this.#require(known, expected)
    const revision = (known?.revision ?? 0) + 1
    check(tenant, id, revision, value)
    const isNew = (known?.value ?? null) === null
    if (isNew && (await this.list(tenant)).length >= perTenantMax)
      throw new WeirError('invalid_parameter', `A tenant may have ${perTenantMax} of these: ${noun}`)
    const nowMs = clock.nowMs()
    const entry: Entry<T> = { revision, createdMs: isNew ? nowMs : known!.createdMs, updatedMs: nowMs, value }
    await this.#write(key, entry, before?.revision ?? 0)
    return documentOf(id, entry)!
  }

  /** Throws not_found, conflict. */
  async remove(tenant: TenantId, id: string, expected?: number): Promise<void> {
    const key = this.#keyOf(tenant, id)
    const before = await this.#options.registry.get(key)
    const known = before === undefined ? undefined : decode<T>(before.value)
    if (before === undefined || (known?.value ?? null) === null) throw this.#missing()
    this.#require(known, expected)
    await this.#write(key, { ...known!, updatedMs: this.#options.clock.nowMs(), value: null }, before.revision)
    await this.#forgetDeleted(tenant)
  }

  #keyOf(tenant: TenantId, id: string): string {
    return `${this.#options.prefix}${tenant}/${id}`
  }

  #missing(): WeirError {
    return new WeirError('not_found', `There is no such ${this.#options.noun}`)
  }

  #require(known: Entry<T> | undefined, expected: number | undefined): void {
    const revision = known === undefined || known.value === null ? 0 : known.revision
    if (expected === undefined || expected === revision) return
    throw new WeirError('conflict', `The ${this.#options.noun} has revision ${revision}, not ${expected}`, { revision })
  }

  async #write(key: string, entry: Entry<T>, revision: number): Promise<void> {
    const value = new TextEncoder().encode(JSON.stringify(entry))
    try {
      await this.#options.registry.put(key, value, revision)
    } catch (error) {
      if (asWeirError(error).code !== 'revision_conflict') throw error
      throw new WeirError('conflict', `Another request changed the ${this.#options.noun} first`)
    }
    this.#hear(key, value)
  }

  /** Numbers of what was deleted are kept of the last ones only. */
  async #forgetDeleted(tenant: TenantId): Promise<void> {
    const { registry, prefix } = this.#options
    const deleted = (await registry.list(`${prefix}${tenant}/`))
      .map(({ key, revision, value }) => ({ key, revision, entry: decode<T>(value) }))
      .filter(({ entry }) => entry.value === null)
      .sort((a, b) => b.entry.updatedMs - a.entry.updatedMs)
    for (const { key, revision } of deleted.slice(ALERT_DELETED_KEPT)) {
      await registry.delete(key, revision).catch(() => undefined)
    }
  }

  #hear(key: string, value: Uint8Array | undefined): void {
    const { prefix, logger, noun } = this.#options
    const [tenant = '', id = ''] = key.slice(prefix.length).split('/')
    if (!isTenantName(tenant) || id === '') return
    const entries = this.#heard.get(tenant) ?? new Map<string, Entry<T>>()
    const known = entries.get(id)
    let entry: Entry<T> | undefined
    try {
      entry = value === undefined ? undefined : decode<T>(value)
    } catch (error) {
      logger.error(`a ${noun} cannot be read; the one before goes on to count`, { tenant, id, error })
      return
    }
    // The watch may tell of a revision that was written here, after a newer one was.
    if (entry !== undefined && known !== undefined && isOlder(entry, known)) return
    if (entry === undefined) entries.delete(id)
    else entries.set(id, entry)
    if (entries.size === 0) this.#heard.delete(tenant)
    else this.#heard.set(tenant, entries)
    if (known?.revision === entry?.revision && known?.value === null && entry?.value === null) return
    const document = entry === undefined ? undefined : documentOf(id, entry)
    for (const listener of [...this.#listeners]) listener(tenant, id, document)
  }
}

/** A deletion keeps its number, and comes after it. */
function isOlder<T>(entry: Entry<T>, known: Entry<T>): boolean {
  if (entry.revision !== known.revision) return entry.revision < known.revision
  return known.value === null && entry.value !== null
}

function documentOf<T>(id: string, { revision, createdMs, updatedMs, value }: Entry<T>): AlertDocument<T> | undefined {
  return value === null ? undefined : { id, revision, createdMs, updatedMs, value }
}

function decode<T>(value: Uint8Array): Entry<T> {
  return JSON.parse(new TextDecoder().decode(value)) as Entry<T>
}
