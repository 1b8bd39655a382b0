import type { ShardId } from '../base/ids.ts'
import { comparePositions } from '../base/ids.ts'
import type { RecordKey } from '../storage/record-id.ts'
import { compareRecordKeys } from '../storage/record-id.ts'
import type { LeafRow } from './messages/leaf.ts'
import type { TailPlace } from './search-cursor.ts'
import { TAIL_ROW_LAST } from './search-cursor.ts'

/**
 * Merges the shards' new rows, oldest first, up to `limit`; each shard's place moves to its last row taken, or to all it has applied when all
 * its rows were.
 */
export function takeInOrder(
  followed: readonly {
    readonly shard: ShardId
    readonly applied: { readonly generation: number; readonly sequence: number }
    readonly rows: readonly LeafRow[]
  }[],
  limit: number,
  places: Map<ShardId, TailPlace>,
): LeafRow[] {
  const next = new Map(followed.map(({ shard }) => [shard, 0]))
  const taken: LeafRow[] = []
  while (taken.length < limit) {
    let best: LeafRow | undefined
    for (const { shard, rows } of followed) {
      const row = rows[next.get(shard)!]
      if (row !== undefined && (best === undefined || compareRecordKeys(row.key, best.key) < 0)) best = row
    }
    if (best === undefined) break
    taken.push(best)
    next.set(best.key.shard, next.get(best.key.shard)! + 1)
  }
  for (const { shard, applied, rows } of followed) {
    const count = next.get(shard)!
    const last = rows[count - 1]?.key
    if (count === rows.length) places.set(shard, { shard, ...applied, row: TAIL_ROW_LAST })
    else if (last !== undefined) {
      places.set(shard, { shard, generation: last.generation, sequence: last.sequence, row: last.row })
    }
  }
  return taken
}

/** True when the row has come after the place was taken; of a shard without a place nothing is known to have come before. */
export function isBehind(key: RecordKey, place: TailPlace | undefined): boolean {
  return place === undefined || comparePositions(key, place) > 0
}
