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
  FailedShard,
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
import { laneOf, workerOf } from './shard-places.ts'

const OPEN_DEADLINE_MS = 300_000
const DESCRIBE_DEADLINE_MS = 10_000
/** Shards that take longer to open are opened beside what else there is to do: their object store may be away. */
const OPEN_PATIENCE_MS = 2000
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

interface OpenedShard {
  readonly shard: ShardId
  readonly lane: LaneId
  readonly applied: Position
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
  /** Shards that are being opened; no step touches them. */
  readonly #opening = new Set<ShardId>()
  /** The end of the last opening that took long; never rejects. */
  #lateOpening: Promise<void> = Promise.resolve()
  /** Shards that this node should hold and could not open so far. */
  readonly #unopened = new Set<ShardId>()
  /** By lane. */
  readonly #ends: readonly LaneEnds[]
  readonly #waiting = new Set<() => void>()

  constructor(options: ShardControllerOptions) {
    this.#options = options
    this.#ends = Array.from({ length: options.laneCount }, () => new LaneEnds())
  }

  started(): void {
    const { clock, trimmer } = this.#options
    this.#looking = clock.every(LOOK_EVERY_MS, () => void trimmer.look())
    this.#again(0)
  }

  stopping(): void {
    this.#isStopped = true
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
        context.answer(message, { shards: (await this.#describe()).map((state) => this.#withLag(state)) })
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
    while (this.#hasHeirs() && leftMs() > CLOSE_RESERVE_MS * 2 && (await this.#describe()).some(isOwned)) {
      await clock.sleep(STEP_EVERY_MS)
    }
    this.stopping()
    await this.#stepping
    await Promise.race([this.#lateOpening, clock.sleep(leftMs() / 2)])
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
    return isOthers || this.#unopened.has(shard)
  }

  #again(afterMs: number): void {
    this.#timer?.cancel()
    if (this.#isStopped) return
    this.#timer = this.#options.clock.after(afterMs, () => {
      if (this.#stepping !== undefined) return
      this.#stepping = this.#step()
      void this.#stepping.then((hasMore) => {
        this.#stepping = undefined
        this.#options.onUnopened?.(this.#unopened.size)
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
    const lanes = await Promise.all(Array.from({ length: laneCount }, (_, lane) => journal.state(lane as LaneId)))
    this.#states = await this.#describe()
    for (const [lane, end] of lanes.entries()) this.#seeEnd(lane as LaneId, end)
    const takers = view.members
      .filter((node) => takesShards(node) && (node.nodeId !== nodeId || !this.#isDraining))
      .map((node) => ({ id: node.nodeId, weight: node.weight }))
    // With nobody to take them over, shards stay where they are.
    const wanted = ring.place(takers)
    this.#wanted = wanted
    const epochOf = (shard: ShardId) => shardMap.get(shard)?.epoch ?? 0
    const steps = this.#besideOpening(
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
    for (const shard of this.#unopened) {
      if (!steps.open.includes(shard) && !this.#opening.has(shard)) this.#unopened.delete(shard)
    }
    if (steps.open.length + steps.claim.length + steps.close.length === 0) {
      return (
        !this.#isReady() ||
        this.#opening.size > 0 ||
        this.#states.some(({ role, shard }) => role === 'follower' && wanted[shard]?.owner === nodeId)
      )
    }
    // What is decided here must not relieve an owner who is there by then.
    const claiming = steps.claim.map((shard) => ({ shard, epoch: epochOf(shard) }))
    await this.#close(steps.close)
    await this.#claim(claiming, lanes)
    const opened = await this.#open(steps.open, lanes)
    // Whoever owns nothing by right must not wait for another step.
    const free = opened.filter(
      (shard) => this.#isOurs(shard) || (wanted[shard]?.owner === nodeId && !this.#isOwnerAlive(shard)),
    )
    const claimingOpened = free.map((shard) => ({ shard, epoch: epochOf(shard) }))
    await this.#claim(claimingOpened, lanes)
    this.#states = await this.#describe()
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

  async #describe(): Promise<readonly ShardState[]> {
    const { hosts } = this.#options
    const asks = hosts.map((host) => host.ask({ kind: 'describeShards' }, { deadlineMs: DESCRIBE_DEADLINE_MS }))
    return (await Promise.all(asks)).flat()
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

  #besideOpening({ open, claim, close }: OwnershipSteps): OwnershipSteps {
    const isFree = (shard: ShardId) => !this.#opening.has(shard)
    return { open: open.filter(isFree), claim: claim.filter(isFree), close: close.filter(isFree) }
  }

  /** Opens shards on their workers and has their lanes read for them. Returns those that are open; slow ones follow by themselves. */
  async #open(shards: readonly ShardId[], lanes: readonly LaneEnd[]): Promise<ShardId[]> {
    const { clock, logger } = this.#options
    let opened: OpenedShard[] = []
    let failed: FailedShard[] = []
    const opening = shards.map(async (shard) => {
      this.#opening.add(shard)
      const answer = await this.#openOne(shard, lanes)
      opened.push(...answer.opened)
      failed.push(...answer.failed)
    })
    const end = async (): Promise<ShardId[]> => {
      const ended = { opened, failed }
      opened = []
      failed = []
      if (!this.#isStopped) await this.#readLanes(ended.opened)
      for (const { shard } of [...ended.opened, ...ended.failed]) this.#opening.delete(shard)
      for (const { shard } of ended.opened) this.#unopened.delete(shard)
      for (const { shard } of ended.failed) this.#unopened.add(shard)
      this.#complain('opened', ended.failed)
      return ended.opened.map(({ shard }) => shard)
    }
    const all = Promise.all(opening)
    const patience = new AbortController()
    await Promise.race([all, clock.sleep(OPEN_PATIENCE_MS, patience.signal).catch(() => undefined)])
    patience.abort()
    const inTime = await end()
    const late = shards.filter((shard) => this.#opening.has(shard))
    if (late.length === 0) return inTime
    for (const shard of late) this.#unopened.add(shard)
    logger.warn('shards are slow to open; the node goes on meanwhile', { shards: late })
    this.#lateOpening = all
      .then(end)
      .then(() => this.#again(0))
      .catch((error) => logger.error('shards that were slow to open are not read', { shards: late, error }))
    return inTime
  }

  async #openOne(shard: ShardId, lanes: readonly LaneEnd[]) {
    const { laneCount, hosts, clock } = this.#options
    const lane = laneOf(shard, laneCount)
    const host = hosts[workerOf(shard, hosts.length)]!
    const ask = ({ generation, lastSequence }: LaneEnd) =>
      host.ask(
        { kind: 'openShards', shards: [{ shard, lane, generation, lastSequence }] },
        { deadlineMs: OPEN_DEADLINE_MS },
      )
    const startedMs = clock.monotonicMs()
    try {
      const answer = await ask(lanes[lane]!)
      if (answer.opened.length === 0 || clock.monotonicMs() - startedMs < OPEN_PATIENCE_MS) return answer
      // Q2, D3: what was acknowledged meanwhile belongs to what it must have applied before it is caught up.
      return await ask(await this.#endNow(lane))
    } catch (error) {
      return { opened: [], failed: [{ shard, error: asWeirError(error) }] }
    }
  }

  /** Asks until the journal answers, or this node stops. */
  async #endNow(lane: LaneId): Promise<LaneEnd> {
    const { journal, clock } = this.#options
    for (;;) {
      try {
        return await journal.state(lane)
      } catch (error) {
        if (this.#isStopped) throw error
        await clock.sleep(STEP_EVERY_MS)
      }
    }
  }

  async #readLanes(opened: readonly OpenedShard[]): Promise<void> {
    await Promise.all(
      this.#options.laneReaders.map(async (reader, lane) => {
        const own = opened
          .filter((shard) => shard.lane === lane)
          .map(({ shard, applied }) => ({ shard, after: applied }))
        if (own.length > 0) await reader.ask({ kind: 'addShards', shards: own }, { deadlineMs: OPEN_DEADLINE_MS })
      }),
    )
  }

  /** With each shard the epoch under which it was found to be free, or due. */
  async #claim(shards: readonly { shard: ShardId; epoch: number }[], lanes: readonly LaneEnd[]): Promise<void> {
    const { laneCount, logger } = this.#options
    const epochs = new Map(shards.map(({ shard, epoch }) => [shard, epoch]))
    const answers = await this.#perHost([...epochs.keys()], (own, host) => {
      const claiming = own.map((shard) => {
        const { generation } = lanes[laneOf(shard, laneCount)]!
        return { shard, generation, epoch: epochs.get(shard)! }
      })
      return host.ask({ kind: 'claimShards', shards: claiming }, { deadlineMs: OPEN_DEADLINE_MS })
    })
    this.#complain(
      'claimed',
      answers.flatMap(({ failed }) => failed),
    )
    const claimed = answers.flatMap((answer) => answer.claimed)
    if (claimed.length > 0)
      logger.info('shards are owned by this node now', { shards: claimed.map(({ shard }) => shard) })
  }

  async #close(shards: readonly ShardId[]): Promise<void> {
    if (shards.length === 0) return
    const { laneReaders, laneCount } = this.#options
    await Promise.all(
      laneReaders.map(async (reader, lane) => {
        const own = shards.filter((shard) => laneOf(shard, laneCount) === lane)
        if (own.length > 0) await reader.ask({ kind: 'removeShards', shards: own }, { deadlineMs: OPEN_DEADLINE_MS })
      }),
    )
    await this.#perHost(shards, (own, host) =>
      host.ask({ kind: 'closeShards', shards: own }, { deadlineMs: OPEN_DEADLINE_MS }),
    )
  }

  async #perHost<R>(
    shards: readonly ShardId[],
    ask: (own: readonly ShardId[], host: ActorRef<ShardHostMessage>) => Promise<R>,
  ): Promise<R[]> {
    const { hosts } = this.#options
    const asks = hosts.map((host, worker) => {
      const own = shards.filter((shard) => workerOf(shard, hosts.length) === worker)
      return own.length === 0 ? undefined : ask(own, host)
    })
    return (await Promise.all(asks)).filter((answer) => answer !== undefined)
  }

  #complain(what: string, failed: readonly FailedShard[]): void {
    const [first] = failed
    if (first === undefined) return
    const shards = failed.map(({ shard }) => shard)
    const { logger } = this.#options
    // Of nodes that start together, or take over together, one is first; the next step sees what it has done.
    if (failed.every(({ error }) => error.code === 'revision_conflict')) {
      logger.info(`shards were not ${what}: another node was first`, { shards })
      return
    }
    this.#hasFailed = true
    logger.warn(`shards could not be ${what}; it will be tried again`, { shards, error: first.error })
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
