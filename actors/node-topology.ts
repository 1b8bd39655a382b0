import { present } from '../base/assert.ts'
import type { NodeId, ShardId } from '../base/ids.ts'
import type { MembersView } from '../cluster/membership.ts'
import type { Placement, ShardRing } from '../cluster/ring.ts'
import type { MembersChanged } from './messages/cluster.ts'
import type { QueryLeafMessage } from './messages/leaf.ts'
import type { QueryNode, QueryTopology } from './query-topology.ts'
import type { Actor, Message } from './runtime/actor.ts'
import type { ActorRef } from './runtime/actor-ref.ts'
import type { NodeLink } from './runtime/node-link.ts'

export interface NodeTopologyOptions {
  readonly self: QueryNode
  readonly ring: ShardRing
  /** Of this thread, to actors of other nodes. */
  readonly link: NodeLink
  /** An actor of a worker of this node. */
  readonly local: <M extends Message>(worker: number, actor: string) => ActorRef<M>
  readonly workerName: (worker: number) => string
}

/** The live nodes as one worker knows them, and the way to the actors of their workers. Told by the MembershipKeeper. */
export class NodeTopology implements Actor<MembersChanged>, QueryTopology {
  readonly #options: NodeTopologyOptions
  readonly #listeners = new Set<() => void>()
  #view: MembersView | undefined
  #nodes: readonly QueryNode[]
  #placements: readonly Placement[] = []
  #featureLevel = 1

  constructor(options: NodeTopologyOptions) {
    this.#options = options
    this.#nodes = [options.self]
  }

  handle(view: MembersChanged): void {
    const before = this.#view
    this.#view = view
    if (view.revision === before?.revision) return
    // What was asked of a process that is found to be dead is not waited for, even if another one has its name by now.
    for (const { nodeId, boot } of before?.members ?? []) {
      const isHere = view.members.some((member) => member.nodeId === nodeId && member.boot === boot)
      if (!isHere) this.#options.link.lost(nodeId)
    }
    this.#nodes = view.members.map(({ nodeId, workers, state }) => ({
      nodeId,
      workers,
      isActive: state === 'active',
    }))
    const levels = view.members.map(({ featureLevels }) => featureLevels.max)
    this.#featureLevel = view.settled ? Math.min(...levels) : 1
    this.#placements = this.#options.ring.place(
      view.members.filter(({ state }) => state === 'active').map(({ nodeId, weight }) => ({ id: nodeId, weight })),
    )
    for (const listener of [...this.#listeners]) listener()
  }

  observe(): Readonly<Record<string, unknown>> {
    return { nodes: this.#nodes.length }
  }

  get self(): NodeId {
    return this.#options.self.nodeId
  }

  nodes(): readonly QueryNode[] {
    return this.#nodes
  }

  leaf(node: NodeId, worker: number): ActorRef<QueryLeafMessage> {
    return this.ref<QueryLeafMessage>(node, worker, 'query-leaf')
  }

  /** C9: the highest that all members read; 1 while not everybody has been heard. */
  get featureLevel(): number {
    return this.#featureLevel
  }

  /** An actor of a worker of any node. */
  ref<M extends Message>(node: NodeId, worker: number, actor: string): ActorRef<M> {
    const { self, local, link, workerName } = this.#options
    return node === self.nodeId ? local<M>(worker, actor) : link.ref<M>({ node, thread: workerName(worker), actor })
  }

  /** How many workers a node has; this node's number when it is not known. */
  workersOf(node: NodeId): number {
    const { self } = this.#options
    return present(this.#nodes.find(({ nodeId }) => nodeId === node) ?? self, 'a node').workers
  }

  standbyOf(shard: ShardId): NodeId | undefined {
    return (this.#placements[shard]?.standby ?? undefined) as NodeId | undefined
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
