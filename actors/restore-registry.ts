import { WeirError } from '../base/errors.ts'
import type { LaneId, NodeId, Position, ShardId } from '../base/ids.ts'
import { comparePositions, POSITION_ZERO } from '../base/ids.ts'
import { decodeLaneEntry, encodeLaneEntry, laneEntryKey } from '../cluster/lane-entry.ts'
import type { Registry } from '../cluster/registry.ts'
import type { ManifestPage, ShardEntry } from '../storage/manifest.ts'
import {
  decodeManifestWithFloor,
  decodeShardEntry,
  encodeShardEntry,
  MANIFEST_EMPTY,
  SHARD_KEYS,
  shardEntryKey,
} from '../storage/manifest.ts'
import { epochOfKey, parseManifestKey, SNAPSHOTS, shardPrefix } from '../storage/object-store/object-keys.ts'
import type { ObjectStore } from '../storage/object-store/object-store.ts'
import type { SnapshotEntry } from '../storage/registry-snapshot.ts'
import { decodeRegistrySnapshot } from '../storage/registry-snapshot.ts'
import { FEATURE_LEVEL } from './shard-ledger.ts'
import { laneOf } from './shard-places.ts'

const LANE_KEYS = 'lane/'
/** Nobody: the first node that should own the shard takes it at once. */
const OWNER_LOST = 'lost' as NodeId
/** No stream is this one: whatever the lanes are now begins a new generation (J3). */
const STREAM_LOST = 'lost'

export interface RestoreOptions {
  readonly registry: Registry
  readonly objects: ObjectStore
  readonly shardCount: number
  readonly laneCount: number
  /** Throws when the entries of the snapshot are of another cluster than is wanted; nothing has been written then. */
  readonly check: (entries: readonly SnapshotEntry[]) => void
}

/** What has come back. */
export interface RestoredRegistry {
  /** Of the snapshot that was used; undefined when there was none. */
  readonly snapshotMs: number | undefined
  /** Entries of the snapshot, such as API keys, without those of shards and lanes. */
  readonly entries: number
  readonly shards: number
  readonly segments: number
  readonly rows: number
  /** Objects that manifest pages list which were passed over because these are not there. */
  readonly missing: readonly string[]
}

interface FoundShard {
  readonly shard: ShardId
  readonly entry: ShardEntry
  readonly page: ManifestPage
  /** Objects that newer pages list, and that are not there. */
  readonly missing: readonly string[]
}

/**
 * C10: fills an empty registry from the bucket: the newest snapshot, and for each shard the newest manifest page, which is never older. Only what was
 * published comes back so; the journal, where it is not lost too, brings the rest. Throws conflict when the registry is not empty, not_found when
 * the bucket holds nothing of a cluster, corrupt_data when a shard has pages
 * but none whose objects are all there. Nothing is written before everything is known.
 */
export async function restoreRegistry(options: RestoreOptions): Promise<RestoredRegistry> {
  const { registry, objects, shardCount, laneCount } = options
  const present = await registry.list('')
  if (present.length > 0) {
    const text = `the registry holds ${present.length} entries: only an empty one is filled from the bucket`
    throw new WeirError('conflict', text, { entries: present.length })
  }
  const snapshot = await newestSnapshot(objects)
  options.check(snapshot?.entries ?? [])
  const known = new Map(snapshot?.entries.map(({ key, value }) => [key, value]))
  const found: FoundShard[] = []
  for (let shard = 0; shard < shardCount; shard++) {
    const shardFound = await findShard(shard as ShardId, known.get(shardEntryKey(shard as ShardId)), objects)
    if (shardFound !== undefined) found.push(shardFound)
  }
  if (snapshot === undefined && found.length === 0) {
    throw new WeirError('not_found', 'the object store holds neither a snapshot of a registry nor a manifest page')
  }
  // Shards and lanes last: a node that starts meanwhile finds the rest.
  const others = (snapshot?.entries ?? []).filter(
    ({ key }) => !key.startsWith(SHARD_KEYS) && !key.startsWith(LANE_KEYS),
  )
  for (const { key, value } of others) await registry.put(key, value, 0)
  for (let lane = 0; lane < laneCount; lane++) {
    const key = laneEntryKey(lane as LaneId)
    const own = found.filter(({ shard }) => laneOf(shard, laneCount) === lane)
    await registry.put(key, laneEntryOf(key, known.get(key), own), 0)
  }
  for (const { shard, entry } of found) await registry.put(shardEntryKey(shard), encodeShardEntry(entry), 0)
  const segments = found.flatMap(({ page }) => page.segments)
  return {
    snapshotMs: snapshot?.takenMs,
    entries: others.length,
    shards: found.length,
    segments: segments.length,
    missing: found.flatMap((shard) => shard.missing),
    rows: segments.reduce((rows, { rowCount }) => rows + rowCount, 0),
  }
}

