import type { NodeId, ShardId } from '../base/ids.ts'
import type { QueryLeafMessage } from './messages/leaf.ts'
import type { ActorRef } from './runtime/actor-ref.ts'

/** A live node that answers queries. */
export interface QueryNode {
  readonly nodeId: NodeId
  /** Each has a QueryLeaf; shards are with the worker that `workerOf` names. */
  readonly workers: number
  /** False while it starts or drains: then it answers for the shards that it owns, and is given nothing more. */
  readonly isActive: boolean
}

/** The nodes that a query can be fanned out to, as one thread of one of them sees it; filled by the composition. */
export interface QueryTopology {
  readonly self: NodeId
  /** Live nodes, this one among them. */
  nodes(): readonly QueryNode[]
  /** Of this node or of another one: what is asked of it fails with shard_unavailable when the node is found to be gone. */
  leaf(node: NodeId, worker: number): ActorRef<QueryLeafMessage>
  /** The node that follows the shard beside its owner (C7), if any. */
  standbyOf(shard: ShardId): NodeId | undefined
  /** Calls `listener` whenever `nodes` or `standbyOf` may have changed; the result ends it. */
  onChange(listener: () => void): () => void
}
