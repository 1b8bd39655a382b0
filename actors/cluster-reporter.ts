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
import type { HeldShard, ShardControllerMessage } from './messages/shard.ts'
import type { ActorRef } from './runtime/actor-ref.ts'
import { LAG_UNKNOWN } from './shard-lag.ts'
import type { ShardMap } from './shard-map.ts'

const SNAPSHOT_DEADLINE_MS = 5000
/** More than the keeper gives the node that is to drain. */
const DRAIN_DEADLINE_MS = 7000
/** A node that has not said by then how it stands with its shards is shown without. */
const DESCRIBE_DEADLINE_MS = 800

export interface ClusterReporterOptions {
  readonly name: string
  readonly nodeId: NodeId
  readonly shardCount: number
  readonly ring: ShardRing
  readonly shardMap: ShardMap
  readonly keeper: ActorRef<MembershipKeeperMessage>
  readonly controllerOf: (node: NodeId) => ActorRef<ShardControllerMessage>
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
  /** What each node says that it holds; without those that did not answer. */
  readonly held: ReadonlyMap<NodeId, readonly HeldShard[]>
}

/** Says what the cluster is like and has its nodes drained, for the HTTP side of a worker. */
export class ClusterReporter {
  readonly #options: ClusterReporterOptions

  constructor(options: ClusterReporterOptions) {
    this.#options = options
  }

  /** Says of the registry what this thread has heard of it, and of the shards what the nodes say that hold them. */
  async status(signal: AbortSignal): Promise<ClusterStatus> {
    const { name, nodeId, shardCount, ring, shardMap, keeper } = this.#options
    const view = await keeper.ask({ kind: 'snapshot' }, { deadlineMs: SNAPSHOT_DEADLINE_MS, signal })
    const held = await this.#held(view, signal)
    const entries = Array.from({ length: shardCount }, (_, shard) => shardMap.get(shard as ShardId))
    return describeCluster({
      name,
      nodeId,
      view,
      entries,
      wanted: ring.place(takersOf(view.members)),
      held,
    })
  }

  /** Does not wait for a node that is silent, nor fail because of one. */
  async #held({ members }: MembersView, signal: AbortSignal): Promise<ReadonlyMap<NodeId, readonly HeldShard[]>> {
    const held = new Map<NodeId, readonly HeldShard[]>()
    const asks = members.map(async ({ nodeId }) => {
      const controller = this.#options.controllerOf(nodeId)
      const { shards } = await controller.ask({ kind: 'describeNode' }, { deadlineMs: DESCRIBE_DEADLINE_MS, signal })
      held.set(nodeId, shards)
    })
    await Promise.allSettled(asks)
    signal.throwIfAborted()
    return held
  }

  /** See DrainNode. */
  async drain(nodeId: string, signal: AbortSignal): Promise<void> {
    const message = { kind: 'drainNode', nodeId: nodeId as NodeId } as const
    await this.#options.keeper.ask(message, { deadlineMs: DRAIN_DEADLINE_MS, signal })
  }
}

export function describeCluster({ name, nodeId, view, entries, wanted, held }: ClusterFacts): ClusterStatus {
  const heldBy = (node: NodeId, shard: ShardId) => held.get(node)?.find((one) => one.shard === shard)
  const shards = entries.map((entry, index) => {
    const holder = entry === undefined ? undefined : heldBy(entry.owner, index as ShardId)
    return shardOf(index as ShardId, entry, wanted[index], holder)
  })
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
      if (from === to) return []
      const [shard, taker] = [index as ShardId, to as NodeId]
      return [{ shard, from, to: taker, ...progressOf(held.has(taker), heldBy(taker, shard)) }]
    }),
  }
}

function shardOf(
  shard: ShardId,
  entry: ShardEntry | undefined,
  wanted: Placement | undefined,
  holder: HeldShard | undefined,
): ClusterShard {
  if (entry === undefined) {
    return { shard, owner: null, standby: null, epoch: 0, lagRecords: null, lagMs: null, floor: null }
  }
  const { owner, epoch, floor } = entry
  // A shard on its way to its standby is followed by its owner to be.
  const standby = wanted?.standby === owner ? wanted.owner : wanted?.standby
  // One that holds it and does not own it any more does not know what the owner lacks.
  const lag = holder?.role === 'owner' ? holder.lag : LAG_UNKNOWN
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

function progressOf(hasAnswered: boolean, taker: HeldShard | undefined): Omit<ShardMove, 'shard' | 'from' | 'to'> {
  const { records, ms } = taker?.lag ?? LAG_UNKNOWN
  const of = { lagRecords: records, lagMs: ms }
  if (!hasAnswered) return { state: 'unknown', ...of }
  if (taker === undefined) return { state: 'planned', ...of }
  return { state: taker.isCaughtUp ? 'following' : 'catchingUp', ...of }
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
