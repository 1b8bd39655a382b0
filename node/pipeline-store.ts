import { recordFilter } from '../actors/record-filter.ts'
import type { PipelineAuthor, PipelineBackend, StoredPipeline } from '../api/backend.ts'
import type { Clock } from '../base/clock.ts'
import { asWeirError, WeirError } from '../base/errors.ts'
import { isTenantName, type TenantId } from '../base/ids.ts'
import {
  PIPELINE_DEFINITION_BYTES_MAX,
  PIPELINE_SLICE_MS,
  PIPELINE_VERSIONS_KEPT,
  PIPELINES_PER_TENANT_MAX,
} from '../base/limits.ts'
import type { Logger } from '../base/logger.ts'
import type { Registry } from '../cluster/registry.ts'
import { type CompiledPipeline, compilePipeline, type PipelineDefinition } from '../ingest/pipeline/compile.ts'
import { type DryRecord, dryRun } from '../ingest/pipeline/dry-run.ts'
import { StepList } from '../ingest/pipeline/pipeline-run.ts'
import type { StepEnvironment } from '../ingest/pipeline/step.ts'

/** `pipeline/<tenant>/<id>`: the version in force. `pipeline-version/<tenant>/<id>/<n>`: all that are kept. */
const PREFIX = 'pipeline/'
const VERSION_PREFIX = 'pipeline-version/'
/** `pipeline-secret/<tenant>`: 32 random bytes, under which values are hashed. */
const SECRET_PREFIX = 'pipeline-secret/'
const SECRET_BYTES = 32

interface Entry {
  readonly version: number
  readonly updatedMs: number
  readonly mayNameTenants: boolean
  /** null: it was deleted; its number goes on, so that a dead letter names one definition only. */
  readonly definition: PipelineDefinition | null
}

export interface PipelineStoreOptions {
  readonly registry: Registry
  readonly clock: Clock
  readonly logger: Logger
  readonly node: StepEnvironment['node']
  readonly geo?: StepEnvironment['geo']
}

/**
 * The pipelines of all tenants: definitions in the registry, compiled on each thread as soon as it hears of them. What cannot be compiled here (a newer node wrote
 * it) makes this node refuse the tenant's records: stored without the step, a secret could reach a disk (X1).
 */
export class PipelineStore implements PipelineBackend {
  readonly #options: PipelineStoreOptions
  readonly #entries = new Map<TenantId, Map<string, Entry>>()
  readonly #secrets = new Map<TenantId, Uint8Array>()
  readonly #steps = new Map<TenantId, StepList | WeirError>()
  #isOpen = false

  private constructor(options: PipelineStoreOptions) {
    this.#options = options
  }

