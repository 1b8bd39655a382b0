import { assert } from '../base/assert.ts'
import type { Clock, Timer } from '../base/clock.ts'
import { asWeirError, WeirError } from '../base/errors.ts'
import type { TenantId } from '../base/ids.ts'
import {
  SPREAD_BYTES_MAX,
  SPREAD_KEY_LEAD_MS,
  SPREAD_KEY_SILENCE_MAX_MS,
  SPREAD_QUERY_SILENCE_MAX_MS,
  SPREAD_SETTLE_MS,
  SPREAD_SLOTS_MAX,
} from '../base/limits.ts'
import type { Logger } from '../base/logger.ts'
import type { Registry } from '../cluster/registry.ts'
import { decodeSpread, encodeSpread, type ServiceSpread, SPREAD_KEY, type SpreadStep } from './spread-entry.ts'

/** The watch tells of a change at once; reading tells that there was none. */
const READ_EVERY_MS = 2000

export interface SpreadTableOptions {
  readonly registry: Registry
  readonly clock: Clock
  readonly logger: Logger
}

interface Known extends ServiceSpread {
  /** By step: when this thread first heard of it, monotonic ms. */
  readonly heardMs: readonly number[]
}

/** By tenant, then by service. */
type KnownServices = ReadonlyMap<TenantId, ReadonlyMap<string, Known>>

/** What was known at one time of where rows with a key belong (D3). */
export interface KeySpread {
  /** Slots that rows with a key of that time are dealt to, ms since the epoch. */
  slotsAt(tenant: TenantId, service: string, keyMs: number): number
}

/**
 * Over how many slots each service is spread, as one thread knows it: one entry of the registry, watched and read again and again. A spread only ever
 * grows, so what a thread knows is never wrong, at most too little; and since it knows when it last read the entry, it knows how little that may be.
 *
 * A spread comes into force in an order that loses nothing. Queries ask all its slots from the moment it is heard of. Rows without a key are
 * dealt to them SPREAD_SETTLE_MS later, when every thread has heard of it or knows that it is deaf, and asks all shards. A row with a key goes
 * where the spread at the time of its key says (D3): a step begins SPREAD_KEY_LEAD_MS after it was written, so that what is said of a time that
 * has come is never said otherwise later. Only a retry, across a new step, of a key from a clock that is far ahead may miss its first attempt.
 */
export class SpreadTable {
  readonly #options: SpreadTableOptions
  /** Replaced with each change, never changed. */
  #known: KnownServices = new Map()
  /** All of the entry as it was at this time is known; monotonic ms. */
  #readMs = Number.NEGATIVE_INFINITY
  #isReading = false
  #reading: Timer | undefined
  #endWatch: (() => void) | undefined

  private constructor(options: SpreadTableOptions) {
    this.#options = options
  }

