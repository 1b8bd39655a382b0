import type { Clock, Timer } from '../base/clock.ts'
import { asWeirError } from '../base/errors.ts'
import type { LaneId, NodeId, Position, ShardId } from '../base/ids.ts'
import { comparePositions } from '../base/ids.ts'
import type { Logger } from '../base/logger.ts'
import type { Member } from '../cluster/heartbeat.ts'
import type { Journal } from '../cluster/journal.ts'
import type { MembersView } from '../cluster/membership.ts'
import type { Placement, ShardRing } from '../cluster/ring.ts'
import type { LaneTrimmer } from './lane-trimmer.ts'
import type {
  HeldShard,
  LaneReaderMessage,
  ShardControllerMessage,
  ShardHostMessage,
  ShardState,
} from './messages/shard.ts'
import type { LaneEnd, OwnershipSteps } from './ownership-plan.ts'
import { planOwnership } from './ownership-plan.ts'
import type { Actor, MessageContext } from './runtime/actor.ts'
import type { ActorRef } from './runtime/actor-ref.ts'
import { LaneEnds } from './shard-lag.ts'
import type { ShardMap } from './shard-map.ts'
import { ShardMoves } from './shard-moves.ts'
import { laneOf } from './shard-places.ts'

/** Kept of a drain for closing the shards. */
const CLOSE_RESERVE_MS = 2000
/** How often it is seen to that each shard is where it belongs: soon while something is being moved. */
const STEP_EVERY_MS = 200
const IDLE_EVERY_MS = 1000
/** How often the lanes are looked at: whether they can be trimmed, whether they fill up. */
const LOOK_EVERY_MS = 1000
/** The nodes must have been the same for so long before a live owner is relieved of a shard. */
const STABLE_AFTER_MS = 2000

export interface ShardControllerOptions {
  readonly nodeId: NodeId
  readonly shardCount: number
  readonly laneCount: number
  readonly journal: Journal
  readonly shardMap: ShardMap
  readonly ring: ShardRing
  readonly trimmer: LaneTrimmer
  readonly clock: Clock
  readonly logger: Logger
  /** One a worker. */
  readonly hosts: readonly ActorRef<ShardHostMessage>[]
  /** One a lane. */
  readonly laneReaders: readonly ActorRef<LaneReaderMessage>[]
  /** The object store is away: this node is ready although shards of it cannot be opened. */
  readonly mayStayClosed?: () => boolean
  /** Told after each step how many shards this node should hold and cannot open so far. */
  readonly onUnopened?: (shards: number) => void
}

/**
 * Sees to it that this node holds the shards that it should: opens, claims and closes them on its workers as nodes come and go, one small step after
 * another, each decided anew from what the registry, the membership and the workers say. Has the journal trimmed behind the floors.
 */
export class ShardController implements Actor<ShardControllerMessage> {
  readonly #options: ShardControllerOptions
  #view: MembersView | undefined
  #viewSinceMs = 0
  #timer: Timer | undefined
  #looking: Timer | undefined
  #isStopped = false
  #isDraining = false
  /** Something of the last step is to be tried again, but not at once. */
  #hasFailed = false
  /** The step under way; never rejects. */
  #stepping: Promise<boolean> | undefined
  #states: readonly ShardState[] = []
  /** Who should have each shard, as of the last step; empty before the first. */
  #wanted: readonly Placement[] = []
  readonly #moves: ShardMoves
  /** By lane. */
  readonly #ends: readonly LaneEnds[]
  readonly #waiting = new Set<() => void>()

  constructor(options: ShardControllerOptions) {
    this.#options = options
    const onFailed = () => {
      this.#hasFailed = true
    }
    this.#moves = new ShardMoves({ ...options, onFailed, onLate: () => this.#again(0) })
    this.#ends = Array.from({ length: options.laneCount }, () => new LaneEnds())
  }

  started(): void {
    const { clock, trimmer } = this.#options
    this.#looking = clock.every(LOOK_EVERY_MS, () => void trimmer.look())
    this.#again(0)
  }

  stopping(): void {
    this.#isStopped = true
    this.#moves.stop()
    this.#timer?.cancel()
    this.#looking?.cancel()
    this.#wake()
  }