  /** Resolves once what the registry has is in force. Throws what the registry throws. */
  static async open(options: PipelineStoreOptions): Promise<PipelineStore> {
    const store = new PipelineStore(options)
    await options.registry.watch(SECRET_PREFIX, ({ key, value }) => store.#heardSecret(key, value))
    await options.registry.watch(PREFIX, ({ key, value }) => store.#heard(key, value))
    store.#isOpen = true
    for (const tenant of store.#entries.keys()) store.#compile(tenant)
    return store
  }

  /** The steps of a tenant's records; undefined where it has none. Throws storage_unavailable for those that this node cannot make. */
  readonly stepsOf = (tenant: TenantId): StepList | undefined => {
    const steps = this.#steps.get(tenant)
    if (steps instanceof WeirError) throw steps
    return steps
  }

  async list(tenant: TenantId): Promise<readonly StoredPipeline[]> {
    const entries = await this.#options.registry.list(`${PREFIX}${tenant}/`)
    return entries
      .map(({ key, value }) => storedOf(key.slice(PREFIX.length + tenant.length + 1), decode(value)))
      .filter((stored) => stored !== undefined)
      .sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  async get(tenant: TenantId, id: string): Promise<StoredPipeline> {
    const found = await this.#options.registry.get(`${PREFIX}${tenant}/${id}`)
    const stored = found === undefined ? undefined : storedOf(id, decode(found.value))
    if (stored === undefined) throw new WeirError('not_found', 'There is no such pipeline')
    return stored
  }

  async versions(tenant: TenantId, id: string): Promise<readonly StoredPipeline[]> {
    const { version } = await this.get(tenant, id)
    const entries = await this.#options.registry.list(`${VERSION_PREFIX}${tenant}/${id}/`)
    return entries
      .map(({ value }) => storedOf(id, decode(value)))
      .filter((stored) => stored !== undefined && stored.version <= version)
      .sort((a, b) => b!.version - a!.version) as StoredPipeline[]
  }

  async put(tenant: TenantId, id: string, definition: unknown, author: PipelineAuthor): Promise<StoredPipeline> {
    const { registry, clock } = this.#options
    const json = JSON.stringify(definition)
    if (Buffer.byteLength(json) > PIPELINE_DEFINITION_BYTES_MAX)
      throw new WeirError('body_too_large', `A definition may have ${PIPELINE_DEFINITION_BYTES_MAX} bytes`)
    await this.#requireSecret(tenant)
    const key = `${PREFIX}${tenant}/${id}`
    const before = await registry.get(key)
    const entryBefore = before === undefined ? undefined : decode(before.value)
    requireVersion(entryBefore, author.expectedVersion)
    const version = (entryBefore?.version ?? 0) + 1
    this.#compiled(tenant, id, { version, updatedMs: 0, definition: definition as PipelineDefinition, ...author })
    if ((entryBefore?.definition ?? null) === null && (await this.list(tenant)).length >= PIPELINES_PER_TENANT_MAX)
      throw new WeirError('invalid_parameter', `A tenant may have ${PIPELINES_PER_TENANT_MAX} pipelines`)
    const { mayNameTenants } = author
    const entry: Entry = {
      version,
      updatedMs: clock.nowMs(),
      mayNameTenants,
      definition: definition as PipelineDefinition,
    }
    const value = encode(entry)
    // First the version: what is in force can always be looked up. One of an attempt that went no further is written over.
    const versionKey = `${VERSION_PREFIX}${tenant}/${id}/${String(version).padStart(9, '0')}`
    await registry.put(versionKey, value, (await registry.get(versionKey))?.revision ?? 0)
    await this.#write(key, value, before?.revision ?? 0)
    await this.#prune(tenant, id, version - PIPELINE_VERSIONS_KEPT)
    return storedOf(id, entry)!
  }

  async remove(tenant: TenantId, id: string, expectedVersion: number | undefined): Promise<void> {
    const key = `${PREFIX}${tenant}/${id}`
    const before = await this.#options.registry.get(key)
    const entry = before === undefined ? undefined : decode(before.value)
    if (before === undefined || (entry?.definition ?? null) === null)
      throw new WeirError('not_found', 'There is no such pipeline')
    requireVersion(entry, expectedVersion)
    const gone: Entry = { ...entry!, updatedMs: this.#options.clock.nowMs(), definition: null }
    await this.#write(key, encode(gone), before.revision)
  }

  async dryRun(
    tenant: TenantId,
    what: { readonly id?: string; readonly definition?: unknown },
    records: readonly string[],
    author: PipelineAuthor,
    signal: AbortSignal,
  ): Promise<readonly DryRecord[]> {
    const { clock } = this.#options
    await this.#requireSecret(tenant)
    const pipelines: CompiledPipeline[] = []
    if (what.definition !== undefined) {
      const definition = what.definition as PipelineDefinition
      pipelines.push(this.#compiled(tenant, what.id ?? 'dry-run', { version: 0, updatedMs: 0, definition, ...author }))
    } else {
      const stored = what.id === undefined ? await this.list(tenant) : [await this.get(tenant, what.id)]
      for (const one of stored) pipelines.push(this.#compiled(tenant, one.id, one))
    }
    let startedMs = clock.monotonicMs()
    const isPauseDue = () => clock.monotonicMs() - startedMs > PIPELINE_SLICE_MS
    const work = dryRun(new StepList(pipelines), records, { receivedMs: clock.nowMs() }, isPauseDue)
    for (;;) {
      const done = work.next()
      if (done.done === true) return done.value
      await clock.yieldTurn()
      startedMs = clock.monotonicMs()
      if (signal.aborted) throw signal.reason
    }
  }

  /** Throws invalid_parameter. */
  #compiled(tenant: TenantId, id: string, entry: Entry): CompiledPipeline {
    const { clock, node, geo } = this.#options
    return compilePipeline(id, entry.version, entry.definition!, {
      tenant,
      clock,
      node,
      geo,
      predicate: (filter, path) => recordFilter(filter, path, clock.nowMs()),
      hashKey: this.#secrets.get(tenant) ?? new Uint8Array(0),
      mayNameTenants: entry.mayNameTenants,
    })
  }

  async #write(key: string, value: Uint8Array, revision: number): Promise<void> {
    try {
      await this.#options.registry.put(key, value, revision)
    } catch (error) {
      if (asWeirError(error).code !== 'revision_conflict') throw error
      throw new WeirError('conflict', 'Another request changed the pipeline first')
    }
    this.#heard(key, value)
  }

  async #requireSecret(tenant: TenantId): Promise<void> {
    if (this.#secrets.has(tenant)) return
    const { registry, clock } = this.#options
    const key = SECRET_PREFIX + tenant
    try {
      await registry.put(key, clock.randomBytes(SECRET_BYTES), 0)
    } catch (error) {
      if (asWeirError(error).code !== 'revision_conflict') throw error
    }
    this.#heardSecret(key, (await registry.get(key))?.value)
  }

  async #prune(tenant: TenantId, id: string, below: number): Promise<void> {
    if (below <= 0) return
    const { registry } = this.#options
    for (const { key, value, revision } of await registry.list(`${VERSION_PREFIX}${tenant}/${id}/`)) {
      if (decode(value).version <= below) await registry.delete(key, revision).catch(() => undefined)
    }
  }

  #heardSecret(key: string, value: Uint8Array | undefined): void {
    const tenant = key.slice(SECRET_PREFIX.length)
    if (!isTenantName(tenant) || value === undefined) return
    this.#secrets.set(tenant, Uint8Array.from(value))
    if (this.#isOpen) this.#compile(tenant)
  }

  #heard(key: string, value: Uint8Array | undefined): void {
    const [tenant = '', id = ''] = key.slice(PREFIX.length).split('/')
    if (!isTenantName(tenant)) return
    const pipelines = this.#entries.get(tenant) ?? new Map<string, Entry>()
    const entry = value === undefined ? undefined : decode(value)
    // The watch may tell of a version that was written here, after a newer one was.
    const known = pipelines.get(id)
    if (entry !== undefined && known !== undefined && entry.version < known.version) return
    if (entry === undefined) pipelines.delete(id)
    else pipelines.set(id, entry)
    this.#entries.set(tenant, pipelines)
    if (this.#isOpen) this.#compile(tenant)
  }

  #compile(tenant: TenantId): void {
    try {
      const compiled = [...(this.#entries.get(tenant) ?? [])]
        .filter(([, { definition }]) => definition !== null)
        .map(([id, entry]) => this.#compiled(tenant, id, entry))
      const steps = new StepList(compiled)
      if (steps.steps.length === 0) this.#steps.delete(tenant)
      else this.#steps.set(tenant, steps)
    } catch (error) {
      this.#options.logger.error('a pipeline cannot be made; records of the tenant are refused', { tenant, error })
      this.#steps.set(tenant, new WeirError('storage_unavailable', 'a pipeline of the tenant needs a newer node'))
    }
  }
}

function requireVersion(entry: Entry | undefined, expected: number | undefined): void {
  const present = entry === undefined || entry.definition === null ? 0 : entry.version
  if (expected === undefined || expected === present) return
  throw new WeirError('conflict', `The pipeline has version ${present}, not ${expected}`, { version: present })
}

function storedOf(id: string, { version, updatedMs, mayNameTenants, definition }: Entry): StoredPipeline | undefined {
  return definition === null ? undefined : { id, version, updatedMs, mayNameTenants, definition }
}

function encode(entry: Entry): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(entry))
}

function decode(value: Uint8Array): Entry {
  return JSON.parse(new TextDecoder().decode(value)) as Entry
}
