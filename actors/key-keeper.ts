import type { Clock } from '../base/clock.ts'
import { WeirError } from '../base/errors.ts'
import type { Position, ShardId } from '../base/ids.ts'
import type { SeenSet } from '../storage/seen-set.ts'
import type { CheckKey, KeyKeeperMessage, KeyVerdict } from './messages/shard.ts'
import type { Actor, MessageContext } from './runtime/actor.ts'

/** Longer than a request may take from its key's check until its rows are applied: from then on the shard's seen-set knows the key. */
const CLAIM_KEEP_MS = 120_000
/** A shard that is being opened, or reads the journal after a start, is waited for; who asks then looks anew who owns it. */
const OPEN_WAIT_MS = 1000
const OPEN_LOOK_EVERY_MS = 20
const WAITING_MAX = 1024

/** What it must know of a shard (actors/shard-host.ts). */
export interface KeyedShard {
  readonly store: { readonly seen: SeenSet; readonly applied: Position }
  /** Sequence of the last frame that may hold keys which the seen-set does not know yet after a start. */
  readonly caughtUpAt: number
}

export interface KeyKeeperOptions {
  /** The shards of this worker. */
  readonly shards: ReadonlyMap<ShardId, KeyedShard>
  readonly clock: Clock
}

/**
 * Says of an idempotency key whether it came before, and with which body (D3). One a worker, asked by the IngestRouters about the keys whose home
 * is a shard of it. The seen-set of the shard knows what has been applied; between a request's check and then, the key's claim tells of it, so
 * that of two requests at once only one body is taken.
 */
export class KeyKeeper implements Actor<KeyKeeperMessage> {
  readonly #options: KeyKeeperOptions
  /** Oldest first. */
  readonly #claims = new Map<string, { readonly bodyHash: string; readonly shard: ShardId; readonly atMs: number }>()

  /** Questions about shards that are not open yet. */
  #waiting = 0

  constructor(options: KeyKeeperOptions) {
    this.#options = options
  }

  handle(message: KeyKeeperMessage, context: MessageContext): void {
    this.#forgetOld()
    if (this.#isCaughtUp(message.shard)) context.answer(message, this.#verdict(message))
    else context.defer(message).settleWith((signal) => this.#verdictLater(message, signal))
  }

  observe(): Readonly<Record<string, unknown>> {
    return { claims: this.#claims.size, waiting: this.#waiting }
  }

  /** Until the journal has been replayed, a key that came before the start may not be known. */
  #isCaughtUp(shard: ShardId): boolean {
    const keyed = this.#options.shards.get(shard)
    return keyed !== undefined && keyed.store.applied.sequence >= keyed.caughtUpAt
  }

  async #verdictLater(question: CheckKey, signal: AbortSignal): Promise<KeyVerdict> {
    const { clock } = this.#options
    const { shard } = question
    const untilMs = clock.monotonicMs() + OPEN_WAIT_MS
    if (this.#waiting >= WAITING_MAX) {
      throw new WeirError('shard_unavailable', 'the shard is not open, and many wait for it', { shard })
    }
    this.#waiting++
    try {
      while (!this.#isCaughtUp(shard)) {
        if (clock.monotonicMs() >= untilMs) {
          throw new WeirError('shard_unavailable', 'the shard is still reading the journal', { shard })
        }
        await clock.sleep(OPEN_LOOK_EVERY_MS, signal)
      }
    } finally {
      this.#waiting--
    }
    return this.#verdict(question)
  }

  #verdict({ shard, keyHash, bodyHash }: CheckKey): KeyVerdict {
    const seen = this.#seenBody(shard, keyHash)
    if (seen !== undefined) return seen === bodyHash ? 'repeat' : 'conflict'
    const claim = this.#claims.get(keyHash)
    if (claim !== undefined && claim.bodyHash !== bodyHash) return 'conflict'
    // A retry claims anew.
    this.#claims.delete(keyHash)
    this.#claims.set(keyHash, { bodyHash, shard, atMs: this.#options.clock.monotonicMs() })
    return 'new'
  }

  #seenBody(shard: ShardId, keyHash: string): string | undefined {
    return this.#options.shards.get(shard)?.store.seen.bodyHashOf(keyHash, this.#options.clock.nowMs())
  }

  /** From the oldest on, those that the seen-set knows by now or that came to nothing. */
  #forgetOld(): void {
    const keptFromMs = this.#options.clock.monotonicMs() - CLAIM_KEEP_MS
    for (const [keyHash, { shard, atMs }] of this.#claims) {
      if (atMs >= keptFromMs && this.#seenBody(shard, keyHash) === undefined) return
      this.#claims.delete(keyHash)
    }
  }
}
