import type { Position } from '../base/ids.ts'
import type { KeyedChunk, SectionMeta } from './section-codec.ts'
import type { SeenSet } from './seen-set.ts'

/** Rows of a section that are not stored. */
export interface RepeatedRows {
  /** 1 for each of them. */
  readonly rows: Uint8Array
  /** How many came before with the same body. */
  readonly repeated: number
  /** Chunks whose key came before with another body. */
  readonly conflicts: readonly KeyedChunk[]
}

/** D3: lets `seen` decide on the keyed chunks of a section of the frame at `position`; undefined when all rows are to be stored. */
export function repeatsIn(
  { keyed }: SectionMeta,
  rowCount: number,
  seen: SeenSet,
  position: Position,
  appendedMs: number,
): RepeatedRows | undefined {
  let rows: Uint8Array | undefined
  let repeated = 0
  const conflicts: KeyedChunk[] = []
  for (const chunk of keyed) {
    const verdict = seen.decide(chunk, position, appendedMs)
    if (verdict === 'take') continue
    if (verdict === 'conflict') conflicts.push(chunk)
    else repeated += chunk.rowTo - chunk.rowFrom
    rows ??= new Uint8Array(rowCount)
    rows.fill(1, chunk.rowFrom, chunk.rowTo)
  }
  return rows === undefined ? undefined : { rows, repeated, conflicts }
}
