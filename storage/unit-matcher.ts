import type { Bitmap } from '../base/bitmap.ts'
import type { CompiledFilter } from '../query/filter.ts'
import { timeMask } from '../query/filter.ts'
import type { RowSource } from './row-source.ts'
import type { SearchPace, SearchRange } from './search-pace.ts'
import type { ColumnDirectory, OpenUnit, SearchUnit } from './search-unit.ts'

/** Units whose reading is begun before their turn, once reads turn out to be slow. */
const READ_AHEAD = 8
/** A unit that took longer to open came from far away, or from a slow disk. */
const SLOW_OPEN_MS = 1

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

/** A unit being opened. */
interface Opening {
  readonly opened: OpenUnit | Promise<OpenUnit>
  /** What the filter is known to match of the whole unit; asked for once it is open. */
  readonly known: () => Bitmap | undefined
}

type Matched = UnitMatches | 'late' | undefined

/** Evaluates one filter on units, within a range of time. */
export class UnitMatcher {
  readonly #filter: CompiledFilter
  readonly #columns: UnitColumns
  readonly #range: SearchRange
  readonly #pace: SearchPace
  readonly #ahead = new Map<SearchUnit, Opening>()
  #isSlow = false

  constructor(filter: CompiledFilter, columns: UnitColumns, range: SearchRange, pace: SearchPace) {
    this.#filter = filter
    this.#columns = columns
    this.#range = range
    this.#pace = pace
  }

  /**
   * What matches of unit `at`; of a block that lies wholly in the range it is remembered. Undefined when nothing matches, 'late' when the unit
   * cannot be read before the deadline; the matches may be shared and must stay as they are. Those that follow in `units` are likely to be asked for
   * next: where reads are slow, they are begun side by side. What is on this node is matched at once.
   */
  match(units: readonly SearchUnit[], at = 0): Matched | Promise<Matched> {
    const unit = units[at]!
    const opening = this.#ahead.get(unit) ?? this.#begin(unit)
    this.#ahead.delete(unit)
    if (this.#isSlow) this.#readAhead(units, at + 1)
    const { opened, known } = opening
    return opened instanceof Promise ? this.#matchLater(unit, opened, known) : this.#evaluate(unit, opened, known())
  }

  async #matchLater(unit: SearchUnit, opened: Promise<OpenUnit>, known: Opening['known']): Promise<Matched> {
    const pace = this.#pace
    const beforeMs = pace.nowMs()
    const open = await pace.inTime(opened)
    this.#isSlow ||= pace.nowMs() - beforeMs > SLOW_OPEN_MS
    return open === 'late' ? 'late' : this.#evaluate(unit, open, known())
  }

  #evaluate(unit: SearchUnit, open: OpenUnit, known: Bitmap | undefined): UnitMatches | undefined {
    this.#pace.opened(unit, open)
    if (known !== undefined) return matchesOf(unit, open, known)
    const filter = this.#filter
    const source = open.rows.columns
    if (isWhollyIn(unit, this.#range)) {
      const matches = filter.evaluate(source)
      if (!filter.matchesAll) open.keepMatches?.(filter.key, matches)
      return matchesOf(unit, open, matches)
    }
    const within = timeMask(source, this.#range.fromMs, this.#range.toMs)
    if (within.isEmpty()) return undefined
    return matchesOf(unit, open, filter.evaluate(source, within).and(within))
  }

  #begin(unit: SearchUnit): Opening {
    const inRange = isWhollyIn(unit, this.#range)
    let known: Bitmap | undefined
    const opened = unit.open((directory) => {
      known = inRange ? directory.matchesOf?.(this.#filter.key) : undefined
      return choose(this.#columns, directory, known !== undefined)
    })
    return { opened, known: () => known }
  }

  #readAhead(units: readonly SearchUnit[], from: number): void {
    for (const unit of units.slice(from, from + READ_AHEAD)) {
      if (unit.tier !== 'segment' || this.#ahead.has(unit)) continue
      const opening = this.#begin(unit)
      // Its turn may never come; if it does, it fails then.
      if (opening.opened instanceof Promise) opening.opened.catch(() => undefined)
      this.#ahead.set(unit, opening)
    }
  }
}

/** Bounds are whole milliseconds, of which the rows' nanoseconds are left out; those of a range may have fractions. */
export function isWhollyIn(unit: SearchUnit, range: SearchRange): boolean {
  return unit.minMs >= range.fromMs && unit.maxMs + 1 <= range.toMs
}

function choose(columns: UnitColumns, directory: ColumnDirectory, isMatched: boolean): readonly string[] | null {
  if (directory.isWhole === true) return null
  const read = columns.matches === undefined ? [] : columns.matches(directory)
  if (read === null || isMatched) return read
  return [...new Set([...columns.filter(directory), ...read])]
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
