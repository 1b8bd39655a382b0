import type { ShardMap } from '../actors/shard-map.ts'
import { WeirError } from '../base/errors.ts'
import type { LaneId, ShardId } from '../base/ids.ts'
import type { Registry } from '../cluster/registry.ts'
import type { Settings } from './config.ts'

/** Registry key of what all nodes agree on; there from the first start on. */
export const CLUSTER_KEY = 'cluster'

interface ClusterRecord {
  readonly name: string
  readonly shards: number
  readonly lanes: number
}

/** J1: the counts of shards and lanes are fixed when the cluster is first created; throws invalid_config when the settings say otherwise. */
export async function agreeOnCluster(registry: Registry, settings: Settings): Promise<void> {
  const wanted: ClusterRecord = {
    name: settings['cluster.name'],
    shards: settings.shards,
    lanes: settings['journal.lanes'],
  }
  if (wanted.lanes > wanted.shards) {
    throw new WeirError('invalid_config', `journal.lanes is ${wanted.lanes}: there are no more lanes than shards`)
  }
  const record = await recordOrPut(registry, wanted)
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
async function recordOrPut(registry: Registry, wanted: ClusterRecord): Promise<ClusterRecord> {
  const known = await registry.get(CLUSTER_KEY)
  if (known !== undefined) return JSON.parse(new TextDecoder().decode(known.value)) as ClusterRecord
  try {
    await registry.put(CLUSTER_KEY, new TextEncoder().encode(JSON.stringify(wanted)), 0)
    return wanted
  } catch (error) {
    if (error instanceof WeirError && error.code === 'revision_conflict') return recordOrPut(registry, wanted)
    throw error
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
