import type { ColumnSource } from '../base/columns.ts'
import type { Position, ShardId, TenantId } from '../base/ids.ts'
import type { KeyedChunk } from './section-codec.ts'

/** What became of the sections of a frame. */
export interface ApplyResult {
  readonly rows: number
  readonly repeatedRows: number
  /** Keyed chunks whose key came first with another body; their rows are not stored. */
  readonly conflicts: readonly KeyedChunk[]
}

/** Rows of one section and one day, as a frame brings them to a store; repeats of keyed chunks are not among them. */
export interface AppliedRows {
  readonly shard: ShardId
  /** Internal tenants included, such as that of dead letters. */
  readonly tenant: TenantId
  readonly position: Position
  /** The journal's time of the frame, ms. */
  readonly appendedMs: number
  readonly receivedMs: number
  /** May be read during the call only, but by who holds a plan open (ActivePlans). */
  readonly source: ColumnSource
  /** Those of the source that are meant, ascending; null: all of them. */
  readonly rows: Uint32Array | null
  /** Row i of `source` stands at row `rowBase + i` of its shard in the frame. */
  readonly rowBase: number
  /**
   * They are appended: of all that is told of a row, with every replay of its frame, this is true once for as long as the store is open. False: they
   * are in a block or published already (S2).
   */
  readonly isNew: boolean
}

/** Hears what a frame brings, within the step that applies it: it must not throw, and must take little time. */
export type OnRows = (applied: AppliedRows) => void
