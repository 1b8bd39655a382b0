import type { RuleState } from '../alerts/rule-evaluator.ts'
import { asWeirError } from '../base/errors.ts'
import type { TenantId } from '../base/ids.ts'
import { ALERT_OUTBOX_MAX, REGISTRY_VALUE_BYTES_MAX } from '../base/limits.ts'
import type { Registry } from '../cluster/registry.ts'
import type { OutboxEntry } from './alert-keeper-outbox.ts'

/** `alert-state/<tenant>/<rule>` */
const PREFIX = 'alert-state/'

interface StoredState extends RuleState {
  /** Of the keeper who wrote it: one of a lower epoch writes no more. */
  readonly epoch: number
  /** Names the write: whoever does not know whether it was made can tell. */
  readonly write: string
  readonly outbox: readonly OutboxEntry[]
}

export interface LoadedState {
  readonly state: RuleState | undefined
  readonly outbox: readonly OutboxEntry[]
  readonly revision: number
}

/**
 * What a keeper has decided of one rule, in the registry: written by compare-and-set before anybody is told (A4), so that whoever keeps the rule next goes
 * on with the same firings.
 */
export class RuleStateEntry {
  readonly #registry: Registry
  readonly #key: string
  readonly #epoch: number
  readonly #writer: string
  #revision = 0
  #writes = 0

  constructor(registry: Registry, tenant: TenantId, rule: string, epoch: number, writer: string) {
    this.#registry = registry
    this.#key = `${PREFIX}${tenant}/${rule}`
    this.#epoch = epoch
    this.#writer = writer
  }

  /** Undefined when a keeper of a later epoch has written. Throws storage_unavailable. */
  async load(): Promise<LoadedState | undefined> {
    const found = await this.#registry.get(this.#key)
    this.#revision = found?.revision ?? 0
    if (found === undefined) return { state: undefined, outbox: [], revision: 0 }
    const { epoch, outbox, ...state } = decode(found.value)
    return epoch > this.#epoch ? undefined : { state, outbox, revision: found.revision }
  }

  /**
   * Writes; 'other' when somebody else has written meanwhile: then `load` tells what. Throws storage_unavailable, after which it may be
   * written or not: call it again.
   */
  async save(state: RuleState, outbox: readonly OutboxEntry[]): Promise<'saved' | 'other'> {
    const write = `${this.#writer}/${++this.#writes}`
    const value = encode({ ...state, epoch: this.#epoch, write, outbox })
    try {
      this.#revision = await this.#registry.put(this.#key, value, this.#revision)
      return 'saved'
    } catch (error) {
      if (asWeirError(error).code !== 'revision_conflict') throw error
    }
    const found = await this.#registry.get(this.#key)
    const isOwn = found !== undefined && decode(found.value).write.startsWith(`${this.#writer}/`)
    if (!isOwn) return 'other'
    // A write of this keeper whose answer was lost; only it writes with that name.
    this.#revision = found.revision
    return this.save(state, outbox)
  }

  /** The rule is there no more. Does not throw when somebody else has written meanwhile. */
  async remove(): Promise<void> {
    try {
      if (this.#revision > 0) await this.#registry.delete(this.#key, this.#revision)
    } catch (error) {
      if (asWeirError(error).code !== 'revision_conflict') throw error
    }
    this.#revision = 0
  }
}

/** Rules of which there is a state. */
export async function rulesWithState(registry: Registry): Promise<readonly { tenant: TenantId; rule: string }[]> {
  return (await registry.list(PREFIX)).map(({ key }) => {
    const [tenant = '', rule = ''] = key.slice(PREFIX.length).split('/')
    return { tenant: tenant as TenantId, rule }
  })
}

/**
 * An entry of the registry has its bound. With very many firings at once, lines of later ones are left out, then the last of what is to be told (which a crash
 * would lose), then groups of which nothing is remembered but that they were there.
 */
function encode(stored: StoredState): Uint8Array {
  const attempts = [
    () => stored,
    () => ({ ...stored, outbox: stored.outbox.map(withoutSamples) }),
    () => ({ ...stored, outbox: stored.outbox.slice(0, ALERT_OUTBOX_MAX).map(withoutSamples) }),
    () => ({ ...stored, outbox: [], groups: stored.groups.filter(({ firing }) => firing !== null) }),
  ]
  let value = new Uint8Array(0)
  for (const attempt of attempts) {
    value = new TextEncoder().encode(JSON.stringify(attempt()))
    if (value.length <= REGISTRY_VALUE_BYTES_MAX) return value
  }
  // More fire than an entry can name: it holds what it can, for one that is never written would hold up all that is to be told.
  let firing = stored.groups.filter(({ firing }) => firing !== null)
  while (value.length > REGISTRY_VALUE_BYTES_MAX && firing.length > 0) {
    firing = firing.slice(0, Math.floor((firing.length * REGISTRY_VALUE_BYTES_MAX * 0.95) / value.length))
    value = new TextEncoder().encode(JSON.stringify({ ...stored, outbox: [], groups: firing }))
  }
  return value
}

function withoutSamples({ kind, event }: OutboxEntry): OutboxEntry {
  return { kind, event: { ...event, samples: [] } }
}

function decode(value: Uint8Array): StoredState {
  return JSON.parse(new TextDecoder().decode(value)) as StoredState
}
