import type { Bitmap } from '../base/bitmap.ts'
import type { ColumnSource, DictionaryColumn } from '../base/columns.ts'
import { type Cell, cellOf, type Groups } from './aggregate-groups.ts'
import type { GroupKey } from './ast.ts'
import { textOf } from './filter-scan.ts'
import { overflowMayHold } from './row-overflow.ts'
import { timestampText } from './row-time.ts'

/** Rows [from, to) of one bucket of time; `cell` is its start, undefined where time is no key. */
interface Run {
  readonly from: number
  readonly to: number
  readonly cell: Cell | undefined
}

/**
 * Counts rows by a dictionary, by buckets of time, or by both, of a source that is ordered by time, without a group for each row: 1 ns a row
 * (bench/micro/filter.ts). False when keys or source are of another kind; then nothing has been counted.
 */
export function tallyRows(
  source: ColumnSource,
  rows: Bitmap,
  groups: Groups,
  count: (group: number, rows: number) => void,
): boolean {
  const shape = shapeOf(groups.keys, source)
  if (shape === undefined) return false
  const { bucketAt, fieldAt, widthMs, column } = shape
  const cells = groups.keys.map((): Cell => null)
  const isFull = rows.count() === rows.length
  const codeCells = column === undefined ? undefined : cellsOfCodes(column)
  const counts = new Uint32Array(256)
  for (const run of widthMs === undefined ? wholeRun(source) : runsOf(source.timeMs, source.rowCount, widthMs)) {
    if (bucketAt >= 0) cells[bucketAt] = run.cell!
    if (column === undefined || codeCells === undefined) {
      const held = isFull ? run.to - run.from : countBetween(rows, run.from, run.to)
      if (held > 0) count(groups.groupOf(cells), held)
      continue
    }
    counts.fill(0)
    if (isFull) countCodes(column.codes, run.from, run.to, counts)
    else countCodesOf(rows, column.codes, run.from, run.to, counts)
    for (let code = 0; code < codeCells.length; code++) {
      if (counts[code] === 0) continue
      cells[fieldAt] = codeCells[code]!
      count(groups.groupOf(cells), counts[code]!)
    }
  }
  return true
}

interface Shape {
  /** Places of the keys; -1 where there is none. */
  readonly bucketAt: number
  readonly fieldAt: number
  readonly widthMs: number | undefined
  readonly column: DictionaryColumn | undefined
}

function shapeOf(keys: readonly GroupKey[], source: ColumnSource): Shape | undefined {
  let bucketAt = -1
  let fieldAt = -1
  let widthMs: number | undefined
  let column: DictionaryColumn | undefined
  for (const [place, key] of keys.entries()) {
    if (key.kind === 'bucket') {
      if (bucketAt >= 0 || source.isOrderedByTime !== true) return undefined
      bucketAt = place
      widthMs = key.widthMs
    } else {
      if (fieldAt >= 0 || key.field === 'timestamp' || overflowMayHold(source, key.field)) return undefined
      const own = source.column(key.field)
      if (own?.kind !== 'dictionary') return undefined
      fieldAt = place
      column = own
    }
  }
  return { bucketAt, fieldAt, widthMs, column }
}

function cellsOfCodes(column: DictionaryColumn): Cell[] {
  return [null, ...Array.from(column.types, (type, index) => cellOf(type, textOf(column, index)))]
}

function wholeRun(source: ColumnSource): Run[] {
  return [{ from: 0, to: source.rowCount, cell: undefined }]
}

/** Runs of rows of one bucket; `timeMs` ascends. */
function* runsOf(timeMs: Float64Array, rowCount: number, widthMs: number): Generator<Run> {
  for (let from = 0; from < rowCount; ) {
    const bucket = Math.floor(timeMs[from]! / widthMs)
    const to = firstAtOrAfter(timeMs, from + 1, rowCount, (bucket + 1) * widthMs)
    yield { from, to, cell: timestampText(bucket * widthMs, 0) }
    from = to
  }
}

function firstAtOrAfter(timeMs: Float64Array, from: number, rowCount: number, ms: number): number {
  if (timeMs[rowCount - 1]! < ms) return rowCount
  let low = from
  let high = rowCount
  while (low < high) {
    const middle = (low + high) >>> 1
    if (timeMs[middle]! < ms) low = middle + 1
    else high = middle
  }
  return low
}

function countCodes(codes: Uint8Array, from: number, to: number, counts: Uint32Array): void {
  for (let row = from; row < to; row++) counts[codes[row]!]!++
}

function countCodesOf(rows: Bitmap, codes: Uint8Array, from: number, to: number, counts: Uint32Array): void {
  const { words } = rows
  for (let i = from >>> 5; i <= (to - 1) >>> 5; i++) {
    let word = wordWithin(words[i]!, i, from, to)
    while (word !== 0) {
      const lowest = word & -word
      counts[codes[(i << 5) + 31 - Math.clz32(lowest)]!]!++
      word ^= lowest
    }
  }
}

function countBetween(rows: Bitmap, from: number, to: number): number {
  const { words } = rows
  let count = 0
  for (let i = from >>> 5; i <= (to - 1) >>> 5; i++) {
    let word = wordWithin(words[i]!, i, from, to)
    for (; word !== 0; word &= word - 1) count++
  }
  return count
}

/** The bits of word `i` that stand for rows of [from, to). */
function wordWithin(word: number, i: number, from: number, to: number): number {
  let bits = word
  if (i === from >>> 5) bits &= -1 << (from & 31)
  if (i === (to - 1) >>> 5) bits &= -1 >>> (31 - ((to - 1) & 31))
  return bits
}
