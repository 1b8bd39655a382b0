import type { BacktestOptions, BacktestPartial } from '../../alerts/backtest.ts'
import type { NodeId, Position, ShardId, TenantId } from '../../base/ids.ts'
import type { AggregationPartial, AggregationSpec } from '../../query/aggregate.ts'
import type { Filter, Pipe } from '../../query/ast.ts'
import type { LeafPattern } from '../../query/patterns.ts'
import type { PipesPartial } from '../../query/pipes.ts'
import type { DistinctSketchState } from '../../query/sketch-distinct.ts'
import type { RecordKey } from '../../storage/record-id.ts'
import type { Question } from '../runtime/actor.ts'
import type { QueryStats, RecordJson, SortOrder, TierCoverage, TimeRange } from './search.ts'

/** Whose rows a query is about, and which of them. */
export interface QueryScope {
  readonly tenant: TenantId
  readonly filter: Filter
  readonly range: TimeRange
}

/** What every question to a QueryLeaf says: the rows that it is about, and what of them the leaf is to answer. */
export interface LeafScope extends QueryScope {
  readonly shares: readonly ShardShare[]
  /** Which of the pinned segments are the leaf's to answer, for shares with `segments`. */
  readonly deal?: SegmentDeal
}

/** What a leaf is to answer of one shard: of a question all leaves together are given every row once. */
export interface ShardShare {
  readonly shard: ShardId
  /** C5: what of the shard counts as published. Absent: the leaf goes by what its own store says, and answers all of the shard. */
  readonly pin?: PublishedPin
  /** Rows that are not in the pinned page are the leaf's to answer. */
  readonly hot?: HotShare
  /** Segments of the pinned page that the deal gives to the leaf's node are its to answer. */
  readonly segments: boolean
}

/** In what capacity a leaf is asked for rows that are not published. */
export interface HotShare {
  readonly as: 'owner' | 'standby'
  /** Of the owner whom the asker knows of. A leaf that owns the shard under another one refuses (C3). */
  readonly epoch: number
}

/** A state of what a shard has published, as its registry entry named it. */
export interface PublishedPin {
  /** Key of the manifest page; empty before the first publish. */
  readonly page: string
  readonly floor: Position
}

/** Deals the segments of a page out: to each node those whose rendezvous hash chooses it, so that nodes keep reading the same ones. */
export interface SegmentDeal {
  /** Segments are chosen from among these nodes. */
  readonly among: readonly NodeId[]
  /** The node that is asked. */
  readonly to: NodeId
  /** Earlier deals of the same segments, to nodes that did not answer: only what went to `to` each time is dealt out again. */
  readonly after: readonly { readonly among: readonly NodeId[]; readonly to: NodeId }[]
}

/** A share, or a part of one, that was not answered in full. */
export interface MissingShare {
  readonly shard: ShardId
  readonly part: 'hot' | 'segments'
  readonly reason: string
  /** Nothing of this part is in the answer, and another leaf, or the same one later, may answer it; `elsewhere`: this one not soon. */
  readonly retry: boolean | 'elsewhere'
}

/** What every answer of a leaf says of how it came about. */
export interface LeafReport {
  /** All else of the scope was answered in full. */
  readonly missing: readonly MissingShare[]
  readonly stats: QueryStats
  readonly hot: TierCoverage
  readonly warm: TierCoverage
  /** What the answer weighs in memory, about. */
  readonly bytes: number
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
  /** What all leaves of the asker's process have counted for the question; they stop once that is `countMax`. Absent, as for other nodes: each counts alone. */
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

/** One record by its key, in the shard that the scope names. */
export interface FindRecord extends Question<LeafRecord> {
  readonly kind: 'findRecord'
  readonly scope: LeafScope
  readonly key: RecordKey
}

export interface LeafRecord {
  readonly report: LeafReport
  readonly row: LeafRow | undefined
  readonly service: string
  readonly host: string
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

/** What the matching rows amount to for an alert rule, as they would have been counted when they came. */
export interface CountForRule extends Question<LeafCounted> {
  readonly kind: 'countForRule'
  readonly scope: LeafScope
  readonly backtest: BacktestOptions
}

export interface LeafCounted {
  readonly report: LeafReport
  readonly counted: BacktestPartial
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
  | CountForRule
  | ExplainPlan

/** Every kind of question that a leaf of another node may be asked. */
export const QUERY_LEAF_KINDS = [
  'findRows',
  'runPipes',
  'aggregate',
  'minePatterns',
  'followRows',
  'findRecord',
  'listFields',
  'countForRule',
  'explainPlan',
] as const satisfies readonly QueryLeafMessage['kind'][]
