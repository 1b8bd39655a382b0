import type { Filter } from '../query/ast.ts'
import type { CompiledFilter } from '../query/filter.ts'
import type { RecordKey } from './record-id.ts'
import { compareRecordKeys } from './record-id.ts'
import type { SearchPace, SearchRange } from './search-pace.ts'
import type { SearchUnit } from './search-unit.ts'
import type { UnitColumns, UnitMatches } from './unit-matcher.ts'
import { isWhollyIn, UnitMatcher } from './unit-matcher.ts'

export interface RowsQuery {
  readonly filter: Filter
  readonly compiled: CompiledFilter
  readonly range: SearchRange
  readonly order: 'asc' | 'desc'
  /** Rows wanted. */
  readonly limit: number
  /** Only rows behind this key in the order asked for. */
  readonly after: RecordKey | undefined
  /** Matches are counted up to here; 0: not at all. */
  readonly countMax: number
  /** What all searches for this answer have counted together, on whatever thread: they stop counting once that is `countMax`. */
  readonly counted?: Int32Array<SharedArrayBuffer> | undefined
}

export interface FoundRow {
  readonly key: RecordKey
  readonly unit: SearchUnit
  /** Row of the unit. */
  readonly unitRow: number
}

export interface RowsFound {
  /** At most `limit` rows, in order. */
  readonly rows: readonly FoundRow[]
  /** Matching rows of the whole range (also those before `after`); exact unless `countIsLowerBound`. */
  readonly count: number
  readonly countIsLowerBound: boolean
  /** False when the time was up before every unit had been looked at. */
  readonly isComplete: boolean
}

/**
 * The first `limit` rows in order, by looking at units from that end and stopping once no unit left can add a row and enough are
 * counted.
 */
export async function searchRows(
  units: readonly SearchUnit[],
  query: RowsQuery,
  columns: UnitColumns,
  pace: SearchPace,
): Promise<RowsFound> {
  const descending = query.order === 'desc'
  const sign = descending ? -1 : 1
  const ordered = units
    .filter((unit) => unit.maxMs + 1 > query.range.fromMs && unit.minMs < query.range.toMs)
    .sort((a, b) => (descending ? b.maxMs - a.maxMs : a.minMs - b.minMs))
  const best = new TopRows(query.limit, (a, b) => sign * compareRecordKeys(a.key, b.key))
  const { counted, countMax } = query
  let count = 0
  const isCounted = () => count >= countMax || (counted !== undefined && Atomics.load(counted, 0) >= countMax)
  const add = (matches: number) => {
    count += matches
    if (counted !== undefined) Atomics.add(counted, 0, matches)
  }
  const inPart = () => ({ rows: best.inOrder(), count, countIsLowerBound: true, isComplete: false })
  const matcher = new UnitMatcher(query.compiled, columns, query.range, pace)
  // Where all rows match, most units are counted without being opened.
  const isEachOpened = query.filter.kind !== 'all'
  for (let i = 0; i < ordered.length; i++) {
    const unit = ordered[i]!
    const edgeMs = descending ? unit.maxMs : unit.minMs
    const worst = best.worst()
    const mayAddRows =
      query.limit > 0 &&
      (worst === undefined || sign * (edgeMs - worst.key.timeMs) <= 0) &&
      !(query.after !== undefined && isWhollyBefore(unit, query.after, descending))
    const counting = !isCounted()
    if (!mayAddRows && !counting) {
      if (query.after === undefined && worst !== undefined) break
      continue
    }
    if (pace.isDue && (await pace.isOver())) return inPart()
    const isWhole = isWhollyIn(unit, query.range) && unit.afterSequence === undefined
    if (!mayAddRows && query.filter.kind === 'all' && isWhole) {
      add(unit.rowCount)
      continue
    }
    const matched = isEachOpened ? matcher.match(ordered, i) : matcher.match([unit])
    const found = matched instanceof Promise ? await matched : matched
    if (found === 'late') return inPart()
    if (found === undefined) continue
    if (counting) add(found.matches.count())
    if (mayAddRows) collect(found, best, query.after, descending)
  }
  const lowerBound = countMax > 0 && isCounted()
  return { rows: best.inOrder(), count, countIsLowerBound: lowerBound, isComplete: true }
}

function isWhollyBefore(unit: SearchUnit, after: RecordKey, descending: boolean): boolean {
  return descending ? unit.minMs > after.timeMs : unit.maxMs < after.timeMs
}

function collect(found: UnitMatches, best: TopRows, after: RecordKey | undefined, descending: boolean): void {
  const { unit, rows } = found
  const { timeMs, timeNs } = rows.columns
  const sign = descending ? -1 : 1
  const matches = found.matches.toArray()
  for (let i = 0; i < matches.length; i++) {
    const unitRow = descending ? matches[matches.length - 1 - i]! : matches[i]!
    const rowMs = timeMs[unitRow]!
    const worst = best.worst()
    if (worst !== undefined && sign * (rowMs - worst.key.timeMs) > 0) {
      if (unit.summary !== undefined) return // rows of a block are in order of time
      continue
    }
    if (after !== undefined && sign * (rowMs - after.timeMs) < 0) continue
    const key: RecordKey = {
      timeMs: rowMs,
      timeNs: timeNs[unitRow]!,
      shard: unit.shard,
      generation: rows.generation,
      sequence: rows.sequenceOf(unitRow),
      row: rows.rowOf(unitRow),
    }
    if (after !== undefined && sign * compareRecordKeys(key, after) <= 0) continue
    best.offer({ key, unit, unitRow })
  }
}

/** The best `max` rows seen, kept as a heap whose top is the worst of them. */
class TopRows {
  readonly #max: number
  readonly #compare: (a: FoundRow, b: FoundRow) => number
  readonly #heap: FoundRow[] = []

  /** `compare` is negative when `a` is better. */
  constructor(max: number, compare: (a: FoundRow, b: FoundRow) => number) {
    this.#max = max
    this.#compare = compare
  }

  /** The row that the next better one replaces; undefined while there is room. */
  worst(): FoundRow | undefined {
    return this.#heap.length < this.#max ? undefined : this.#heap[0]
  }

  offer(row: FoundRow): void {
    if (this.#max === 0) return
    const heap = this.#heap
    if (heap.length < this.#max) {
      heap.push(row)
      this.#siftUp(heap.length - 1)
    } else if (this.#compare(row, heap[0]!) < 0) {
      heap[0] = row
      this.#siftDown()
    }
  }

  inOrder(): FoundRow[] {
    return [...this.#heap].sort(this.#compare)
  }

  #siftUp(start: number): void {
    const heap = this.#heap
    let i = start
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (this.#compare(heap[i]!, heap[parent]!) <= 0) return
      const swap = heap[i]!
      heap[i] = heap[parent]!
      heap[parent] = swap
      i = parent
    }
  }

  #siftDown(): void {
    const heap = this.#heap
    let i = 0
    for (;;) {
      const left = 2 * i + 1
      const right = left + 1
      let worst = i
      if (left < heap.length && this.#compare(heap[left]!, heap[worst]!) > 0) worst = left
      if (right < heap.length && this.#compare(heap[right]!, heap[worst]!) > 0) worst = right
      if (worst === i) return
      const swap = heap[i]!
      heap[i] = heap[worst]!
      heap[worst] = swap
      i = worst
    }
  }
}
