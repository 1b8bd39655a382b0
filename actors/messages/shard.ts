import type { WeirError } from '../../base/errors.ts'
import type { LaneId, Position, ShardId, TenantId } from '../../base/ids.ts'
import type { Question } from '../runtime/actor.ts'
import type { ShardLag } from '../shard-lag.ts'
import type { MembersChanged } from './cluster.ts'

/** A section of one frame on its way to its shard's writer. */
export interface JournalledSection {
  readonly position: Position
  /** The journal's time of the append. */
  readonly appendedMs: number
  /** Rows of the shard in earlier sections of the frame. */
  readonly rowBase: number
  /** The encoded section, the whole of its buffer; transferred when it goes to another thread. */
  readonly bytes: Uint8Array
}

export interface ShardSections {
  readonly shard: ShardId
  /** Of all sections. */
  readonly rows: number
  /** In the order of the journal. */
  readonly sections: readonly JournalledSection[]
}

/** To the ShardHost of a worker: what a run of frames of one lane holds for its shards; answered once all of it is applied. */
export interface ApplyFrames extends Question<{ readonly rows: number }> {
  readonly kind: 'applyFrames'
  readonly lane: LaneId
  /** The frame that the reader was at before the run: a shard that has not applied it refuses the run rather than skip a frame. */
  readonly after: Position
  /** The first frame of the run; frames between are not in the journal any more. */
  readonly first: Position
  /** The last frame of the run. */
  readonly through: Position
  /** The journal's time of that frame. */
  readonly throughMs: number
  /** The shards of the host that the run is for; what it holds of others is left out. */
  readonly members: readonly ShardId[]
  /** Those of them that it holds something for. */
  readonly shards: readonly ShardSections[]
}

/** A lane at the moment that a shard of it is opened or claimed. */
export interface OpenedLane {
  readonly lane: LaneId
  readonly generation: number
  readonly lastSequence: number
}

/** One that could not be opened or claimed, and is left as it was. */
export interface FailedShard {
  readonly shard: ShardId
  readonly error: WeirError
}

/** To the ShardHost: begin to follow these shards. Those that are open already stay as they are. */
export interface OpenShards
  extends Question<{
    readonly opened: readonly {
      readonly shard: ShardId
      readonly lane: LaneId
      /** What of the journal it has already. */
      readonly applied: Position
    }[]
    readonly failed: readonly FailedShard[]
  }> {
  readonly kind: 'openShards'
  readonly shards: readonly (OpenedLane & { readonly shard: ShardId })[]
}

/** To the ShardHost: become the owner of shards that it follows. */
export interface ClaimShards
  extends Question<{
    readonly claimed: readonly { readonly shard: ShardId; readonly epoch: number }[]
    readonly failed: readonly FailedShard[]
  }> {
  readonly kind: 'claimShards'
  /** `epoch` is that of the entry for which it was decided; 0 without one. Another one by now: the claim fails. */
  readonly shards: readonly { readonly shard: ShardId; readonly generation: number; readonly epoch: number }[]
}

/** To the ShardHost: let go of shards, and remove what this disk holds of them. */
export interface CloseShards extends Question<void> {
  readonly kind: 'closeShards'
  readonly shards: readonly ShardId[]
}

/** To the ShardHost: how it stands with its shards. */
export interface DescribeShards extends Question<readonly ShardState[]> {
  readonly kind: 'describeShards'
}

export interface ShardState {
  readonly shard: ShardId
  readonly lane: LaneId
  readonly role: 'owner' | 'follower'
  /** Of an owner; 0 for a follower. */
  readonly epoch: number
  /** J3: a follower that was there when the journal began anew, and must be opened anew itself. */
  readonly isOutdated: boolean
  readonly applied: Position
  readonly isCaughtUp: boolean
  readonly floor: Position
  /** Rows of the shard that a frame of its lane lately held, as a mean; null while none has been applied. */
  readonly rowsPerFrame: number | null
  /** The journal's time of the last frame applied; null before one was. */
  readonly appliedMs: number | null
}

/** A shard that a node holds, and how far it is behind the journal. */
export interface HeldShard extends ShardState {
  readonly lag: ShardLag
}

/** To the ShardHost: the journal fills up; publish what the shards of the lane have, so that it can be trimmed. */
export interface PublishLane {
  readonly kind: 'publishLane'
  readonly lane: LaneId
  /** The lane's generation, where it has no frame yet, and so began anew; behind this place they will be (J3). */
  readonly emptyBehind?: Position
}

/** To the ShardHost: let go of the shards; answered when done. */
export interface DrainShards extends Question<void> {
  readonly kind: 'drainShards'
  /** Time for publishing what there is first; what remains the next start replays. */
  readonly publishMs: number
}

/** Of an idempotency key: it has not come before, has come with the same body, or with another one. */
export type KeyVerdict = 'new' | 'repeat' | 'conflict'

/** To the KeyKeeper of the worker that owns `shard`, the home of the key: is it known, and with which body (D3)? */
export interface CheckKey extends Question<KeyVerdict> {
  readonly kind: 'checkKey'
  readonly shard: ShardId
  readonly tenant: TenantId
  readonly keyHash: string
  readonly bodyHash: string
}

export type KeyKeeperMessage = CheckKey

export type ShardHostMessage =
  | ApplyFrames
  | OpenShards
  | ClaimShards
  | CloseShards
  | DescribeShards
  | PublishLane
  | DrainShards

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
  /**
   * The lane began anew and has no frame yet (J3): once all that it has of before is read, and nothing of it unpublished, this is the floor, the beginning of
   * its new generation.
   */
  readonly emptyBehind?: Position
}

/** To a SegmentPublisher: merge small segments, drop days past retention, delete what was superseded long enough ago. */
export interface TidyUp extends Question<{ readonly merged: number; readonly dropped: number }> {
  readonly kind: 'tidyUp'
}

export type SegmentPublisherMessage = Publish | TidyUp

/** To the LaneReader: read for these shards too, each from behind what it has applied. Those of the same message share a reading. */
export interface AddShards extends Question<void> {
  readonly kind: 'addShards'
  readonly shards: readonly { readonly shard: ShardId; readonly after: Position }[]
}

/** To the LaneReader: answered when no run is under way any more that is for these shards. */
export interface RemoveShards extends Question<void> {
  readonly kind: 'removeShards'
  readonly shards: readonly ShardId[]
}

export interface StopReading extends Question<void> {
  readonly kind: 'stopReading'
}

export type LaneReaderMessage = AddShards | RemoveShards | StopReading

/** To the ShardController: a publish moved the floor of a shard. One that is lost is made up for by the next. */
export interface FloorAdvanced {
  readonly kind: 'floorAdvanced'
  readonly shard: ShardId
  readonly lane: LaneId
  readonly floor: Position
}

/** To the ShardController of any node: what it holds. */
export interface DescribeNode extends Question<{ readonly shards: readonly HeldShard[] }> {
  readonly kind: 'describeNode'
}

export type ShardControllerMessage = FloorAdvanced | MembersChanged | DescribeNode
