import type { Clock } from '../base/clock.ts'
import { WeirError } from '../base/errors.ts'
import type { NodeId, ShardId } from '../base/ids.ts'
import type { CheckKey, KeyKeeperMessage, KeyVerdict } from './messages/shard.ts'
import type { ActorRef } from './runtime/actor-ref.ts'

/** This node ends when a worker of it does not answer for good; while it starts or is under pressure it may take long. */
const OWN_DEADLINE_MS = 10_000
/** Longer than a busy owner takes; one that is dying must not hold up requests for longer. */
const REMOTE_DEADLINE_MS = 2000
/** Before a shard of this node that did not open is asked for again. */
const AGAIN_MS = 50

export interface KeyCheckOptions {
  readonly clock: Clock
  readonly self: NodeId
  readonly ownerOf: (shard: ShardId) => NodeId | undefined
  readonly keeperOf: (owner: NodeId, shard: ShardId) => ActorRef<KeyKeeperMessage>
  /** A check that could not be made. */
  readonly onSkipped?: (code: string) => void
}

/**
 * Asks the owner of a key's home whether the key came before, and with which body (D3). A shard of this node that is not open yet is waited for, and so is
 * another owner of it. While the owner is another node that cannot be reached, or has not opened the shard in time, the
 * check is left out, so that appends do not stall with it (C8): a repeat is dropped all the same, since journal order decides that; only a client that
 * uses a key for two bodies may then get a 2xx for the second, whose records are not stored.
 */
export async function checkKey(question: CheckKey, options: KeyCheckOptions): Promise<KeyVerdict> {
  const { self, ownerOf, keeperOf, onSkipped, clock } = options
  const endsMs = clock.monotonicMs() + OWN_DEADLINE_MS
  for (;;) {
    const leftMs = endsMs - clock.monotonicMs()
    const owner = ownerOf(question.shard)
    if (owner === undefined) return 'new'
    const isOwn = owner === self
    try {
      const deadlineMs = Math.max(1, isOwn ? leftMs : Math.min(leftMs, REMOTE_DEADLINE_MS))
      return await keeperOf(owner, question.shard).ask(question, { deadlineMs })
    } catch (error) {
      if (!(error instanceof WeirError) || !error.retryable) throw error
      if (!isOwn) {
        onSkipped?.(error.code)
        return 'new'
      }
      if (error.code !== 'shard_unavailable' || clock.monotonicMs() + REMOTE_DEADLINE_MS >= endsMs) throw error
    }
    await clock.sleep(AGAIN_MS)
  }
}
