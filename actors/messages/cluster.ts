import type { NodeId, Position, ShardId } from '../../base/ids.ts'
import type { MemberState, NodeLoad } from '../../cluster/heartbeat.ts'
import type { MembersView } from '../../cluster/membership.ts'
import type { Question } from '../runtime/actor.ts'

/**
 * From the MembershipKeeper to those that follow it: at once, after each change, and now and then without one, so that one that got lost does
 * not matter. `revision` tells whether anything but the load has changed.
 */
export interface MembersChanged extends MembersView {
  readonly kind: 'membersChanged'
}

/** To the MembershipKeeper: send MembersChanged to the actor of this address (`system/actor`), which may be on another thread. */
export interface FollowMembers {
  readonly kind: 'followMembers'
  readonly address: string
}

export interface UnfollowMembers {
  readonly kind: 'unfollowMembers'
  readonly address: string
}

/** To the MembershipKeeper: who lives now? */
export interface SnapshotMembers extends Question<MembersView> {
  readonly kind: 'snapshot'
}

/**
 * To the MembershipKeeper: have a node give its shards to others and end. Answered when it has begun to; fails with not_found, with no_other_node
 * when nobody could take them over, and with shard_unavailable or deadline_exceeded when the node does not answer.
 */
export interface DrainNode extends Question<void> {
  readonly kind: 'drainNode'
  readonly nodeId: NodeId
}

export type MembershipKeeperMessage = FollowMembers | UnfollowMembers | SnapshotMembers | DrainNode

/** The cluster as one node sees it. */
export interface ClusterStatus {
  readonly name: string
  /** The node that answers. */
  readonly nodeId: NodeId
  /** False while that node has not listened for long enough to have heard every other. */
  readonly settled: boolean
  /** In the order of their ids. */
  readonly nodes: readonly ClusterNode[]
  /** Every shard, by its number. */
  readonly shards: readonly ClusterShard[]
  readonly moves: readonly ShardMove[]
}

export interface ClusterNode {
  readonly id: NodeId
  /** `silent`: it owns shards and is not heard. What it would say of itself is null or empty then. */
  readonly state: MemberState | 'silent'
  readonly url: string | null
  readonly version: string | null
  /** By its own wall clock. */
  readonly startedMs: number | null
  readonly workers: number
  /** Shards that it owns, and that it follows. */
  readonly shards: number
  readonly standbys: number
  readonly load: NodeLoad
  readonly natsServer: string | null
  /** Workers that make no progress. */
  readonly stuck: readonly string[]
}

export interface ClusterShard {
  readonly shard: ShardId
  /** Null while nobody has taken it. */
  readonly owner: NodeId | null
  readonly standby: NodeId | null
  readonly epoch: number
  /** What the owner has still to apply, as ShardLag says; null where it did not answer in time. */
  readonly lagRecords: number | null
  readonly lagMs: number | null
  /** Everything at or below it is published; null while nobody has taken the shard. */
  readonly floor: Position | null
}

/** A shard that is to have another owner. */
export interface ShardMove {
  readonly shard: ShardId
  readonly from: NodeId | null
  readonly to: NodeId
  /**
   * Of the node that it goes to. `planned`: it has not begun; `catchingUp`: it reads what the journal held when it began; `following`: it applies what
   * comes, and takes over next; `unknown`: it did not answer in time.
   */
  readonly state: 'planned' | 'catchingUp' | 'following' | 'unknown'
  /** What that node has still to apply; null where it is not known. */
  readonly lagRecords: number | null
  readonly lagMs: number | null
}
