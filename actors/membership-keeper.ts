import type { Clock, Timer } from '../base/clock.ts'
import { WeirError } from '../base/errors.ts'
import type { NodeId } from '../base/ids.ts'
import type { Logger } from '../base/logger.ts'
import type { Membership, MembersView } from '../cluster/membership.ts'
import { drainSubject } from '../cluster/subjects.ts'
import type { Transport } from '../cluster/transport.ts'
import type { MembersChanged, MembershipKeeperMessage } from './messages/cluster.ts'
import type { Actor, MessageContext } from './runtime/actor.ts'
import type { ActorRef } from './runtime/actor-ref.ts'

/** Followers are told again after this, whatever became of the last message. */
const TELL_AGAIN_MS = 5000
const DRAIN_DEADLINE_MS = 5000
const NOTHING = new Uint8Array()

export interface MembershipKeeperOptions {
  readonly cluster: string
  readonly nodeId: NodeId
  /** Started and left by whoever made it. */
  readonly membership: Membership
  readonly transport: Transport
  readonly clock: Clock
  readonly logger: Logger
  readonly ref: (address: string) => ActorRef<MembersChanged>
  /** Has this node give its shards away and end; returns at once. */
  readonly drain: () => void
}

/**
 * Tells the actors of this node, on whatever thread, who is a member of the cluster (C1), and passes on that a node is to drain. Its followers are
 * its state: it is not to be restarted in place.
 */
export class MembershipKeeper implements Actor<MembershipKeeperMessage> {
  readonly #options: MembershipKeeperOptions
  readonly #followers = new Map<string, ActorRef<MembersChanged>>()
  #endListening: (() => void) | undefined
  #endDrainCalls: (() => void) | undefined
  #again: Timer | undefined

  constructor(options: MembershipKeeperOptions) {
    this.#options = options
  }

  started(): void {
    const { membership, transport, cluster, nodeId, clock, drain, logger } = this.#options
    this.#endListening = membership.onChange((view) => this.#tellAll(view))
    this.#again = clock.every(TELL_AGAIN_MS, () => this.#tellAll(membership.view()))
    this.#endDrainCalls = transport.subscribe(drainSubject(cluster, nodeId), async () => {
      logger.info('another node asks this one to drain')
      drain()
      return NOTHING
    })
  }

  stopping(): void {
    this.#endListening?.()
    this.#endDrainCalls?.()
    this.#again?.cancel()
  }

  handle(message: MembershipKeeperMessage, context: MessageContext): void {
    switch (message.kind) {
      case 'followMembers': {
        const follower = this.#options.ref(message.address)
        this.#followers.set(message.address, follower)
        this.#tell(follower, this.#options.membership.view())
        return
      }
      case 'unfollowMembers':
        this.#followers.delete(message.address)
        return
      case 'snapshot':
        context.answer(message, this.#options.membership.view())
        return
      case 'drainNode':
        context.defer(message).settleWith((signal) => this.#drain(message.nodeId, signal))
    }
  }

  observe(): Readonly<Record<string, unknown>> {
    const { members, settled, absentAreDead } = this.#options.membership.view()
    return { members: members.length, settled, absentAreDead, followers: this.#followers.size }
  }

  #tellAll(view: MembersView): void {
    for (const follower of this.#followers.values()) this.#tell(follower, view)
  }

  #tell(follower: ActorRef<MembersChanged>, view: MembersView): void {
    try {
      follower.tell({ kind: 'membersChanged', ...view })
    } catch (error) {
      // It is told again; one that has gone for good is gone with its node.
      this.#options.logger.debug('a follower of the members was not reached', { actor: follower.address, error })
    }
  }

  async #drain(target: NodeId, signal: AbortSignal): Promise<void> {
    const { membership, transport, cluster, nodeId, drain } = this.#options
    const members = membership.members()
    if (!members.some((member) => member.nodeId === target)) {
      throw new WeirError('not_found', 'There is no such node in the cluster', { node: target })
    }
    if (!members.some((member) => member.nodeId !== target && member.state === 'active')) {
      throw new WeirError('no_other_node', 'No other node could take over the shards of this one', { node: target })
    }
    if (target === nodeId) drain()
    else await transport.request(drainSubject(cluster, target), NOTHING, { deadlineMs: DRAIN_DEADLINE_MS, signal })
  }
}
