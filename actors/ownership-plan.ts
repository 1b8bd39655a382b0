import type { LaneId, NodeId, Position, ShardId } from '../base/ids.ts'
import type { Placement } from '../cluster/ring.ts'
import type { ShardEntry } from '../storage/manifest.ts'
import type { ShardState } from './messages/shard.ts'

/** A live node, as the membership sees it. */
export interface LiveNode {
  readonly nodeId: NodeId
  /** False for one that drains: it keeps what it has until others have taken it over. */
  readonly takesShards: boolean
}

/** What a node decides by. */
export interface OwnershipView {
  readonly self: NodeId
  readonly nodes: readonly LiveNode[]
  /** C1: false while a silence may be that of a NATS server: then nobody is taken for dead. */
  readonly absentAreDead: boolean
  /** The nodes have been the same for so long that others will see the same: shards of live owners may be moved. */
  readonly isStable: boolean
  /** Who should have each shard; index by shard. */
  readonly wanted: readonly Placement[]
  readonly entryOf: (shard: ShardId) => ShardEntry | undefined
  /** What this node holds. */
  readonly held: ReadonlyMap<ShardId, ShardState>
  readonly lanes: readonly LaneEnd[]
  readonly laneOf: (shard: ShardId) => LaneId
}

/** Where a lane begins and ends now. */
export interface LaneEnd {
  readonly generation: number
  readonly firstSequence: number
  readonly lastSequence: number
}

export interface OwnershipSteps {
  readonly open: readonly ShardId[]
  readonly claim: readonly ShardId[]
  readonly close: readonly ShardId[]
}

/** A lane that never began anew. */
const FIRST_GENERATION = 1
/** A follower this near to the end of its lane takes over: the rest takes milliseconds. */
const NEAR_FRAMES = 64

/**
 * What a node has to do next so that each shard is where the ring wants it. A shard whose owner is alive is moved in order: its new owner opens it,
 * catches up, and only then claims it. One whose owner is gone, or was this very node before it started anew, is claimed at once.
 */
export function planOwnership(view: OwnershipView): OwnershipSteps {
  const open: ShardId[] = []
  const claim: ShardId[] = []
  const close: ShardId[] = []
  for (const [index, { owner, standby }] of view.wanted.entries()) {
    const shard = index as ShardId
    const entry = view.entryOf(shard)
    const isOurs = entry?.owner === view.self
    const isWanted = owner === view.self
    const state = view.held.get(shard)
    if (state?.role === 'owner') continue
    const isToClaim = isOurs || (isWanted && (!isAlive(entry?.owner, view) || isHandOffDue(entry!, state, view)))
    if (state === undefined) {
      if (isToClaim || isWanted || standby === view.self) open.push(shard)
    } else if (hasLostFrames(state, view)) close.push(shard)
    else if (isToClaim) claim.push(shard)
    else if (!isWanted && standby !== view.self) close.push(shard)
  }
  return { open, claim, close }
}

function isAlive(node: NodeId | undefined, { nodes, absentAreDead }: OwnershipView): boolean {
  if (node === undefined) return false
  return !absentAreDead || nodes.some(({ nodeId }) => nodeId === node)
}

/** The owner is alive: it is relieved when this node has caught up. */
function isHandOffDue(entry: ShardEntry, state: ShardState | undefined, view: OwnershipView): boolean {
  const isDraining = view.nodes.some(({ nodeId, takesShards }) => nodeId === entry.owner && !takesShards)
  if (!view.isStable && !isDraining) return false
  return (
    state?.isCaughtUp === true && isNear(state.applied, view.lanes[state.lane]!) && isAllInJournal(entry, state, view)
  )
}

/** J3: what the owner had read of a journal that was lost nobody else can read, until the owner has published it. */
function isAllInJournal({ floor }: ShardEntry, { lane }: ShardState, { lanes }: OwnershipView): boolean {
  return !isOfLostJournal(floor, lanes[lane]!.generation)
}

/** A floor that was reached before the journal began anew. */
export function isOfLostJournal(floor: Position, generation: number): boolean {
  return generation > FIRST_GENERATION && floor.generation < generation
}

function isNear(applied: Position, { generation, lastSequence }: LaneEnd): boolean {
  if (lastSequence === 0) return true
  return applied.generation === generation && applied.sequence + NEAR_FRAMES >= lastSequence
}

/**
 * The journal has been trimmed beyond what a follower has read, or began anew while the follower read it (J3): it must begin anew itself, from what is
 * published.
 */
function hasLostFrames({ role, isOutdated, applied, lane }: ShardState, { lanes }: OwnershipView): boolean {
  if (role !== 'follower') return false
  const { generation, firstSequence } = lanes[lane]!
  return isOutdated || (applied.generation === generation && applied.sequence + 1 < firstSequence)
}
