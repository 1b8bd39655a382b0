/** What orders records everywhere (Q1): time, then shard, then position. No two records share one. */
export interface RowKey {
  readonly timeMs: number
  readonly timeNs: number
  readonly shard: number
  readonly generation: number
  readonly sequence: number
  readonly row: number
}

export function compareRowKeys(a: RowKey, b: RowKey): number {
  return (
    a.timeMs - b.timeMs ||
    a.timeNs - b.timeNs ||
    a.shard - b.shard ||
    a.generation - b.generation ||
    a.sequence - b.sequence ||
    a.row - b.row
  )
}
