import type { Clock, Timer } from '../base/clock.ts'
import { WeirError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { Registry } from '../cluster/registry.ts'
import {
  contentHashOf,
  contentHashOfKey,
  REGISTRY_SNAPSHOTS,
  registrySnapshotKey,
} from '../storage/object-store/object-keys.ts'
import type { ObjectStore } from '../storage/object-store/object-store.ts'

const FORMAT = 1
const EVERY_MS = 60_000
const KEPT = 5
/** Said better by the manifest pages, or of no use without the journal that they are about. */
const LEFT_OUT = ['shard/', 'lane/']

/** Registry key → value. */
export type SnapshotEntries = ReadonlyMap<string, Uint8Array>

export function encodeSnapshot(entries: SnapshotEntries): Uint8Array {
  const sorted = [...entries].sort(([a], [b]) => (a < b ? -1 : 1))
  const values = sorted.map(([key, value]) => [key, Buffer.from(value).toString('base64')])
  return new TextEncoder().encode(JSON.stringify({ format: FORMAT, entries: Object.fromEntries(values) }))
}

/** Throws corrupt_data when the bytes are not those that `key` was made of, or no snapshot. */
export function decodeSnapshot(key: string, bytes: Uint8Array): SnapshotEntries {
  if (contentHashOfKey(key) !== contentHashOf(bytes)) {
    throw new WeirError('corrupt_data', 'a snapshot of the registry has other content than its name says', { key })
  }
  const { format, entries } = JSON.parse(new TextDecoder().decode(bytes)) as { format: number; entries: object }
  if (format !== FORMAT) throw new WeirError('corrupt_data', 'a snapshot of the registry of an unknown format', { key })
  return new Map(Object.entries(entries).map(([name, value]) => [name, new Uint8Array(Buffer.from(value, 'base64'))]))
}

/** Keys of the snapshots there are, oldest first. */
export async function snapshotKeys(objects: ObjectStore): Promise<string[]> {
  return (await Array.fromAsync(objects.list(REGISTRY_SNAPSHOTS))).sort()
}

export interface SnapshotKeeperOptions {
  readonly registry: Registry
  readonly objects: ObjectStore
  readonly clock: Clock
  readonly logger: Logger
  /** True on one node of the cluster. */
  readonly isWriter: () => boolean
}

/**
 * C10: keeps a copy of what the registry alone knows (API keys, what the cluster was created with) beside the segments, for the day when the registry is
 * lost. A minute late at most; a new object only when something has changed.
 */
export class SnapshotKeeper {
  readonly #options: SnapshotKeeperOptions
  #timer: Timer | undefined
  /** Of the newest snapshot, as far as is known. */
  #hash: string | undefined
  #running: Promise<void> = Promise.resolve()

  constructor(options: SnapshotKeeperOptions) {
    this.#options = options
  }

  start(): void {
    const { clock, logger, isWriter } = this.#options
    let isBusy = false
    this.#timer = clock.every(EVERY_MS, () => {
      if (isBusy || !isWriter()) return
      isBusy = true
      this.#running = this.take()
        .catch((error: unknown) => logger.warn('the registry could not be copied to the bucket', { error }))
        .finally(() => {
          isBusy = false
        })
    })
  }

  /** Throws storage_unavailable. */
  async take(): Promise<void> {
    const { registry, objects, clock } = this.#options
    const known = (await registry.list('')).filter(({ key }) => !LEFT_OUT.some((prefix) => key.startsWith(prefix)))
    const bytes = encodeSnapshot(new Map(known.map(({ key, value }) => [key, value])))
    const hash = contentHashOf(bytes)
    if (hash === this.#hash) return
    const keys = await snapshotKeys(objects)
    const newest = keys.at(-1)
    if (newest === undefined || contentHashOfKey(newest) !== hash) {
      await objects.put(registrySnapshotKey(clock.nowMs(), hash), bytes)
      for (const key of keys.slice(0, -(KEPT - 1))) await objects.delete(key)
    }
    this.#hash = hash
  }

  async close(): Promise<void> {
    this.#timer?.cancel()
    await this.#running
  }
}
