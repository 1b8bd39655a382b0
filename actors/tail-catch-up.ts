import type { ShardId } from '../base/ids.ts'
import { POSITION_ZERO } from '../base/ids.ts'
import { TAIL_CATCH_UPS_AT_ONCE } from '../base/limits.ts'
import { findRows, mergedRows } from './found-rows.ts'
import type { LeafFollowed, LeafRow, QueryScope } from './messages/leaf.ts'
import type { TimeRange } from './messages/search.ts'
import type { Scatter } from './scatter.ts'
import type { Answers } from './scatter-run.ts'
import type { TailPlace } from './search-cursor.ts'
import { TAIL_ROW_LAST } from './search-cursor.ts'
import type { KnownShard } from './shard-map.ts'
import { isBehind, takeInOrder } from './tail-merge.ts'

/** A shard that cannot be followed now is named; the next poll goes on where it was. */
const TAIL_PATIENCE_MS = 500

export interface CatchUpLimits {
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** Reads from the shards what a tail has not been given: by polls, and where a live tail begins or has a gap. */
export class TailCatchUp {
  readonly #scatter: Scatter
  readonly #floorOf: (shard: ShardId) => KnownShard['floor'] | undefined
  #running = 0
  readonly #waiting: (() => void)[] = []

  constructor(scatter: Scatter, floorOf: (shard: ShardId) => KnownShard['floor'] | undefined) {
    this.#scatter = scatter
    this.#floorOf = floorOf
  }

  /** Up to `limit` rows behind the places, in order; these move to the last row taken, or to all that there is. Of `shards` without a place, one is taken. */
  async follow(
    scope: QueryScope,
    places: Map<ShardId, TailPlace>,
    limit: number,
    limits: CatchUpLimits & { readonly shards?: readonly ShardId[] },
  ): Promise<{ readonly rows: LeafRow[]; readonly answers: Answers<LeafFollowed> }> {
    const wanted = { ...limits, patienceMs: TAIL_PATIENCE_MS, ownersOnly: true }
    const answers = await this.#scatter.ask(scope, wanted, (own) => ({
      kind: 'followRows' as const,
      scope: own,
      behind: [...places.values()],
      limit,
    }))
    this.#placeUnheard(answers.missing, places)
    const followed = answers.ok.flatMap((answer) => answer.shards)
    return { rows: takeInOrder(followed, limit, places), answers }
  }

  /** The newest `limit` rows that had come when the places were taken, oldest first. */
  async newest(
    scope: QueryScope,
    range: TimeRange,
    places: ReadonlyMap<ShardId, TailPlace>,
    limit: number,
    limits: CatchUpLimits,
  ): Promise<LeafRow[]> {
    const wanted = { ...limits, patienceMs: TAIL_PATIENCE_MS }
    const newest = await this.#scatter.ask({ ...scope, range }, wanted, (own) =>
      findRows(own, 'desc', limit, undefined),
    )
    const known = mergedRows(newest.ok, 'desc').filter(({ key }) => !isBehind(key, places.get(key.shard)))
    return known.slice(0, limit).reverse()
  }

  /** Runs `work` when no more than a few others of this worker read from the shards. */
  async inTurn<R>(work: () => Promise<R>): Promise<R> {
    if (this.#running >= TAIL_CATCH_UPS_AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#running++
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running--
      else next()
    }
  }

  /** A shard that could not be followed from the first poll on is followed from its floor: rather a record of just before than none of after. */
  #placeUnheard(missing: Answers<unknown>['missing'], places: Map<ShardId, TailPlace>): void {
    for (const { shard } of missing) {
      if (places.has(shard)) continue
      const { generation, sequence } = this.#floorOf(shard) ?? POSITION_ZERO
      places.set(shard, { shard, generation, sequence, row: TAIL_ROW_LAST })
    }
  }
}
