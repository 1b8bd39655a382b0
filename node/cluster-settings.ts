import type { ShardMap } from '../actors/shard-map.ts'
import { WeirError } from '../base/errors.ts'
import type { LaneId, ShardId } from '../base/ids.ts'
import type { Registry } from '../cluster/registry.ts'
import { ALL_OBJECTS } from '../storage/object-store/object-keys.ts'
import type { ObjectStore } from '../storage/object-store/object-store.ts'
import type { SnapshotEntry } from '../storage/registry-snapshot.ts'
import type { Settings } from './config.ts'

/** Registry key of what all nodes agree on; there from the first start on. */
const CLUSTER_KEY = 'cluster'

interface ClusterRecord {
  readonly name: string
  readonly shards: number
  readonly lanes: number
}

/**
 * J1: the counts of shards and lanes are fixed when the cluster is first created; throws invalid_config when the settings say otherwise. `mayCreate`
 * is asked before a cluster is created, and throws when it must not be.
 */
export async function agreeOnCluster(
  registry: Registry,
  settings: Settings,
  mayCreate: () => Promise<void> = async () => undefined,
): Promise<void> {
  const wanted: ClusterRecord = {
    name: settings['cluster.name'],
    shards: settings.shards,
    lanes: settings['journal.lanes'],
  }
  if (wanted.lanes > wanted.shards) {
    throw new WeirError('invalid_config', `journal.lanes is ${wanted.lanes}: there are no more lanes than shards`)
  }
  checkAgreed(await recordOrPut(registry, wanted, mayCreate), wanted)
}

/** The same for entries that a registry is to be filled with; those that have no record of a cluster are fine. */
export function checkClusterOf(entries: readonly SnapshotEntry[], settings: Settings): void {
  const entry = entries.find(({ key }) => key === CLUSTER_KEY)
  if (entry === undefined) return
  const { 'cluster.name': name, shards, 'journal.lanes': lanes } = settings
  checkAgreed(decodeRecord(entry.value), { name, shards, lanes })
}

function checkAgreed(record: ClusterRecord, wanted: ClusterRecord): void {
  const differing = [
    ['cluster.name', record.name, wanted.name],
    ['shards', record.shards, wanted.shards],
    ['journal.lanes', record.lanes, wanted.lanes],
  ].filter(([, before, now]) => before !== now)
  if (differing.length === 0) return
  const problems = differing.map(([key, before, now]) => `${key} is ${now}, but the cluster was created with ${before}`)
  throw new WeirError('invalid_config', problems.join('\n'))
}

/** What is written, or else `wanted`, which then is; of several nodes that start together one writes. */
async function recordOrPut(
  registry: Registry,
  wanted: ClusterRecord,
  mayCreate: () => Promise<void>,
): Promise<ClusterRecord> {
  const known = await registry.get(CLUSTER_KEY)
  if (known !== undefined) return decodeRecord(known.value)
  await mayCreate()
  try {
    await registry.put(CLUSTER_KEY, new TextEncoder().encode(JSON.stringify(wanted)), 0)
    return wanted
  } catch (error) {
    if (error instanceof WeirError && error.code === 'revision_conflict')
      return recordOrPut(registry, wanted, mayCreate)
    throw error
  }
}

function decodeRecord(value: Uint8Array): ClusterRecord {
  return JSON.parse(new TextDecoder().decode(value)) as ClusterRecord
}

/**
 * C10: a registry that knows nothing beside a bucket that holds something is a registry that was lost; a cluster that began anew there would not find
 * what is published, and would remove it. Throws invalid_config.
 */
export async function checkNothingPublished(objects: ObjectStore): Promise<void> {
  for await (const key of objects.list(ALL_OBJECTS)) {
    const text =
      `the registry is empty, but the object store is not (${key}): run weir restore with the settings of this node to fill the registry from it, ` +
      'or choose another place (s3.prefix, objects.dir) for a new cluster'
    throw new WeirError('invalid_config', text)
  }
}

/**
 * J3: the highest floor of any shard of a lane in a generation, 0 for none, as the map knows it at each call: a journal that ends before it has
 * lost frames.
 */
export function floorsOf(shardMap: ShardMap, settings: Settings): (lane: LaneId, generation: number) => number {
  const { shards, 'journal.lanes': laneCount } = settings
  return (lane, generation) => {
    let highest = 0
    for (let shard = lane as number; shard < shards; shard += laneCount) {
      const floor = shardMap.get(shard as ShardId)?.floor
      if (floor?.generation === generation && floor.sequence > highest) highest = floor.sequence
    }
    return highest
  }
}
