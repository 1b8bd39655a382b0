import type { Position } from '../base/ids.ts'
import type { KeyedChunk, SectionMeta } from './section-codec.ts'
import type { ChunkVerdict, SeenSet } from './seen-set.ts'

/** Rows of a section that are not stored. */
export interface RepeatedRows {
  /** 1 for each of them. */
  readonly rows: Uint8Array
  /** How many came before with the same body. */
  readonly repeated: number
  /** Chunks whose key came before with another body. */
  readonly conflicts: readonly KeyedChunk[]
}

/**
 * D3: lets a seen-set decide on the keyed chunks of the frame at `position`. A chunk may have rows in several sections of a shard, of the tenant, of its dead letters, of
 * another tenant that it is routed to: all are taken, or none.
 */
export class FrameRepeats {
  readonly #seen: SeenSet
  readonly #position: Position
  readonly #appendedMs: number
  readonly #decided = new Map<string, ChunkVerdict>()

  constructor(seen: SeenSet, position: Position, appendedMs: number) {
    this.#seen = seen
    this.#position = position
    this.#appendedMs = appendedMs
  }

  /** What of a section of the frame is not to be stored; undefined when all rows are. */
  of({ keyed }: SectionMeta, rowCount: number): RepeatedRows | undefined {
    let rows: Uint8Array | undefined
    let repeated = 0
    const conflicts: KeyedChunk[] = []
    const met = new Set<string>()
    for (const chunk of keyed) {
      const verdict = this.#decide(chunk, met)
      if (verdict === 'take') continue
      if (verdict === 'conflict') conflicts.push(chunk)
      else repeated += chunk.rowTo - chunk.rowFrom
      rows ??= new Uint8Array(rowCount)
      rows.fill(1, chunk.rowFrom, chunk.rowTo)
    }
    return rows === undefined ? undefined : { rows, repeated, conflicts }
  }

  /** `met`: the chunks of this section so far. One that comes twice in a section was given up, and sent again before the frame was closed. */
  #decide(chunk: KeyedChunk, met: Set<string>): ChunkVerdict {
    const id = `${chunk.keyHash}/${chunk.bodyHash}/${chunk.chunk}`
    const verdict = this.#decided.get(id) ?? this.#seen.decide(chunk, this.#position, this.#appendedMs)
    this.#decided.set(id, verdict)
    if (met.has(id) && verdict === 'take') return 'repeat'
    met.add(id)
    return verdict
  }
}
