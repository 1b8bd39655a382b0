import { WeirError } from '../../base/errors.ts'
import type { Registry, RegistryChange, RegistryEntry } from '../../cluster/registry.ts'

export type RegistryOperation = 'get' | 'put' | 'delete' | 'list' | 'watch'
/** An error before anything happens, or after it happened: written, and the answer lost. */
export interface RegistryFault {
  readonly when: 'before' | 'after'
  readonly error: WeirError
}

interface Watch {
  readonly prefix: string
  readonly onChange: (change: RegistryChange) => void
  readonly isAlive: () => boolean
}

/** The registry in memory. `connect` gives the Registry of one process; a crash kills the processes and keeps the entries. */
export class SimulatedRegistry {
  readonly entries = new Map<string, RegistryEntry>()
  readonly watches = new Set<Watch>()
  /** Asked before each operation. */
  fault: (operation: RegistryOperation, key: string) => RegistryFault | undefined = () => undefined
  /** Awaited between the call and its effect. */
  pause: (operation: RegistryOperation) => Promise<void> = () => Promise.resolve()
  /** Awaited between the effect and the answer; undefined: nothing waits. */
  pauseAnswer: ((operation: RegistryOperation) => Promise<void>) | undefined
  #life = 0
  #revision = 0

  connect(): Registry {
    const life = this.#life
    return new SimulatedRegistryConnection(this, () => life === this.#life)
  }

  crash(): void {
    this.#life++
    this.watches.clear()
  }

  write(key: string, value: Uint8Array | undefined, expected: number): number {
    const current = this.entries.get(key)?.revision ?? 0
    if (current !== expected) {
      throw new WeirError('revision_conflict', `${key} has revision ${current}, not ${expected}`, { current, expected })
    }
    const revision = ++this.#revision
    if (value === undefined) this.entries.delete(key)
    else this.entries.set(key, { key, value, revision })
    for (const watch of [...this.watches]) {
      if (!key.startsWith(watch.prefix) || !watch.isAlive() || !this.watches.has(watch)) continue
      watch.onChange({ key, value: value?.slice(), revision })
    }
    return revision
  }
}

class SimulatedRegistryConnection implements Registry {
  readonly #registry: SimulatedRegistry
  readonly #isAlive: () => boolean
  #isClosed = false

  constructor(registry: SimulatedRegistry, isAlive: () => boolean) {
    this.#registry = registry
    this.#isAlive = () => isAlive() && !this.#isClosed
  }

  get(key: string): Promise<RegistryEntry | undefined> {
    return this.#guard('get', key, () => {
      const entry = this.#registry.entries.get(key)
      return entry === undefined ? undefined : copyOf(entry)
    })
  }

  put(key: string, value: Uint8Array, expected: number): Promise<number> {
    const kept = value.slice()
    return this.#guard('put', key, () => this.#registry.write(key, kept, expected))
  }

  async delete(key: string, expected: number): Promise<void> {
    await this.#guard('delete', key, () => this.#registry.write(key, undefined, expected))
  }

  list(prefix: string): Promise<readonly RegistryEntry[]> {
    return this.#guard('list', prefix, () => this.#under(prefix).map(copyOf))
  }

  watch(prefix: string, onChange: (change: RegistryChange) => void): Promise<() => void> {
    return this.#guard('watch', prefix, () => {
      const watch: Watch = { prefix, onChange, isAlive: this.#isAlive }
      for (const entry of this.#under(prefix)) onChange(copyOf(entry))
      this.#registry.watches.add(watch)
      return () => this.#registry.watches.delete(watch)
    })
  }

  async close(): Promise<void> {
    this.#isClosed = true
  }

  #under(prefix: string): RegistryEntry[] {
    const entries = [...this.#registry.entries.values()].filter((entry) => entry.key.startsWith(prefix))
    return entries.sort((a, b) => (a.key < b.key ? -1 : 1))
  }

  async #guard<T>(operation: RegistryOperation, key: string, run: () => T): Promise<T> {
    this.#check()
    const fault = this.#registry.fault(operation, key)
    await this.#registry.pause(operation)
    this.#check()
    if (fault?.when === 'before') throw fault.error
    const result = run()
    if (this.#registry.pauseAnswer !== undefined) await this.#registry.pauseAnswer(operation)
    if (fault !== undefined) throw fault.error
    return result
  }

  #check(): void {
    if (!this.#isAlive()) throw new WeirError('storage_unavailable', 'the registry is closed')
  }
}

function copyOf(entry: RegistryEntry): RegistryEntry {
  return { ...entry, value: entry.value.slice() }
}
