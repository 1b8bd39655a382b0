import type { Clock, Timer } from '../base/clock.ts'
import { asWeirError } from '../base/errors.ts'
import type { NodeId, ShardId } from '../base/ids.ts'
import { REGISTRY_SNAPSHOT_EVERY_MS, REGISTRY_SNAPSHOTS_KEPT_MS } from '../base/limits.ts'
import type { Logger } from '../base/logger.ts'
import type { Registry } from '../cluster/registry.ts'
import { SHARD_KEYS } from '../storage/manifest.ts'
import { SNAPSHOTS, takenMsOfKey } from '../storage/object-store/object-keys.ts'
import type { ObjectStore } from '../storage/object-store/object-store.ts'
import { encodeRegistrySnapshot, type SnapshotEntry } from '../storage/registry-snapshot.ts'
import type { ShardMap } from './shard-map.ts'
import { UPLOAD_KEYS } from './upload-entry.ts'

/** How often it is looked whether a snapshot is due. */
const LOOK_EVERY_MS = 60_000
/** Its owner takes the snapshots: one node at a time does. */
const SHARD_OF_SNAPSHOTS = 0 as ShardId
/** What changes all the time, and is found in the bucket in a newer state. */
const PASSING = new RegExp(`^(?:${SHARD_KEYS}|lane/|boots$|agent-seen/)`)
/**
 * X1: what an upload is sealed with must not outlive it, beside it. What signs tokens is made anew where it is lost, and agents register again; in the bucket it
 * would be a credential for whoever may read that.
 */
const SECRET = new RegExp(`^(?:${UPLOAD_KEYS}|agent-signing/)`)

export interface SnapshotKeeperOptions {
  readonly nodeId: NodeId
  readonly registry: Registry
  readonly objects: ObjectStore
  readonly shardMap: ShardMap
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Keeps snapshots of the registry in the object store (C10): each hour, and within a minute of a change of what nothing else tells, such as API keys.
 * Two nodes that both take one do no harm.
 */
export class SnapshotKeeper {
  readonly #options: SnapshotKeeperOptions
  readonly #looking: Timer
  #isLooking = false
  /** Of the last snapshot that this node took: what does not change by itself. */
  #lasting: string | undefined

  constructor(options: SnapshotKeeperOptions) {
    this.#options = options
    this.#looking = options.clock.every(LOOK_EVERY_MS, () => void this.look())
  }

  /** Takes a snapshot when one is due. Never throws: it is tried again. */
  async look(): Promise<void> {
    const { shardMap, nodeId, logger } = this.#options
    if (this.#isLooking || shardMap.get(SHARD_OF_SNAPSHOTS)?.owner !== nodeId) return
    this.#isLooking = true
    try {
      await this.#takeWhenDue()
    } catch (error) {
      const { code, message } = asWeirError(error)
      logger.warn('no snapshot of the registry could be taken; trying again', { code, reason: message })
    } finally {
      this.#isLooking = false
    }
  }

  close(): void {
    this.#looking.cancel()
  }

  async #takeWhenDue(): Promise<void> {
    const { registry, objects, clock } = this.#options
    const entries = (await registry.list('')).filter(({ key }) => !SECRET.test(key))
    const lasting = lastingOf(entries)
    const nowMs = clock.nowMs()
    const kept: string[] = []
    for await (const key of objects.list(SNAPSHOTS)) if (takenMsOfKey(key) !== undefined) kept.push(key)
    const newest = kept.at(-1)
    const ageMs = newest === undefined ? Number.POSITIVE_INFINITY : nowMs - takenMsOfKey(newest)!
    if (ageMs < REGISTRY_SNAPSHOT_EVERY_MS && lasting === this.#lasting) return
    const { key, bytes } = encodeRegistrySnapshot({ takenMs: nowMs, entries })
    await objects.put(key, bytes)
    this.#lasting = lasting
    for (const old of kept) {
      if (takenMsOfKey(old)! < nowMs - REGISTRY_SNAPSHOTS_KEPT_MS) await objects.delete(old)
    }
  }
}

function lastingOf(entries: readonly SnapshotEntry[]): string {
  return entries
    .filter(({ key }) => !PASSING.test(key))
    .map(({ key, value }) => `${key} ${Buffer.from(value).toString('base64')}`)
    .sort()
    .join('\n')
}
