import type { LaneId, Position, ShardId, TenantId } from '../../base/ids.ts'
import type { Question } from '../runtime/actor.ts'

/** A section of one frame on its way to its shard's writer. */
export interface JournalledSection {
  readonly position: Position
  /** The journal's time of the append. */
  readonly appendedMs: number
  /** Rows of the shard in earlier sections of the frame. */
  readonly rowBase: number
  /** The encoded section. On its own thread a view of the frame; across threads a view of a transferred buffer. */
  readonly bytes: Uint8Array
}

export interface ShardSections {
  readonly shard: ShardId
  /** In the order of the journal. */
  readonly sections: readonly JournalledSection[]
}

/** To the ShardHost of a worker: what a run of frames of one lane holds for its shards; answered once all of it is applied. */
export interface ApplyFrames extends Question<{ readonly rows: number }> {
  readonly kind: 'applyFrames'
  readonly lane: LaneId
  /** The frame that the reader was at before the run: a shard that has not applied it refuses the run rather than skip a frame. */
  readonly after: Position
  /** The last frame of the run. */
  readonly through: Position
  readonly shards: readonly ShardSections[]
}

/** To the ShardHost: become the owner of these shards. Answered with what of the journal each has already. */
export interface OpenShards
  extends Question<readonly { readonly shard: ShardId; readonly lane: LaneId; readonly replayFrom: Position }[]> {
  readonly kind: 'openShards'
  readonly shards: readonly {
    readonly shard: ShardId
    readonly lane: LaneId
    /** Of the lane now. */
    readonly generation: number
    readonly lastSequence: number
  }[]
}

/** To the ShardHost: the journal fills up; publish what the shards of the lane have, so that it can be trimmed. */
export interface PublishLane {
  readonly kind: 'publishLane'
  readonly lane: LaneId
}

/** To the ShardHost: let go of the shards; answered when done. */
export interface DrainShards extends Question<void> {
  readonly kind: 'drainShards'
  /** Time for publishing what there is first; what remains the next start replays. */
  readonly publishMs: number
}

/** To the KeyKeeper of the worker that owns `shard`, the home of the key: is it known with another body (D3)? */
export interface CheckKey extends Question<{ readonly conflict: boolean }> {
  readonly kind: 'checkKey'
  readonly shard: ShardId
  readonly tenant: TenantId
  readonly keyHash: string
  readonly bodyHash: string
}

export type KeyKeeperMessage = CheckKey

export type ShardHostMessage = ApplyFrames | OpenShards | PublishLane | DrainShards

/** To a ShardWriter, from its host. */
export interface ApplySections extends Question<{ readonly rows: number }> {
  readonly kind: 'applySections'
  readonly after: Position
  readonly through: Position
  readonly sections: readonly JournalledSection[]
}

export type ShardWriterMessage = ApplySections

/** To a SegmentPublisher. */
export interface Publish extends Question<{ readonly segments: number }> {
  readonly kind: 'publish'
  /** Cut and publish everything there is, whatever its age. */
  readonly everything: boolean
}

/** To a SegmentPublisher: merge small segments, drop days past retention, delete what was superseded long enough ago. */
export interface TidyUp extends Question<{ readonly merged: number; readonly dropped: number }> {
  readonly kind: 'tidyUp'
}

export type SegmentPublisherMessage = Publish | TidyUp

/** To the LaneReader. */
export interface StartReading extends Question<void> {
  readonly kind: 'startReading'
  readonly after: Position
}

export interface StopReading extends Question<void> {
  readonly kind: 'stopReading'
}

export type LaneReaderMessage = StartReading | StopReading

/** To the ShardController: a publish moved the floor of a shard. One that is lost is made up for by the next. */
export interface FloorAdvanced {
  readonly kind: 'floorAdvanced'
  readonly shard: ShardId
  readonly lane: LaneId
  readonly floor: Position
}

export type ShardControllerMessage = FloorAdvanced
