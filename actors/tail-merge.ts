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

/** Rows of several shards by time, shard and position (Q1), as far as those of each shard, which stay in the order in which they are given, allow. */
export function inOrder<R extends { readonly key: RecordKey }>(rows: readonly R[]): readonly R[] {
  const lists = [...Map.groupBy(rows, ({ key }) => key.shard).values()]
  if (lists.length < 2) return rows
  const next = lists.map(() => 0)
  return rows.map(() => {
    let best = -1
    for (let i = 0; i < lists.length; i++) {
      const row = lists[i]![next[i]!]
      if (row === undefined) continue
      if (best < 0 || compareRecordKeys(row.key, lists[best]![next[best]!]!.key) < 0) best = i
    }
    return lists[best]![next[best]!++]!
  })
}
