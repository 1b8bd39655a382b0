import { WeirError } from '../base/errors.ts'
import type { NodeId, ShardId } from '../base/ids.ts'
import type { CheckKey, KeyKeeperMessage, KeyVerdict } from './messages/shard.ts'
import type { ActorRef } from './runtime/actor-ref.ts'

/** This node ends when a worker of it does not answer for good; while it starts or is under pressure it may take long. */
const OWN_DEADLINE_MS = 10_000
/** Longer than a busy owner takes; one that is dying must not hold up requests for longer. */
const REMOTE_DEADLINE_MS = 2000

export interface KeyCheckOptions {
  readonly self: NodeId
  readonly ownerOf: (shard: ShardId) => NodeId | undefined
  readonly keeperOf: (owner: NodeId, shard: ShardId) => ActorRef<KeyKeeperMessage>
  /** A check that could not be made. */
  readonly onSkipped?: (code: string) => void
}

/**
 * Asks the owner of a key's home whether the key came before, and with which body (D3). While the owner is another node that cannot be reached, the
 * check is left out, so that appends do not stall with it (C8): a repeat is dropped all the same, since journal order decides that; only a client that
 * uses a key for two bodies may then get a 2xx for the second, whose records are not stored.
 */
export async function checkKey(question: CheckKey, options: KeyCheckOptions): Promise<KeyVerdict> {
  const { self, ownerOf, keeperOf, onSkipped } = options
  const owner = ownerOf(question.shard)
  if (owner === undefined) return 'new'
  try {
    return await keeperOf(owner, question.shard).ask(question, {
      deadlineMs: owner === self ? OWN_DEADLINE_MS : REMOTE_DEADLINE_MS,
    })
  } catch (error) {
    if (owner === self || !(error instanceof WeirError) || !error.retryable) throw error
    onSkipped?.(error.code)
    return 'new'
  }
}