  async handle(message: ShardControllerMessage, context: MessageContext): Promise<void> {
    switch (message.kind) {
      case 'floorAdvanced':
        await this.#options.trimmer.tryTrim(message.lane)
        return
      case 'membersChanged':
        this.#adopt(message)
        return
      case 'describeNode':
        context.answer(message, { shards: (await this.#moves.describe()).map((state) => this.#withLag(state)) })
    }
  }

  /**
   * Resolves when every shard that this node is to own by now is open, owned and caught up with what the journal held when it was opened; for shards
   * that a live node still owns it does not wait.
   */
  async ready(): Promise<void> {
    while (!this.#isReady() && !this.#isStopped) await this.#stepped()
  }

  /** Resolves when the shards that this node is to own are open and owned; they may still be catching up. */
  async opened(): Promise<void> {
    while (!this.#isOpen() && !this.#isStopped) await this.#stepped()
  }

  /**
   * Lets others take the shards over, if there are any; then stops reading, publishes what can be published, so that the next owner has little to
   * replay, and closes the shards. The membership must say that this node drains.
   */
  async drain(remainingMs: number): Promise<void> {
    const { hosts, laneReaders, logger, clock } = this.#options
    const endsMs = clock.monotonicMs() + remainingMs
    const leftMs = () => Math.max(1, endsMs - clock.monotonicMs())
    this.#isDraining = true
    this.#again(0)
    while (this.#hasHeirs() && leftMs() > CLOSE_RESERVE_MS * 2 && (await this.#moves.describe()).some(isOwned)) {
      await clock.sleep(STEP_EVERY_MS)
    }
    this.stopping()
    await this.#stepping
    await Promise.race([this.#moves.ended(), clock.sleep(leftMs() / 2)])
    this.#looking?.cancel()
    await Promise.allSettled(laneReaders.map((reader) => reader.ask({ kind: 'stopReading' }, { deadlineMs: leftMs() })))
    const publishMs = Math.max(0, leftMs() - CLOSE_RESERVE_MS / 2)
    const results = await Promise.allSettled(
      hosts.map((host) => host.ask({ kind: 'drainShards', publishMs }, { deadlineMs: leftMs() })),
    )
    for (const result of results) {
      if (result.status === 'rejected') logger.warn('a worker did not close its shards', { error: result.reason })
    }
  }

  observe(): Readonly<Record<string, unknown>> {
    return {
      nodes: this.#view?.members.length ?? 0,
      shards: this.#states.length,
      owned: this.#states.filter(isOwned).length,
    }
  }

  #adopt(view: MembersView): void {
    if (placesOf(view) !== placesOf(this.#view)) this.#viewSinceMs = this.#options.clock.monotonicMs()
    const isNews = view.revision !== this.#view?.revision
    this.#view = view
    if (isNews) this.#again(0)
  }

  #hasHeirs(): boolean {
    return this.#view?.members.some((node) => takesShards(node) && node.nodeId !== this.#options.nodeId) === true
  }

  #stepped(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve))
  }

  #isReady(): boolean {
    return this.#isOpen() && !this.#states.some((state) => isOwned(state) && !state.isCaughtUp)
  }

  /** Every shard has a living owner, and what this node owns is open. */
  #isOpen(): boolean {
    const { shardMap, nodeId, shardCount } = this.#options
    if (this.#view?.settled !== true) return false
    const owned = new Set(this.#states.filter(isOwned).map(({ shard }) => shard))
    const nodes = new Set(this.#view.members.map((node) => node.nodeId))
    for (let shard = 0 as ShardId; shard < shardCount; shard++) {
      const owner = shardMap.get(shard)?.owner
      const isThere = owner !== undefined && nodes.has(owner) && (owner !== nodeId || owned.has(shard))
      if (!isThere && !this.#mayStayClosed(shard)) return false
    }
    return true
  }

  /** Without the object store this node does for a shard what it can, which may be nothing. */
  #mayStayClosed(shard: ShardId): boolean {
    const wanted = this.#wanted[shard]
    if (this.#options.mayStayClosed?.() !== true || wanted === undefined) return false
    const isOthers = !this.#isOurs(shard) && wanted.owner !== this.#options.nodeId
    return isOthers || this.#moves.unopened.has(shard)
  }

  #again(afterMs: number): void {
    this.#timer?.cancel()
    if (this.#isStopped) return
    this.#timer = this.#options.clock.after(afterMs, () => {
      if (this.#stepping !== undefined) return
      this.#stepping = this.#step()
      void this.#stepping.then((hasMore) => {
        this.#stepping = undefined
        this.#options.onUnopened?.(this.#moves.unopened.size)
        this.#wake()
        this.#again(hasMore && !this.#hasFailed ? STEP_EVERY_MS : IDLE_EVERY_MS)
      })
    })
  }

  /** Does not reject: what fails is done by the next step. True while something is being moved. */
  async #step(): Promise<boolean> {
    this.#hasFailed = false
    try {
      return await this.#stepOnce()
    } catch (error) {
      this.#hasFailed = true
      this.#options.logger.warn('the shards could not be seen to; it will be tried again', {
        error: asWeirError(error),
      })
      return true
    }
  }

  async #stepOnce(): Promise<boolean> {
    const view = this.#view
    if (view?.settled !== true) return true
    const { nodeId, ring, shardMap, laneCount, clock, journal } = this.#options
    const moves = this.#moves
    const lanes = await Promise.all(Array.from({ length: laneCount }, (_, lane) => journal.state(lane as LaneId)))
    this.#states = await moves.describe()
    await moves.readFor(this.#states.filter(({ shard }) => !moves.isMoving(shard)))
    for (const [lane, end] of lanes.entries()) this.#seeEnd(lane as LaneId, end)
    const takers = view.members
      .filter((node) => takesShards(node) && (node.nodeId !== nodeId || !this.#isDraining))
      .map((node) => ({ id: node.nodeId, weight: node.weight }))
    // With nobody to take them over, shards stay where they are.
    const wanted = ring.place(takers)
    this.#wanted = wanted
    const epochOf = (shard: ShardId) => shardMap.get(shard)?.epoch ?? 0
    const steps = this.#besideMoves(
      planOwnership({
        self: nodeId,
        nodes: view.members.map((node) => ({ nodeId: node.nodeId, takesShards: takesShards(node) })),
        absentAreDead: view.absentAreDead,
        isStable: clock.monotonicMs() - this.#viewSinceMs >= STABLE_AFTER_MS,
        wanted,
        entryOf: (shard) => shardMap.get(shard),
        held: new Map(this.#states.map((state) => [state.shard, state])),
        lanes,
        laneOf: (shard) => laneOf(shard, laneCount),
      }),
    )
    moves.forgetUnopened([
      ...steps.open,
      ...this.#states.map(({ shard }) => shard).filter((shard) => !moves.isRead(shard)),
    ])
    if (steps.open.length + steps.claim.length + steps.close.length === 0) {
      return (
        !this.#isReady() ||
        moves.areUnderWay ||
        this.#states.some(({ role, shard }) => role === 'follower' && wanted[shard]?.owner === nodeId)
      )
    }
    // What is decided here must not relieve an owner who is there by then.
    const claiming = steps.claim.map((shard) => ({ shard, epoch: epochOf(shard) }))
    await moves.close(steps.close)
    await moves.claim(claiming, lanes)
    const opened = await moves.open(steps.open, lanes)
    // Whoever owns nothing by right must not wait for another step.
    const free = opened.filter(
      (shard) => this.#isOurs(shard) || (wanted[shard]?.owner === nodeId && !this.#isOwnerAlive(shard)),
    )
    const claimingOpened = free.map((shard) => ({ shard, epoch: epochOf(shard) }))
    await moves.claim(claimingOpened, lanes)
    this.#states = await moves.describe()
    return true
  }

  #isOurs(shard: ShardId): boolean {
    return this.#options.shardMap.get(shard)?.owner === this.#options.nodeId
  }

  #wake(): void {
    for (const wake of this.#waiting) wake()
    this.#waiting.clear()
  }

  #isOwnerAlive(shard: ShardId): boolean {
    const owner = this.#options.shardMap.get(shard)?.owner
    if (owner === undefined) return false
    return this.#view?.absentAreDead !== true || this.#view.members.some(({ nodeId }) => nodeId === owner)
  }

  #seeEnd(lane: LaneId, end: LaneEnd): void {
    const ends = this.#ends[lane]!
    const applied = this.#states.filter((state) => state.lane === lane).map((state) => state.applied)
    ends.applied(applied.reduce((a, b) => (comparePositions(a, b) <= 0 ? a : b), endOf(end)))
    ends.see(end, this.#options.clock.monotonicMs())
  }

  #withLag(state: ShardState): HeldShard {
    const { clock } = this.#options
    return { ...state, lag: this.#ends[state.lane]!.lagOf(state, clock.monotonicMs(), clock.nowMs()) }
  }

  /** What is being moved is left alone, and what no lane is read for is not claimed: it would never be caught up. */
  #besideMoves({ open, claim, close }: OwnershipSteps): OwnershipSteps {
    const isFree = (shard: ShardId) => !this.#moves.isMoving(shard)
    const isClaimable = (shard: ShardId) => isFree(shard) && this.#moves.isRead(shard)
    return { open: open.filter(isFree), claim: claim.filter(isClaimable), close: close.filter(isFree) }
  }
}

function takesShards({ state }: Member): boolean {
  return state === 'active'
}

/** What decides where shards belong. */
function placesOf(view: MembersView | undefined): string {
  return view?.members.map((node) => `${node.nodeId}/${node.weight}/${takesShards(node)}`).join() ?? ''
}

function endOf({ generation, lastSequence }: LaneEnd): Position {
  return { generation, sequence: lastSequence }
}

function isOwned({ role }: ShardState): boolean {
  return role === 'owner'
}
