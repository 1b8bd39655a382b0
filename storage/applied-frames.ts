import { WeirError } from '../base/errors.ts'
import type { Position, ShardId } from '../base/ids.ts'
import { comparePositions } from '../base/ids.ts'

/** How far a shard has applied its lane, and what it could not apply since the journal did not have it any more. */
export class AppliedFrames {
  readonly #shard: ShardId
  #last: Position
  /** J3: of earlier generations, the sequence of the last frame that was applied. */
  readonly #endOf = new Map<number, number>()
  #missed: Position | undefined

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

  /** The frame behind `after` that the journal has is `first`: those between were trimmed, or are lost. */
  noteGap(after: Position, first: Position): void {
    if (!this.has(after) || this.has(first)) return
    const { generation, sequence } = this.#last
    const next = { generation: first.generation, sequence: generation === first.generation ? sequence + 1 : 1 }
    if (next.sequence < first.sequence) this.#missed ??= next
  }

  /** The oldest frame at or below `floor` that was gone from the journal before it was applied here; undefined when there is none. */
  missed(floor: Position): Position | undefined {
    if (this.#missed !== undefined && comparePositions(this.#missed, floor) <= 0) return this.#missed
    const { generation } = floor
    if (generation >= this.#last.generation) return undefined
    // J3: the journal began anew.
    const end = this.#endOf.get(generation) ?? 0
    return end < floor.sequence ? { generation, sequence: end + 1 } : undefined
  }
}
