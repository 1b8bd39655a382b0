import type { Clock } from '../base/clock.ts'
import { WeirError } from '../base/errors.ts'
import type { LaneId, NodeId, Position, ShardId } from '../base/ids.ts'
import { comparePositions, POSITION_ZERO } from '../base/ids.ts'
import type { Logger } from '../base/logger.ts'
import { encodeLaneEntry, laneEntryKey } from '../cluster/lane-entry.ts'
import type { Registry } from '../cluster/registry.ts'
import type { ManifestPage } from '../storage/manifest.ts'
import { decodeManifest, encodeShardEntry, shardEntryKey } from '../storage/manifest.ts'
import { parseManifestKey, shardPrefix } from '../storage/object-store/object-keys.ts'
import type { ObjectStore } from '../storage/object-store/object-store.ts'
import { lastPosition } from '../storage/segment.ts'
import { CLUSTER_KEY } from './cluster-settings.ts'
import type { Settings } from './config.ts'
import { openObjectStore } from './object-store.ts'
import { decodeSnapshot, snapshotKeys } from './registry-snapshot.ts'

/** Owner of a shard that was found in the bucket: no node bears it, so the first that is to have the shard takes it. */
const NOBODY = 'recovered' as NodeId
const FEATURE_LEVEL = 1
/** Shards looked at side by side. */
const AT_ONCE = 8

export interface RegistryRecovery {
  readonly registry: Registry
  readonly objects: ObjectStore
  readonly settings: Pick<Settings, 'shards' | 'journal.lanes'>
  readonly logger: Logger
  /** True when the journal has frames of the time before. */
  readonly hasJournal: () => Promise<boolean>
}

interface FoundShard {
  readonly shard: ShardId
  readonly key: string
  readonly epoch: number
  readonly page: ManifestPage
  /** Nothing that is published lies beyond. */
  readonly reached: Position
}

/**
 * C10: when the registry has never seen this cluster, but the bucket has, writes down again what the bucket tells: for each shard its newest whole manifest page,
 * the rest from the newest snapshot. Nodes that start together do the same, and the first to write a key has written it; `cluster` comes last and says
 * that all is there. What was in the lost journal and not yet published is gone.
 *
 * Sequences of the lost journal mean nothing in the new one: its lanes begin a generation above every one in the bucket (J3), so that no new row is taken for one
 * that is published.
 *
 * Throws conflict when the journal is not lost: its frames could not be told from what is published. corrupt_data, storage_unavailable.
 */
export async function recoverRegistry(recovery: RegistryRecovery): Promise<void> {
  const { registry, objects, settings, logger, hasJournal } = recovery
  if ((await registry.get(CLUSTER_KEY)) !== undefined) return
  const found: FoundShard[] = []
  for (let first = 0; first < settings.shards; first += AT_ONCE) {
    const shards = Array.from({ length: Math.min(AT_ONCE, settings.shards - first) }, (_, i) => (first + i) as ShardId)
    found.push(
      ...(await Promise.all(shards.map((shard) => newestPage(shard, objects)))).filter((one) => one !== undefined),
    )
  }
  const newest = (await snapshotKeys(objects)).at(-1)
  if (found.length === 0 && newest === undefined) return
  if (await hasJournal()) {
    // Another node was faster, and has begun anew.
    if ((await registry.get(CLUSTER_KEY)) !== undefined) return
    const text =
      'the registry is empty, but the bucket and the journal are not: restore the registry of this journal, or remove the journal too, ' +
      'which gives up what was not yet published'
    throw new WeirError('conflict', text, { shards: found.length })
  }
  const snapshot = newest === undefined ? new Map() : decodeSnapshot(newest, await objects.get(newest))
  const generation = found.reduce((highest, { reached }) => Math.max(highest, reached.generation), 0)
  for (let lane = 0; lane < settings['journal.lanes']; lane++) {
    const entry = { creationId: 'lost', createdMs: 0, generation, lastSequence: 0 }
    await putOnce(registry, laneEntryKey(lane as LaneId), encodeLaneEntry(entry))
  }
  for (const { shard, key, epoch, reached } of found) {
    const entry = {
      owner: NOBODY,
      epoch,
      generation: reached.generation,
      floor: reached,
      manifestObject: key,
      featureLevel: FEATURE_LEVEL,
    }
    await putOnce(registry, shardEntryKey(shard), encodeShardEntry(entry))
  }
  for (const [key, value] of snapshot) if (key !== CLUSTER_KEY) await putOnce(registry, key, value)
  const cluster = snapshot.get(CLUSTER_KEY)
  if (cluster !== undefined) await putOnce(registry, CLUSTER_KEY, cluster)
  const segments = found.reduce((sum, { page }) => sum + page.segments.length, 0)
  logger.error('the registry was lost and is recovered from the bucket; what was not yet published is gone', {
    shards: found.length,
    segments,
    snapshot: newest ?? null,
  })
}

/** As `recoverRegistry`, with the object store that the settings name. */
export async function recoverFromBucket(
  recovery: Omit<RegistryRecovery, 'objects' | 'settings'> & { readonly settings: Settings; readonly clock: Clock },
): Promise<void> {
  if ((await recovery.registry.get(CLUSTER_KEY)) !== undefined) return
  const objects = await openObjectStore(recovery.settings, recovery.clock)
  try {
    await recoverRegistry({ ...recovery, objects })
  } finally {
    await objects.close()
  }
}

/** The newest page of a shard all of whose objects are there; older owners may have left parts of others. */
async function newestPage(shard: ShardId, objects: ObjectStore): Promise<FoundShard | undefined> {
  const keys = new Set(await Array.fromAsync(objects.list(shardPrefix(shard))))
  const pages = [...keys].filter((key) => parseManifestKey(key) !== undefined).sort()
  for (const key of pages.toReversed()) {
    const page = decodeManifest(key, await objects.get(key))
    const needed = [...page.segments.map((segment) => segment.key), ...page.seen]
    if (!needed.every((name) => keys.has(name))) continue
    return { shard, key, page, epoch: parseManifestKey(key)!.epoch, reached: reachedBy(page) }
  }
  if (pages.length === 0) return undefined
  throw new WeirError('corrupt_data', `objects of shard ${shard} are missing from the bucket`, { shard })
}

function reachedBy({ segments, publishedThrough }: ManifestPage): Position {
  return [...segments.map(lastPosition), ...publishedThrough].reduce<Position>(
    (highest, { generation, sequence }) =>
      comparePositions(highest, { generation, sequence }) < 0 ? { generation, sequence } : highest,
    POSITION_ZERO,
  )
}

async function putOnce(registry: Registry, key: string, value: Uint8Array): Promise<void> {
  try {
    await registry.put(key, value, 0)
  } catch (error) {
    if (!(error instanceof WeirError && error.code === 'revision_conflict')) throw error
  }
}
