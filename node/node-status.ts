import type { Backlog } from '../actors/ingest-brake.ts'
import type { LaneId } from '../base/ids.ts'

/** The state of the node as all its threads see it: a few words of shared memory. */
const SLOT_OPENED = 0
const SLOT_DRAINING = 1
const SLOT_BUCKET_AWAY = 2
const SLOT_UNOPENED = 3
const SLOT_LANES = 4
/** Of a lane: the last sequence that is applied, for how long the reader has been behind, ms, and what the journal keeps of it, bytes; both 0 while no shard of it is here. */
const LANE_APPLIED = 0
const LANE_BEHIND = 1
const LANE_BYTES = 2
const SLOTS_PER_LANE = 3

function slotOf(lane: LaneId, word: number): number {
  return SLOT_LANES + lane * SLOTS_PER_LANE + word
}

export class NodeStatus {
  readonly shared: SharedArrayBuffer
  readonly #slots: BigInt64Array
  readonly #laneCount: number

  private constructor(shared: SharedArrayBuffer) {
    this.shared = shared
    this.#slots = new BigInt64Array(shared)
    this.#laneCount = (this.#slots.length - SLOT_LANES) / SLOTS_PER_LANE
  }

  static create(laneCount: number): NodeStatus {
    return new NodeStatus(new SharedArrayBuffer(8 * (SLOT_LANES + laneCount * SLOTS_PER_LANE)))
  }

  /** The same status on another thread. */
  static share(shared: SharedArrayBuffer): NodeStatus {
    return new NodeStatus(shared)
  }

  shardsAreOpen(): void {
    Atomics.store(this.#slots, SLOT_OPENED, 1n)
  }

  beginDraining(): void {
    Atomics.store(this.#slots, SLOT_DRAINING, 1n)
  }

  /** The bucket has not been reached since the start. */
  bucketIsAway(isAway: boolean): void {
    Atomics.store(this.#slots, SLOT_BUCKET_AWAY, isAway ? 1n : 0n)
  }

  /** So many shards that this node should hold could not be opened so far. */
  shardsAreUnopened(count: number): void {
    Atomics.store(this.#slots, SLOT_UNOPENED, BigInt(count))
  }

  get isDraining(): boolean {
    return Atomics.load(this.#slots, SLOT_DRAINING) === 1n
  }

  /** Reading of the lane begins behind this sequence: all up to it is applied. */
  laneBegins(lane: LaneId, after: number): void {
    this.laneApplied(lane, after)
  }

  /** Written by the one thread that reads the lane. */
  laneApplied(lane: LaneId, sequence: number): void {
    Atomics.store(this.#slots, slotOf(lane, LANE_APPLIED), BigInt(sequence))
  }

  laneBehind(lane: LaneId, behindMs: number): void {
    Atomics.store(this.#slots, slotOf(lane, LANE_BEHIND), BigInt(Math.round(behindMs)))
  }

  laneKeeps(lane: LaneId, bytes: number): void {
    Atomics.store(this.#slots, slotOf(lane, LANE_BYTES), BigInt(bytes))
  }

  /** The last sequence of the lane that is applied on this node. */
  appliedThrough(lane: LaneId): number {
    return Number(Atomics.load(this.#slots, slotOf(lane, LANE_APPLIED)))
  }

  /** For how long the lane has been read later than it was written, ms; 0 when it is caught up, or read for no shard of this node. */
  behindMs(lane: LaneId): number {
    return Number(Atomics.load(this.#slots, slotOf(lane, LANE_BEHIND)))
  }

  /** The worst of all lanes. */
  backlog(): Backlog {
    let behindMs = 0
    let journalBytes = 0
    for (let lane = 0 as LaneId; lane < this.#laneCount; lane++) {
      behindMs = Math.max(behindMs, this.behindMs(lane))
      journalBytes = Math.max(journalBytes, Number(Atomics.load(this.#slots, slotOf(lane, LANE_BYTES))))
    }
    return { behindMs, journalBytes }
  }

  /** What is missing of the node, whether or not it is ready. */
  lacks(): string[] {
    const lacks: string[] = []
    if (Atomics.load(this.#slots, SLOT_BUCKET_AWAY) === 1n) lacks.push('the bucket has not been reached')
    const unopened = Number(Atomics.load(this.#slots, SLOT_UNOPENED))
    if (unopened > 0) lacks.push(`${unopened} shards of this node are not open`)
    return lacks
  }

  /** Why the node is not ready; empty when it is. */
  notReadyReasons(): string[] {
    const reasons: string[] = []
    if (Atomics.load(this.#slots, SLOT_OPENED) === 0n) reasons.push('shards are being opened and the journal replayed')
    if (this.isDraining) reasons.push('the node is draining')
    return reasons
  }
}
