import { WeirError } from '../../base/errors.ts'
import type { Prng } from '../../base/prng.ts'
import type { MemoryObjectStore } from '../harness/memory-object-store.ts'
import type { SimulatedClock } from '../harness/simulated-clock.ts'
import type { SimulatedKeyValueEngine } from '../harness/simulated-kv.ts'
import type { SimulatedRegistry } from '../harness/simulated-registry.ts'

/** Errors of ports linger in what they interrupted. */
export const TROUBLE_LINGERS_MS = 5000

/** Times in which calls of ports fail: of the disks, or of all there is. */
export class PortTrouble {
  readonly #prng: Prng
  readonly #clock: SimulatedClock
  readonly #objects: MemoryObjectStore
  #probability = 0
  #isOfDisks = false
  #untilMs = 0

  constructor(prng: Prng, clock: SimulatedClock, registry: SimulatedRegistry, objects: MemoryObjectStore) {
    this.#prng = prng
    this.#clock = clock
    this.#objects = objects
    registry.fault = () => (this.#isOfDisks ? undefined : this.#fault('registry'))
    objects.fault = () => {
      const found = this.#isOfDisks ? undefined : this.#fault('objects')
      return found === undefined ? undefined : { kind: found.when, error: found.error }
    }
  }

  /** Errors of ports are no surprise. */
  get isOn(): boolean {
    return this.#probability > 0 || this.#clock.monotonicMs() < this.#untilMs
  }

  /** A disk may fail from now on. */
  reach(kv: SimulatedKeyValueEngine): void {
    kv.fault = (call) => {
      const found = this.#fault('kv')
      return found !== undefined && call === 'open' ? { ...found, when: 'before' } : found
    }
  }

  /** Begins, or ends; says which. */
  turn(): string {
    if (this.#probability > 0) {
      this.end()
      return 'ports work again'
    }
    this.#probability = this.#prng.pick([0.05, 0.3, 1])
    this.#isOfDisks = this.#prng.chance(0.6)
    return `calls of ${this.#isOfDisks ? 'disks' : 'all ports'} fail with probability ${this.#probability}`
  }

  end(): void {
    this.#probability = 0
    this.#untilMs = this.#clock.monotonicMs() + TROUBLE_LINGERS_MS
  }

  /** What `look` reads of the objects does not fail; it must not take time. */
  async spare<T>(look: () => Promise<T>): Promise<T> {
    const { fault } = this.#objects
    this.#objects.fault = () => undefined
    try {
      return await look()
    } finally {
      this.#objects.fault = fault
    }
  }

  #fault(port: string) {
    if (this.#probability === 0 || !this.#prng.chance(this.#probability)) return undefined
    const error = new WeirError('storage_unavailable', `${port}: no space is left on the device`)
    return { when: this.#prng.chance(0.6) ? ('before' as const) : ('after' as const), error }
  }
}
