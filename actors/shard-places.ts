import type { LaneId, ShardId } from '../base/ids.ts'

export function laneOf(shard: ShardId, laneCount: number): LaneId {
  return (shard % laneCount) as LaneId
}

/** Which worker of a node holds a shard. */
export function workerOf(shard: ShardId, workers: number): number {
  return shard % workers
}
