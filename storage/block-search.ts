import type { Bitmap } from '../base/bitmap.ts'
import type { Clock } from '../base/clock.ts'
import { WeirError } from '../base/errors.ts'
import { SLICE_MAX_MS } from '../base/limits.ts'
import type { Filter } from '../query/ast.ts'
import type { CompiledFilter } from '../query/filter.ts'
import { timeMask } from '../query/filter.ts'
import type { RecordKey } from './record-id.ts'
import { compareRecordKeys } from './record-id.ts'
import type { RowSource } from './row-source.ts'
import type { ColumnDirectory, OpenUnit, SearchUnit } from './search-unit.ts'

/** Half-open range of time, milliseconds. */
export interface SearchRange {
  readonly fromMs: number
  readonly toMs: number
}

/** Bounds the work of one query on one thread: stops at the deadline or when nobody waits, gives way to other work in between. */
export class SearchPace {
  readonly #clock: Clock
  readonly #signal: AbortSignal
  readonly #deadlineMs: number
  #sliceStartMs: number
  rowsScanned = 0
  bytesRead = 0
  blocksOpened = 0

  /** `remainingMs` from now is the deadline. */
  constructor(clock: Clock, signal: AbortSignal, remainingMs: number) {
    this.#clock = clock
    this.#signal = signal
    this.#sliceStartMs = clock.monotonicMs()
    this.#deadlineMs = this.#sliceStartMs + remainingMs
  }

  /** True when the time is up; the caller then returns what it has, labelled as incomplete. Throws cancelled. */
  async isOver(): Promise<boolean> {
    if (this.#signal.aborted) throw new WeirError('cancelled', 'nobody waits for the answer any more')
    let nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#sliceStartMs >= SLICE_MAX_MS / 2) {
      await this.#clock.yieldTurn()
      nowMs = this.#clock.monotonicMs()
      this.#sliceStartMs = nowMs
    }
    return nowMs >= this.#deadlineMs
  }

  /** What comes before the deadline, or 'late'. */
  async inTime<T>(work: Promise<T>): Promise<T | 'late'> {
    const remainingMs = this.#deadlineMs - this.#clock.monotonicMs()
    if (remainingMs === Number.POSITIVE_INFINITY) return work
    const late = Promise.withResolvers<'late'>()
    const timer = this.#clock.after(Math.max(0, remainingMs), () => late.resolve('late'))
    try {
      return await Promise.race([work, late.promise])
    } finally {
      timer.cancel()
    }
  }

  opened(unit: SearchUnit, open: OpenUnit): void {
    if (unit.summary !== undefined) this.blocksOpened++
    this.rowsScanned += unit.rowCount
    this.bytesRead += open.bytesRead
  }
}

/** Rows of a unit that match, with the columns that the filter read. */
export interface UnitMatches {
  readonly unit: SearchUnit
  readonly rows: RowSource
  readonly matches: Bitmap
}

/** The columns that a query reads of each unit: to find what matches, and of what matches. */
export interface UnitColumns {
  readonly filter: (directory: ColumnDirectory) => readonly string[]
  /** Absent: none; null: all. */
  readonly matches?: (directory: ColumnDirectory) => readonly string[] | null
}

function choose(columns: UnitColumns, directory: ColumnDirectory, isMatched: boolean): readonly string[] | null {
  const read = columns.matches === undefined ? [] : columns.matches(directory)
  if (read === null || isMatched) return read
  return [...new Set([...columns.filter(directory), ...read])]
}

/**
 * Opens a unit, evaluates the filter within the range of time; of a block that lies wholly in it, what matched is remembered. Undefined when
 * nothing matches, 'late' when the unit cannot be read before the deadline; the matches may be shared and must stay as they are.
 */
export async function matchUnit(
  unit: SearchUnit,
  filter: CompiledFilter,
  columns: UnitColumns,
  range: SearchRange,
  pace: SearchPace,
): Promise<UnitMatches | 'late' | undefined> {
  const inRange = isWhollyIn(unit, range)
  let known: Bitmap | undefined
  const opening = unit.open((directory) => {
    known = inRange ? directory.matchesOf?.(filter.key) : undefined
    return choose(columns, directory, known !== undefined)
  })
  // What is on this node is read at once.
  const open = await (unit.tier === 'segment' ? pace.inTime(opening) : opening)
  if (open === 'late') return 'late'
  pace.opened(unit, open)
  if (known !== undefined) return matchesOf(unit, open, known)
  const source = open.rows.columns
  if (inRange) {
    const matches = filter.evaluate(source)
    if (!filter.matchesAll) open.keepMatches?.(filter.key, matches)
    return matchesOf(unit, open, matches)
  }
  const within = timeMask(source, range.fromMs, range.toMs)
  if (within.isEmpty()) return undefined
  return matchesOf(unit, open, filter.evaluate(source, within).and(within))
}

/** `found` may be shared: it is left as it is. */
function matchesOf(unit: SearchUnit, { rows }: OpenUnit, found: Bitmap): UnitMatches | undefined {
  let matches = found
  const { afterSequence } = unit
  if (afterSequence !== undefined) {
    matches = found.clone()
    for (const row of found.toArray()) if (rows.sequenceOf(row) <= afterSequence) matches.delete(row)
  }
  return matches.isEmpty() ? undefined : { unit, rows, matches }
}

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
  for (const unit of ordered) {
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
    if (await pace.isOver()) return inPart()
    const isWhole = isWhollyIn(unit, query.range) && unit.afterSequence === undefined
    if (!mayAddRows && query.filter.kind === 'all' && isWhole) {
      add(unit.rowCount)
      continue
    }
    const found = await matchUnit(unit, query.compiled, columns, query.range, pace)
    if (found === 'late') return inPart()
    if (found === undefined) continue
    if (counting) add(found.matches.count())
    if (mayAddRows) collect(found, best, query.after, descending)
  }
  const lowerBound = countMax > 0 && isCounted()
  return { rows: best.inOrder(), count, countIsLowerBound: lowerBound, isComplete: true }
}

/** Bounds are whole milliseconds, of which the rows' nanoseconds are left out; those of a range may have fractions. */
function isWhollyIn(unit: SearchUnit, range: SearchRange): boolean {
  return unit.minMs >= range.fromMs && unit.maxMs + 1 <= range.toMs
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
