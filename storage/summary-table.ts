import { assert } from '../base/assert.ts'
import { Bitmap } from '../base/bitmap.ts'
import { COLUMN_LEVEL_TEXT, COLUMN_OVERFLOW, FIELD_LEVEL } from '../base/columns.ts'
import type { TenantId } from '../base/ids.ts'
import type { BlockSummary } from './block.ts'

/** Lists of column names that are kept once for all blocks that have the same. */
const COLUMN_LISTS_MAX = 256

/** The columns of blocks; most blocks of a tenant have the same ones. */
interface ColumnSet {
  readonly names: readonly string[]
  readonly set: ReadonlySet<string>
  /** S4: any field may hide in the overflow column, so the lists of columns say nothing. */
  readonly hasOverflow: boolean
}

/**
 * Summaries of blocks, numbered from 0 in order of adding, and what they alone can say of a filter. Every answer may only err on the
 * side of too much (S5).
 */
export class SummaryTable {
  #summaries: BlockSummary[] = []
  #columns: ColumnSet[] = []
  readonly #columnSets = new Map<string, ColumnSet>()
  /** Whether someone holds #summaries and must not see it change. */
  #isShared = false

  get length(): number {
    return this.#summaries.length
  }

  /** By number. The array stays as it is when blocks are added or removed later. */
  get summaries(): readonly BlockSummary[] {
    this.#isShared = true
    return this.#summaries
  }

  add(summary: BlockSummary): void {
    this.#own()
    const columns = this.#columnSet(summary.columnNames)
    const isShared = summary.columnNames === columns.names
    this.#summaries.push(isShared ? summary : { ...summary, columnNames: columns.names })
    this.#columns.push(columns)
  }

  /** Removes blocks; those that stay are numbered anew, in the same order. */
  keepOnly(keep: Bitmap): void {
    assert(keep.length === this.length, 'a bitmap of all blocks')
    this.#isShared = false
    this.#summaries = this.#summaries.filter((_, i) => keep.has(i))
    this.#columns = this.#columns.filter((_, i) => keep.has(i))
  }

  /** Blocks of `tenant` with a row in [fromMs, toMs); a row's nanoseconds are not in the bounds of its block. */
  within(tenant: TenantId, fromMs: number, toMs: number): Bitmap {
    return this.#where(({ tenant: owner, minMs, maxMs }) => owner === tenant && minMs < toMs && maxMs + 1 > fromMs)
  }

  withField(field: string): Bitmap {
    return this.#where((_, columns) => mayHave(columns, field))
  }

  withRange(field: string, min: number, max: number): Bitmap {
    return this.#where((summary, columns) => {
      if (!mayHave(columns, field)) return false
      const bounds = saysOtherwise(columns, field) ? undefined : ownProperty(summary.numbers, field)
      return bounds === undefined || (bounds[0] <= max && bounds[1] >= min)
    })
  }

  /** Blocks whose columns do not rule out that `field` is `value` in some row; letter case is not looked at. */
  withValue(field: string, value: string): Bitmap {
    const wanted = foldedValue(value)
    const isWanted = (known: string) => known === value || isFolded(known, wanted)
    return this.#where((summary, columns) => {
      if (!mayHave(columns, field)) return false
      const values = saysOtherwise(columns, field) ? undefined : ownProperty(summary.dimensions, field)
      return values === undefined || values.some(isWanted)
    })
  }

  #where(holds: (summary: BlockSummary, columns: ColumnSet) => boolean): Bitmap {
    const found = new Bitmap(this.length)
    for (let i = 0; i < this.#summaries.length; i++) {
      if (holds(this.#summaries[i]!, this.#columns[i]!)) found.add(i)
    }
    return found
  }

  #own(): void {
    if (!this.#isShared) return
    this.#isShared = false
    this.#summaries = this.#summaries.slice()
  }

  #columnSet(names: readonly string[]): ColumnSet {
    const key = names.join('\0')
    const known = this.#columnSets.get(key)
    if (known !== undefined) return known
    if (this.#columnSets.size >= COLUMN_LISTS_MAX) this.#columnSets.clear()
    const columns = { names, set: new Set(names), hasOverflow: names.includes(COLUMN_OVERFLOW) }
    this.#columnSets.set(key, columns)
    return columns
  }
}

/** Bounds and dimensions are only given for fields that are not in the overflow column as well. */
function mayHave(columns: ColumnSet, field: string): boolean {
  return columns.hasOverflow || columns.set.has(field)
}

/** A null has no text of its own and may be asked for as `null`. */
function foldedValue(value: string): string {
  return value === '' ? 'null' : value.toLowerCase()
}

/** Case never changes the length of what the tokenizer folds, so most values are refused by theirs. */
function isFolded(known: string, wanted: string): boolean {
  return known === '' ? wanted === 'null' : known.length === wanted.length && known.toLowerCase() === wanted
}

/** A level as it was sent stands in a column of its own; a filter may mean that. */
function saysOtherwise(columns: ColumnSet, field: string): boolean {
  return field === FIELD_LEVEL && columns.set.has(COLUMN_LEVEL_TEXT)
}

/** Senders choose field names: `constructor` must not be looked up on the prototype. */
function ownProperty<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined
}
