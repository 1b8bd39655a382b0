import type { Position, ShardId, TenantId } from '../../base/ids.ts'
import type { Filter, Pipe } from '../../query/ast.ts'
import type { RecordKey } from '../../storage/record-id.ts'
import type { Question } from '../runtime/actor.ts'
import type { QueryStats, RecordJson, SortOrder, TierCoverage, TimeRange } from './search.ts'

/** What every question to a QueryLeaf says: whose rows, which of them, in which shards of the leaf's worker. */
export interface LeafScope {
  readonly tenant: TenantId
  readonly filter: Filter
  readonly range: TimeRange
  readonly shards: readonly ShardId[]
}

/** What every answer of a leaf says of how it came about. */
export interface LeafReport {
  /** Shards that did not answer in full, and why; all others of the scope did. */
  readonly missing: readonly { readonly shard: ShardId; readonly reason: string }[]
  readonly stats: QueryStats
  readonly hot: TierCoverage
  readonly warm: TierCoverage
}

export interface LeafRow {
  readonly key: RecordKey
  readonly json: RecordJson
}

/** The first rows in order, with those pipes that work on single rows applied. */
export interface FindRows extends Question<LeafRows> {
  readonly kind: 'findRows'
  readonly scope: LeafScope
  readonly order: SortOrder
  readonly limit: number
  readonly after: RecordKey | undefined
  /** Matches are counted up to here; 0: not at all; Infinity: all of them. */
  readonly countMax: number
  readonly fields: readonly string[] | undefined
  /** Rows as they were sent, for exports; else in the shape of the API. */
  readonly original: boolean
}

export interface LeafRows {
  readonly report: LeafReport
  /** In the order asked for. */
  readonly rows: readonly LeafRow[]
  readonly count: number
  readonly countIsLowerBound: boolean
}

/** Rows through pipes, as far as a leaf can take them; the coordinator merges the partials. */
export interface RunPipes extends Question<LeafPartial> {
  readonly kind: 'runPipes'
  readonly scope: LeafScope
  readonly pipes: readonly Pipe[]
}

export interface LeafPartial {
  readonly report: LeafReport
  /** Made by query/ and understood by it alone; a plain value. */
  readonly partial: unknown
}

/** Rows behind a position, in the order of the journal (tail). */
export interface FollowRows extends Question<LeafFollowed> {
  readonly kind: 'followRows'
  readonly scope: LeafScope
  /** Per shard, the last row that the asker has; a shard that is not named begins at its newest row. */
  readonly behind: readonly {
    readonly shard: ShardId
    readonly generation: number
    readonly sequence: number
    readonly row: number
  }[]
  readonly limit: number
}

export interface LeafFollowed {
  readonly report: LeafReport
  readonly shards: readonly {
    readonly shard: ShardId
    /** Rows up to here were looked at. */
    readonly applied: Position
    /** In the order of the journal. */
    readonly rows: readonly LeafRow[]
  }[]
}

/** One record by its key. */
export interface FindRecord
  extends Question<{ readonly row: LeafRow | undefined; readonly service: string; readonly host: string }> {
  readonly kind: 'findRecord'
  readonly tenant: TenantId
  readonly key: RecordKey
}

export interface MinePatterns extends Question<LeafPartial> {
  readonly kind: 'minePatterns'
  readonly scope: LeafScope
}

export interface ListFields extends Question<LeafFields> {
  readonly kind: 'listFields'
  readonly scope: LeafScope
}

export interface LeafFields {
  readonly report: LeafReport
  readonly fields: readonly {
    readonly name: string
    /** Values by type code; index by ValueType. */
    readonly types: readonly number[]
    /** A mergeable sketch of distinct values (query/sketch-*). */
    readonly distinct: unknown
  }[]
}

/** What a plan would look at, and what pruned the rest. */
export interface ExplainPlan extends Question<LeafExplained> {
  readonly kind: 'explainPlan'
  readonly scope: LeafScope
}

export interface LeafExplained {
  readonly report: LeafReport
  readonly shards: readonly {
    readonly shard: ShardId
    readonly headRows: number
    readonly localBlocks: number
    readonly segments: number
    readonly segmentBlocks: number
    readonly candidates: number
    readonly pruned: readonly { readonly clause: string; readonly blocks: number }[]
  }[]
}

export type QueryLeafMessage = FindRows | RunPipes | FollowRows | FindRecord | MinePatterns | ListFields | ExplainPlan
