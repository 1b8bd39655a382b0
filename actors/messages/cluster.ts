import type { NodeId } from '../../base/ids.ts'
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
