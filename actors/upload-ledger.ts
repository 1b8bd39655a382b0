import { assert } from '../base/assert.ts'
import { WeirError } from '../base/errors.ts'
import type { TenantId } from '../base/ids.ts'
import type { Registry } from '../cluster/registry.ts'
import {
  decodeUploadEntry,
  encodeUploadEntry,
  UPLOAD_KEYS,
  type UploadClaim,
  type UploadEntry,
  uploadEntryKey,
} from './upload-entry.ts'

/** An entry as it was read or written last. */
export interface KnownUpload {
  readonly entry: UploadEntry
  readonly revision: number
}

/** The jobs of uploads in the registry. Each change is a compare-and-set on the one entry of the job. */
export class UploadLedger {
  readonly #registry: Registry

  constructor(registry: Registry) {
    this.#registry = registry
  }

  async create(entry: UploadEntry): Promise<KnownUpload> {
    const revision = await this.#registry.put(uploadEntryKey(entry.tenant, entry.id), encodeUploadEntry(entry), 0)
    return { entry, revision }
  }

  async get(tenant: TenantId, id: string): Promise<KnownUpload | undefined> {
    const found = await this.#registry.get(uploadEntryKey(tenant, id))
    return found === undefined ? undefined : { entry: decodeUploadEntry(found.value), revision: found.revision }
  }

  /** Jobs of the tenant, oldest first. */
  async list(tenant: TenantId): Promise<readonly KnownUpload[]> {
    const entries = await this.#registry.list(`${UPLOAD_KEYS}${tenant}/`)
    const known = entries.map(({ value, revision }) => ({ entry: decodeUploadEntry(value), revision }))
    return known.sort((a, b) => (a.entry.id < b.entry.id ? -1 : 1))
  }

  /** Ids of all jobs of all tenants. */
  async ids(): Promise<ReadonlySet<string>> {
    const entries = await this.#registry.list(UPLOAD_KEYS)
    return new Set(entries.map(({ key }) => key.slice(key.lastIndexOf('/') + 1)))
  }

  /** Throws revision_conflict when the entry is no longer as known. */
  async change({ entry, revision }: KnownUpload, changes: Partial<UploadEntry>): Promise<KnownUpload> {
    const changed = { ...entry, ...changes }
    assert(changed.id === entry.id && changed.tenant === entry.tenant, 'a job keeps its name')
    const key = uploadEntryKey(entry.tenant, entry.id)
    return { entry: changed, revision: await this.#registry.put(key, encodeUploadEntry(changed), revision) }
  }

  /**
   * As `change`, by the holder of a claim. Where an answer of the registry was lost, the entry tells whether the claim still holds. Throws
   * epoch_fenced when another has the job, or it was ended.
   */
  async changeHeld(known: KnownUpload, changes: Partial<UploadEntry>): Promise<KnownUpload> {
    try {
      return await this.change(known, changes)
    } catch (error) {
      if (!(error instanceof WeirError) || error.code !== 'revision_conflict') throw error
    }
    const { tenant, id, epoch, claim } = known.entry
    const now = await this.get(tenant, id)
    if (now === undefined || now.entry.epoch !== epoch || !isSameClaim(now.entry.claim, claim)) throw fenced()
    return this.change({ entry: known.entry, revision: now.revision }, changes)
  }

  async remove({ entry, revision }: KnownUpload): Promise<void> {
    await this.#registry.delete(uploadEntryKey(entry.tenant, entry.id), revision)
  }

  /** See Registry.watch; undefined: removed. */
  watch(onChange: (key: string, known: KnownUpload | undefined) => void): Promise<() => void> {
    return this.#registry.watch(UPLOAD_KEYS, ({ key, value, revision }) => {
      onChange(key, value === undefined ? undefined : { entry: decodeUploadEntry(value), revision })
    })
  }
}

export function isSameClaim(a: UploadClaim | null, b: UploadClaim | null): boolean {
  return a !== null && b !== null && a.node === b.node && a.boot === b.boot && a.worker === b.worker
}

function fenced(): WeirError {
  return new WeirError('epoch_fenced', 'the job was ended, or another worker has taken it over')
}
