import type { ColumnSource } from '../base/columns.ts'
import type { DayNumber } from '../base/ids.ts'
import { dayOf } from '../base/ids.ts'
import type { SectionMeta } from './section-codec.ts'

/** A decoded section on its way into the heads of its shard. */
export interface SectionRows {
  readonly meta: SectionMeta
  readonly source: ColumnSource
  /** Rows of the shard in earlier sections of the frame. */
  readonly rowBase: number
  /** What the rows are views of, where nobody else uses it: it is freed when they are in a block. */
  readonly bytes?: Uint8Array
}

/** Days of the rows, in order of first appearance. */
export function daysOf({ rowCount, timeMs }: ColumnSource): Set<DayNumber> {
  const days = new Set<DayNumber>()
  let last: DayNumber | undefined
  for (let row = 0; row < rowCount; row++) {
    const day = dayOf(timeMs[row]!)
    if (day !== last) days.add(day)
    last = day
  }
  return days
}

/** Numbers of the rows of each day, but for those that `dropped` marks; null stands for all rows of the source. */
export function rowsByDay(
  source: ColumnSource,
  dropped: Uint8Array | undefined,
): Iterable<readonly [DayNumber, Uint32Array | null]> {
  const { rowCount, timeMs } = source
  if (rowCount === 0) return []
  if (dropped === undefined) {
    const days = daysOf(source)
    if (days.size === 1) return [...days].map((day) => [day, null] as const)
  }
  const rowsOf = new Map<DayNumber, number[]>()
  for (let row = 0; row < rowCount; row++) {
    if (dropped?.[row] === 1) continue
    const day = dayOf(timeMs[row]!)
    const rows = rowsOf.get(day)
    if (rows === undefined) rowsOf.set(day, [row])
    else rows.push(row)
  }
  return [...rowsOf].map(([day, rows]) => [day, Uint32Array.from(rows)] as const)
}

/** Approximate bytes of memory of the rows. */
export function sourceBytes(source: ColumnSource): number {
  let bytes = source.rowCount * 12
  for (const name of source.columnNames) {
    const column = source.column(name)
    if (column === undefined) continue
    if (column.kind === 'bytes') bytes += column.bytes.length + column.offsets.byteLength
    else if (column.kind === 'dictionary') bytes += column.codes.length + column.bytes.length
    else bytes += column.values.byteLength
  }
  return bytes
}
