import type { Delivery } from '../alerts/notify/delivery.ts'
import { assert } from '../base/assert.ts'
import { asWeirError } from '../base/errors.ts'
import type { TenantId } from '../base/ids.ts'
import type { Registry, RegistryEntry } from '../cluster/registry.ts'

/** `alert-delivery/<tenant>/<firing id>.<kind>.<channel>` */
const PREFIX = 'alert-delivery/'
/** Entries read between two pauses: some milliseconds, however long they are. */
const SLICE_ENTRIES = 50

/** A delivery as it was read or written last. */
export interface KnownDelivery {
  readonly key: string
  readonly delivery: Delivery
  readonly revision: number
  /** Of its entry. */
  readonly bytes: number
}

/** Deliveries in the registry: each change is a compare-and-set on the one entry of the delivery. */
export class DeliveryLedger {
  readonly #registry: Registry

  constructor(registry: Registry) {
    this.#registry = registry
  }

  /** Undefined: there is one already. */
  async create(delivery: Delivery): Promise<KnownDelivery | undefined> {
    try {
      return await this.#put(delivery, 0)
    } catch (error) {
      if (asWeirError(error).code !== 'revision_conflict') throw error
      return undefined
    }
  }

  async get(key: string): Promise<KnownDelivery | undefined> {
    const found = await this.#registry.get(key)
    return found === undefined ? undefined : knownOf(found)
  }

  /** Undefined where it is no longer as known. */
  async change({ key, revision }: KnownDelivery, delivery: Delivery): Promise<KnownDelivery | undefined> {
    assert(deliveryKey(delivery) === key, 'a delivery keeps its name')
    try {
      return await this.#put(delivery, revision)
    } catch (error) {
      if (asWeirError(error).code !== 'revision_conflict') throw error
      return undefined
    }
  }

  /** Throws revision_conflict. */
  async remove(key: string, revision: number): Promise<void> {
    await this.#registry.delete(key, revision)
  }

  /** Of a tenant, or of one of its firings; newest first. Calls `pause` between two slices of its work (T2). */
  async list(tenant: TenantId, firingId?: string, pause: () => Promise<void> = async () => {}): Promise<Delivery[]> {
    const entries = await this.#registry.list(`${PREFIX}${tenant}/${firingId === undefined ? '' : `${firingId}.`}`)
    const deliveries: Delivery[] = []
    for (const [i, entry] of entries.entries()) {
      if (i % SLICE_ENTRIES === SLICE_ENTRIES - 1) await pause()
      deliveries.push(knownOf(entry).delivery)
    }
    return deliveries.sort((a, b) => b.createdMs - a.createdMs)
  }

  /** See Registry.watch; undefined: removed. */
  watch(onChange: (key: string, known: KnownDelivery | undefined) => void): Promise<() => void> {
    return this.#registry.watch(PREFIX, ({ key, value, revision }) => {
      onChange(key, value === undefined ? undefined : knownOf({ key, value, revision }))
    })
  }

  async #put(delivery: Delivery, expected: number): Promise<KnownDelivery> {
    const key = deliveryKey(delivery)
    const value = new TextEncoder().encode(JSON.stringify(delivery))
    return { key, delivery, revision: await this.#registry.put(key, value, expected), bytes: value.length }
  }
}

/** Of the message that an alert began, to the same channel. */
export function firedKeyOf(of: Pick<Delivery, 'tenant' | 'firingId' | 'channel'>): string {
  return deliveryKey({ ...of, kind: 'fired' })
}

function deliveryKey({
  tenant,
  firingId,
  kind,
  channel,
}: Pick<Delivery, 'tenant' | 'firingId' | 'kind' | 'channel'>): string {
  return `${PREFIX}${tenant}/${firingId}.${kind}.${channel}`
}

function knownOf({ key, value, revision }: RegistryEntry): KnownDelivery {
  const delivery = JSON.parse(new TextDecoder().decode(value)) as Delivery
  return { key, delivery, revision, bytes: value.length }
}
