import type { Position, ShardId, TenantId } from '../../base/ids.ts'
import type { AggregationPartial, AggregationSpec } from '../../query/aggregate.ts'
import type { Filter, Pipe } from '../../query/ast.ts'
import type { LeafPattern } from '../../query/patterns.ts'
import type { PipesPartial } from '../../query/pipes.ts'
import type { DistinctSketchState } from '../../query/sketch-distinct.ts'
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
  /** What all leaves of this process that answer the question have counted; they stop once that is `countMax`. Absent: each counts alone. */
  readonly counted?: SharedArrayBuffer
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

/** The matching rows through pipes, as far as a leaf can take them; the coordinator finishes. */
export interface RunPipes extends Question<LeafPiped> {
  readonly kind: 'runPipes'
  readonly scope: LeafScope
  readonly pipes: readonly Pipe[]
  readonly order: SortOrder
  readonly limit: number
  readonly fields: readonly string[] | undefined
  readonly groupsMax: number
}

export interface LeafPiped {
  readonly report: LeafReport
  readonly piped: PipesPartial
}

/** Groups and metrics of the matching rows; the coordinator merges the partials. */
export interface Aggregate extends Question<LeafAggregate> {
  readonly kind: 'aggregate'
  readonly scope: LeafScope
  readonly spec: AggregationSpec
}

export interface LeafAggregate {
  readonly report: LeafReport
  readonly partial: AggregationPartial
}

/** The message templates of the matching rows. */
export interface MinePatterns extends Question<LeafMined> {
  readonly kind: 'minePatterns'
  readonly scope: LeafScope
}

export interface LeafMined {
  readonly report: LeafReport
  readonly patterns: readonly LeafPattern[]
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
  /** Those that were looked at in full, and had something to look at. */
  readonly shards: readonly {
    readonly shard: ShardId
    /** Rows up to here were looked at. */
    readonly applied: Position
    /** In the order of the journal; one more than `limit` when there are more. */
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

export interface ListFields extends Question<LeafFields> {
  readonly kind: 'listFields'
  readonly scope: LeafScope
}

export interface LeafFields {
  readonly report: LeafReport
  readonly fields: readonly FieldCounts[]
}

export interface FieldCounts {
  readonly name: string
  /** Values by type code; index by ValueType. */
  readonly types: readonly number[]
  readonly distinct: DistinctSketchState
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

export type QueryLeafMessage =
  | FindRows
  | RunPipes
  | Aggregate
  | MinePatterns
  | FollowRows
  | FindRecord
  | ListFields
  | ExplainPlan