async function newestSnapshot(objects: ObjectStore) {
  const keys: string[] = []
  for await (const key of objects.list(SNAPSHOTS)) keys.push(key)
  const newest = keys.at(-1)
  return newest === undefined ? undefined : decodeRegistrySnapshot(newest, await objects.get(newest))
}

async function findShard(
  shard: ShardId,
  stored: SnapshotEntry['value'] | undefined,
  objects: ObjectStore,
): Promise<FoundShard | undefined> {
  const before = stored === undefined ? undefined : decodeShardEntry(stored)
  const there = new Set<string>()
  const missing: string[] = []
  let epoch = before?.epoch ?? 0
  for await (const key of objects.list(shardPrefix(shard))) {
    there.add(key)
    epoch = Math.max(epoch, epochOfKey(key) ?? 0)
  }
  const newest = await newestPage(shard, there, objects, missing)
  if (before === undefined && newest === undefined) return undefined
  const floor = laterOf(before?.floor ?? POSITION_ZERO, newest?.floor ?? POSITION_ZERO)
  const entry: ShardEntry = {
    owner: OWNER_LOST,
    epoch,
    generation: before?.generation ?? floor.generation,
    floor,
    manifestObject: newest?.key ?? '',
    featureLevel: before?.featureLevel ?? FEATURE_LEVEL,
  }
  return { shard, entry, page: newest?.page ?? MANIFEST_EMPTY, missing }
}

/**
 * The last page may never have been named, where its owner died or was fenced: all that it lists is there all the same. In a copy of a bucket, made
 * while the cluster ran, or a damaged one, something may be missing; then the page before counts.
 */
async function newestPage(shard: ShardId, there: ReadonlySet<string>, objects: ObjectStore, missing: string[]) {
  const pages = [...there].filter((key) => parseManifestKey(key) !== undefined).sort()
  for (const key of pages.toReversed()) {
    const { page, floor } = decodeManifestWithFloor(key, await objects.get(key))
    const absent = [...page.segments.map((segment) => segment.key), ...page.seen].filter((name) => !there.has(name))
    if (absent.length === 0) return { key, page, floor }
    missing.push(...absent)
  }
  if (pages.length === 0) return undefined
  const text = `shard ${shard} has no manifest page whose objects are all there: ${missing[0]} is missing, for one`
  throw new WeirError('corrupt_data', text, { shard, missing: missing.length })
}

/**
 * As the snapshot has it: where the journal was not lost, its stream is that one, and is read on. Where a later generation is known, or nothing, the
 * next generation is new to all that is known.
 */
function laneEntryOf(key: string, stored: Uint8Array | undefined, shards: readonly FoundShard[]): Uint8Array {
  const generations = shards.flatMap(({ entry, page }) => [
    entry.generation,
    entry.floor.generation,
    ...page.segments.map(({ generation }) => generation),
    ...page.publishedThrough.map(({ generation }) => generation),
  ])
  const generation = generations.reduce((highest, one) => Math.max(highest, one), 1)
  if (stored !== undefined && decodeLaneEntry({ key, value: stored }).generation >= generation) return stored
  return encodeLaneEntry({ creationId: STREAM_LOST, createdMs: 0, generation, lastSequence: 0 })
}

function laterOf(a: Position, b: Position): Position {
  return comparePositions(a, b) >= 0 ? a : b
}
