import type { ColumnSource } from '../base/columns.ts'
import type { DayNumber, TenantId } from '../base/ids.ts'

/**
 * A block: up to 8,192 rows of one (shard, tenant, day, retention class), immutable, ordered by timestamp (ties by arrival).
 * Three columns of our own say where each row came from: sequence and row of its position, and its time of receipt.
 */
export const COLUMN_SEQUENCE = '\\@seq'
export const COLUMN_ROW = '\\@row'
export const COLUMN_RECEIVED = '\\@recv'

/** What is known of a block without opening it. Kept in memory for open days, and in the index of a segment. */
export interface BlockSummary {
  /** Unique in its shard and stable for ever: `<day>-<generation>-<firstSequence>-<firstRow>`, numbers base 36. */
  readonly blockId: string
  readonly tenant: TenantId
  readonly day: DayNumber
  readonly retentionClass: number
  readonly generation: number
  /** Lowest and highest journal sequence among its rows. */
  readonly firstSequence: number
  readonly lastSequence: number
  readonly rowCount: number
  /** Bounds of `timeMs`, inclusive. */
  readonly minMs: number
  readonly maxMs: number
  /** Bytes of the encoded block. */
  readonly byteLength: number
  /** Distinct values of level, service and host where the column is a dictionary; a missing entry says nothing. */
  readonly dimensions: Readonly<Record<string, readonly string[]>>
  /** Bounds of columns whose every value is a finite number; for pruning ranges. */
  readonly numbers: Readonly<Record<string, readonly [min: number, max: number]>>
  /** Shapes of the tokens that are no words (storage/token-shapes.ts), for prefixes and misspellings; absent: not known. */
  readonly otherTokens?: Uint8Array
  /** Names of all columns. */
  readonly columnNames: readonly string[]
}

/** What a cut makes of a head, stored in one transaction (S2). */
export interface EncodedBlock {
  readonly summary: BlockSummary
  /** Header and columns; self-contained (docs/formats.md). */
  readonly bytes: Uint8Array
  /** Bloom filter over token hashes and (field, value) hashes; its own small header included. */
  readonly bloom: Uint8Array
  /** Distinct words (letters only, 2 to 32 long, folded), sorted; null when there were too many: always scan. */
  readonly words: readonly string[] | null
}

/** An opened block: columns are decompressed when asked for. */
export interface BlockReader extends ColumnSource {
  /** Bytes read and inflated so far, for the statistics of a query. */
  readonly bytesRead: number
}