  /** Resolves once what the entry says is known. Throws what the registry throws. */
  static async open(options: SpreadTableOptions): Promise<SpreadTable> {
    const table = new SpreadTable(options)
    table.#endWatch = await options.registry.watch(SPREAD_KEY, ({ key, value }) => {
      if (key === SPREAD_KEY && value !== undefined) table.#hear(value)
    })
    await table.#readAgain()
    table.#reading = options.clock.every(READ_EVERY_MS, () => void table.#readAgain())
    return table
  }

  /** Services with more than one slot. */
  get size(): number {
    return [...this.#known.values()].reduce((sum, services) => sum + services.size, 0)
  }

  /** Slots that rows without a key may be dealt to now. */
  slotsNow(tenant: TenantId, service: string): number {
    const known = this.#known.get(tenant)?.get(service)
    if (known === undefined) return 1
    const settledMs = this.#options.clock.monotonicMs() - SPREAD_SETTLE_MS
    const last = known.heardMs.findLastIndex((heardMs) => heardMs <= settledMs)
    return known.steps[last]?.slots ?? 1
  }

  /**
   * By what the rows of one request with a key are dealt, whatever is heard while it is taken. Throws shard_unavailable when this thread has
   * been deaf for so long that it cannot tell.
   */
  forKeys(): KeySpread {
    if (this.#silentMs > SPREAD_KEY_SILENCE_MAX_MS) {
      throw new WeirError('shard_unavailable', 'the registry is silent: where keyed records belong is not known')
    }
    const known = this.#known
    return {
      slotsAt: (tenant, service, keyMs) => {
        const steps = known.get(tenant)?.get(service)?.steps
        return steps?.findLast(({ fromMs }) => fromMs <= keyMs)?.slots ?? 1
      },
    }
  }

  /** Slots that any row of the service may be in; undefined when this thread cannot say. */
  slotsEver(tenant: TenantId, service: string): number | undefined {
    if (this.#silentMs > SPREAD_QUERY_SILENCE_MAX_MS) return undefined
    return this.latest(tenant, service).slots
  }

  /** The last step of a service, which may not have begun. */
  latest(tenant: TenantId, service: string): SpreadStep {
    return this.#known.get(tenant)?.get(service)?.steps.at(-1) ?? { slots: 1, fromMs: 0 }
  }

  /**
   * Raises the spread of a service, a power of two. `afterMs` is a time that the journal has reached, in case this node's clock is slow. False when
   * somebody else was first, or it has as many slots already, or the entry is full. Throws what the registry throws, and corrupt_data when the entry
   * cannot be read.
   */
  async raise(tenant: TenantId, service: string, slots: number, afterMs: number): Promise<boolean> {
    assert(slots > 1 && slots <= SPREAD_SLOTS_MAX && (slots & (slots - 1)) === 0, 'slots are a power of two')
    const { registry, clock, logger } = this.#options
    const revision = await this.#read()
    const last = this.latest(tenant, service)
    if (last.slots >= slots) return false
    const others = this.#all().filter((known) => known.tenant !== tenant || known.service !== service)
    const steps = this.#known.get(tenant)?.get(service)?.steps ?? []
    const fromMs = Math.max(clock.nowMs(), afterMs, last.fromMs) + SPREAD_KEY_LEAD_MS
    const value = encodeSpread([...others, { tenant, service, steps: [...steps, { slots, fromMs }] }])
    if (value.length > SPREAD_BYTES_MAX) {
      logger.warn('too many services are spread', { limitBytes: SPREAD_BYTES_MAX })
      return false
    }
    try {
      await registry.put(SPREAD_KEY, value, revision)
    } catch (error) {
      if (asWeirError(error).code === 'revision_conflict') return false
      throw error
    }
    this.#add(decodeSpread(value))
    return true
  }

  close(): void {
    this.#reading?.cancel()
    this.#endWatch?.()
  }

  get #silentMs(): number {
    return this.#options.clock.monotonicMs() - this.#readMs
  }

  #all(): Known[] {
    return [...this.#known.values()].flatMap((services) => [...services.values()])
  }

  /** Returns the revision. Throws what the registry throws, and corrupt_data when the entry cannot be read. */
  async #read(): Promise<number> {
    const { registry, clock } = this.#options
    const startedMs = clock.monotonicMs()
    const found = await registry.get(SPREAD_KEY)
    if (found !== undefined) this.#add(decodeSpread(found.value))
    this.#readMs = Math.max(this.#readMs, startedMs)
    return found?.revision ?? 0
  }

  /** Does not reject: that nothing could be read, this thread's silence tells. */
  async #readAgain(): Promise<void> {
    if (this.#isReading) return
    this.#isReading = true
    try {
      await this.#read()
    } catch (error) {
      this.#options.logger.debug('the spread of services could not be read', { error: asWeirError(error) })
    } finally {
      this.#isReading = false
    }
  }

  #hear(value: Uint8Array): void {
    try {
      this.#add(decodeSpread(value))
    } catch (error) {
      this.#options.logger.error('the spread of services cannot be read; all shards are asked', { error })
    }
  }

  /** What the entry no longer names goes on to count: there are rows in these slots. */
  #add(services: readonly ServiceSpread[]): void {
    const nowMs = this.#options.clock.monotonicMs()
    const known = new Map<TenantId, Map<string, Known>>()
    for (const spread of this.#all()) place(known, spread)
    for (const spread of services) {
      const before = known.get(spread.tenant)?.get(spread.service)
      if (before !== undefined && before.steps.at(-1)!.slots >= spread.steps.at(-1)!.slots) continue
      const heardMs = ({ slots }: SpreadStep): number => {
        const step = before?.steps.findIndex((other) => other.slots === slots) ?? -1
        return before?.heardMs[step] ?? nowMs
      }
      place(known, { ...spread, heardMs: spread.steps.map(heardMs) })
    }
    this.#known = known
  }
}

function place(known: Map<TenantId, Map<string, Known>>, spread: Known): void {
  const services = known.get(spread.tenant) ?? new Map<string, Known>()
  services.set(spread.service, spread)
  known.set(spread.tenant, services)
}
