import type { NodeId, ShardId } from '../base/ids.ts'
import type { Member } from '../cluster/heartbeat.ts'
import { NO_LOAD } from '../cluster/heartbeat.ts'
import { type MembersView, takersOf } from '../cluster/membership.ts'
import type { Placement, ShardRing } from '../cluster/ring.ts'
import type { ShardEntry } from '../storage/manifest.ts'
import type {
  ClusterNode,
  ClusterShard,
  ClusterStatus,
  MembershipKeeperMessage,
  ShardMove,
} from './messages/cluster.ts'
import type { ActorRef } from './runtime/actor-ref.ts'
import type { ShardMap } from './shard-map.ts'

const SNAPSHOT_DEADLINE_MS = 5000
/** More than the keeper gives the node that is to drain. */
const DRAIN_DEADLINE_MS = 7000

/** What is still to be applied of a shard; null: not known. */
export interface ShardLag {
  readonly records: number | null
  readonly ms: number | null
}

const LAG_UNKNOWN: ShardLag = { records: null, ms: null }

export interface ClusterReporterOptions {
  readonly name: string
  readonly nodeId: NodeId
  readonly shardCount: number
  readonly ring: ShardRing
  readonly shardMap: ShardMap
  readonly keeper: ActorRef<MembershipKeeperMessage>
  /** Of a shard that this node owns. */
  readonly lagOf: (shard: ShardId) => ShardLag
}

/** What a cluster is put together from. */
export interface ClusterFacts {
  readonly name: string
  readonly nodeId: NodeId
  readonly view: MembersView
  /** By shard; undefined while nobody has taken it. */
  readonly entries: readonly (ShardEntry | undefined)[]
  /** Where the ring wants each shard; empty while there is nobody to take any. */
  readonly wanted: readonly Placement[]
  readonly lagOf: (shard: ShardId, owner: NodeId) => ShardLag
}

/** Says what the cluster is like and has its nodes drained, for the HTTP side of a worker. */
export class ClusterReporter {
  readonly #options: ClusterReporterOptions

  constructor(options: ClusterReporterOptions) {
    this.#options = options
  }

  /** Says of the registry what this thread has heard of it. */
  async status(signal: AbortSignal): Promise<ClusterStatus> {
    const { name, nodeId, shardCount, ring, shardMap, keeper, lagOf } = this.#options
    const view = await keeper.ask({ kind: 'snapshot' }, { deadlineMs: SNAPSHOT_DEADLINE_MS, signal })
    const entries = Array.from({ length: shardCount }, (_, shard) => shardMap.get(shard as ShardId))
    return describeCluster({
      name,
      nodeId,
      view,
      entries,
      wanted: ring.place(takersOf(view.members)),
      lagOf: (shard, owner) => (owner === nodeId ? lagOf(shard) : LAG_UNKNOWN),
    })
  }

  /** See DrainNode. */
  async drain(nodeId: string, signal: AbortSignal): Promise<void> {
    const message = { kind: 'drainNode', nodeId: nodeId as NodeId } as const
    await this.#options.keeper.ask(message, { deadlineMs: DRAIN_DEADLINE_MS, signal })
  }
}

export function describeCluster({ name, nodeId, view, entries, wanted, lagOf }: ClusterFacts): ClusterStatus {
  const shards = entries.map((entry, index) => shardOf(index as ShardId, entry, wanted[index], lagOf))
  const owners = shards.flatMap(({ owner }) => (owner === null ? [] : [owner]))
  const members = new Map(view.members.map((member) => [member.nodeId, member]))
  const ids = [...new Set([...members.keys(), ...owners])].sort()
  return {
    name,
    nodeId,
    settled: view.settled,
    nodes: ids.map((id) => nodeOf(id, members.get(id), shards)),
    shards,
    moves: wanted.flatMap(({ owner: to }, index): ShardMove[] => {
      const from = entries[index]?.owner ?? null
      return from === to ? [] : [{ shard: index as ShardId, from, to: to as NodeId }]
    }),
  }
}

function shardOf(
  shard: ShardId,
  entry: ShardEntry | undefined,
  wanted: Placement | undefined,
  lagOf: ClusterFacts['lagOf'],
): ClusterShard {
  if (entry === undefined) {
    return { shard, owner: null, standby: null, epoch: 0, lagRecords: null, lagMs: null, floor: null }
  }
  const { owner, epoch, floor } = entry
  // A shard on its way to its standby is followed by its owner to be.
  const standby = wanted?.standby === owner ? wanted.owner : wanted?.standby
  const lag = lagOf(shard, owner)
  return {
    shard,
    owner,
    standby: (standby ?? null) as NodeId | null,
    epoch,
    lagRecords: lag.records,
    lagMs: lag.ms,
    floor,
  }
}

function nodeOf(id: NodeId, member: Member | undefined, all: readonly ClusterShard[]): ClusterNode {
  return {
    id,
    state: member?.state ?? 'silent',
    url: member?.url ?? null,
    version: member?.version ?? null,
    startedMs: member?.startedMs ?? null,
    workers: member?.workers ?? 0,
    shards: all.filter(({ owner }) => owner === id).length,
    standbys: all.filter(({ standby }) => standby === id).length,
    load: member?.load ?? NO_LOAD,
    natsServer: member?.natsServer ?? null,
    stuck: member?.stuck ?? [],
  }
}
