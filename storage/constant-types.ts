import type { ValueType } from '../base/columns.ts'

const ROWS_KEPT = 8192
const kept: (Uint8Array | undefined)[] = []

/**
 * `rowCount` times `type`, for columns whose every row has one type. Shared between columns: neither written to nor transferred.
 */
export function constantTypes(type: ValueType, rowCount: number): Uint8Array {
  if (rowCount > ROWS_KEPT) return new Uint8Array(rowCount).fill(type)
  kept[type] ??= new Uint8Array(ROWS_KEPT).fill(type)
  return kept[type].subarray(0, rowCount)
}

/** The type that all of the first `rowCount` (at least one) rows have, or -1. */
export function uniformType(types: Uint8Array, rowCount: number): number {
  const first = types[0]!
  for (let row = 1; row < rowCount; row++) if (types[row] !== first) return -1
  return first
}
