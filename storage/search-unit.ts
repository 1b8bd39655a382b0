import type { Bitmap } from '../base/bitmap.ts'
import type { CharMask } from '../base/char-mask.ts'
import type { ShardId, TenantId } from '../base/ids.ts'
import type { BlockSummary } from './block.ts'
import { COLUMN_RECEIVED, COLUMN_ROW, COLUMN_SEQUENCE } from './block.ts'
import type { RowSource } from './row-source.ts'

/** What is known of the columns of a unit before they are read. */
export interface ColumnDirectory {
  readonly columnNames: readonly string[]
  /** All columns are at hand: which of them are chosen makes no difference. */
  readonly isWhole?: boolean
  /** As in base/columns.ts. */
  mayHold?(name: string, chars: CharMask): boolean
  /** Rows of the whole unit that the filter of this key matched when it was last asked; absent or undefined: not known. */
  matchesOf?(filterKey: string): Bitmap | undefined
}

/** Columns to open a unit with: these, all (null), or those that it is worth to open. */
export type ColumnChoice = readonly string[] | null | ((directory: ColumnDirectory) => readonly string[] | null)

/** The columns chosen, and those of positions. */
export function columnsToLoad(directory: ColumnDirectory, choice: ColumnChoice): readonly string[] {
  const names = typeof choice === 'function' ? choice(directory) : choice
  return names === null ? directory.columnNames : [...names, ...POSITIONS]
}

const POSITIONS = [COLUMN_SEQUENCE, COLUMN_ROW, COLUMN_RECEIVED]

/**
 * One piece of a shard that a query looks at whole: a part of a head, a block on this node's disk, or a block of a published segment. It is
 * immutable; what a plan lists can be opened until the query ends (C5).
 */
export interface SearchUnit {
  readonly tier: 'head' | 'local' | 'segment'
  readonly shard: ShardId
  readonly tenant: TenantId
  readonly rowCount: number
  /** Bounds of the rows' `timeMs`, inclusive. */
  readonly minMs: number
  readonly maxMs: number
  /** Highest journal sequence among the rows. */
  readonly lastSequence: number
  /** Only rows of later frames than this one belong to the plan; undefined: all do. */
  readonly afterSequence: number | undefined
  readonly columnNames: readonly string[]
  /** Undefined for a part of a head. */
  readonly summary: BlockSummary | undefined
  /** The rows with the columns chosen, and maybe more. The three columns of positions always come along. At once where they are on this node. */
  open(columns: ColumnChoice): OpenUnit | Promise<OpenUnit>
}

export interface OpenUnit {
  readonly rows: RowSource
  /** Compressed bytes fetched to open it. */
  readonly bytesRead: number
  /** Remembers what a filter matched of the whole unit, for `matchesOf`; absent where the unit does not last. */
  keepMatches?(filterKey: string, matches: Bitmap): void
}
