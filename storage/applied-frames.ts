import { WeirError } from '../base/errors.ts'
import type { Position, ShardId } from '../base/ids.ts'
import { comparePositions } from '../base/ids.ts'

/** How far a shard has applied its lane: none of the frames of a generation is left out up to there. */
export class AppliedFrames {
  readonly #shard: ShardId
  #last: Position
  /** J3: of earlier generations, the sequence of the last frame that was applied. */
  readonly #endOf = new Map<number, number>()

  constructor(shard: ShardId, last: Position) {
    this.#shard = shard
    this.#last = last
  }

  get last(): Position {
    return this.#last
  }

  /** Every frame up to `position` is applied. */
  reach(position: Position): void {
    const { generation, sequence } = this.#last
    if (position.generation !== generation) this.#endOf.set(generation, sequence)
    this.#last = position
  }

  /** True when `position` has been applied. */
  has(position: Position): boolean {
    return comparePositions(position, this.#last) <= 0
  }

  /** Throws shard_unavailable unless every frame up to `after` has been applied. */
  mustFollow(after: Position): void {
    if (this.has(after)) return
    throw new WeirError('shard_unavailable', 'the run begins behind a frame that this shard has not applied', {
      shard: this.#shard,
      applied: this.#last.sequence,
      after: after.sequence,
    })
  }

  /** J3: some frames at or below `floor` were not applied when the journal began anew, and nobody can read them any more. */
  hasMissed({ generation, sequence }: Position): boolean {
    return generation < this.#last.generation && (this.#endOf.get(generation) ?? 0) < sequence
  }
}
