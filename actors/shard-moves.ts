import type { Clock } from '../base/clock.ts'
import { asWeirError } from '../base/errors.ts'
import type { LaneId, ShardId } from '../base/ids.ts'
import type { Logger } from '../base/logger.ts'
import type { Journal } from '../cluster/journal.ts'
import type { FailedShard, LaneReaderMessage, ShardHostMessage, ShardState } from './messages/shard.ts'
import type { LaneEnd } from './ownership-plan.ts'
import type { ActorRef } from './runtime/actor-ref.ts'
import { laneOf, workerOf } from './shard-places.ts'

const MOVE_DEADLINE_MS = 300_000
const DESCRIBE_DEADLINE_MS = 10_000
/** The reader of a lane takes a shard in within a turn, unless it waits for a disk; then the shard is offered again. */
const READ_DEADLINE_MS = 5000
/** Shards that take longer go on beside what else there is to do: their object store or the registry may be away. */
const PATIENCE_MS = 2000
/** How often the journal is asked for the end of a lane that it could not tell. */
const RETRY_MS = 200

export interface ShardMovesOptions {
  readonly laneCount: number
  readonly journal: Journal
  readonly clock: Clock
  readonly logger: Logger
  /** One a worker. */
  readonly hosts: readonly ActorRef<ShardHostMessage>[]
  /** One a lane. */
  readonly laneReaders: readonly ActorRef<LaneReaderMessage>[]
  /** Something is to be tried again, but not at once. */
  readonly onFailed: () => void
  /** What took long has come to an end. */
  readonly onLate: () => void
}

/** A shard to be claimed, and the epoch under which it was found to be free, or due. */
export interface ClaimedUnder {
  readonly shard: ShardId
  readonly epoch: number
}

/** What has become of shards. */
interface Ended {
  readonly opened?: readonly ReadShard[]
  readonly claimed?: readonly ClaimedUnder[]
  readonly failed?: readonly FailedShard[]
}

type ReadShard = Pick<ShardState, 'shard' | 'lane' | 'applied'>

/**
 * Opens, claims and closes the shards of this node on its workers, and has their lanes read for them. Each call waits for all of its shards, but for none of
 * them long: one whose bucket or registry hangs is moved on meanwhile, and is not touched by anything else until that has ended.
 */
export class ShardMoves {
  readonly #options: ShardMovesOptions
  readonly #moving = new Set<ShardId>()
  /** Shards that the readers of their lanes have taken in. */
  readonly #read = new Set<ShardId>()
  /** Shards that this node should hold and could not open so far. */
  readonly #unopened = new Set<ShardId>()
  readonly #late = new Set<Promise<void>>()
  #isStopped = false

  constructor(options: ShardMovesOptions) {
    this.#options = options
  }

  /** Shards that are to be opened and are not, so far. */
  get unopened(): ReadonlySet<ShardId> {
    return this.#unopened
  }

  get areUnderWay(): boolean {
    return this.#moving.size > 0
  }

  isMoving(shard: ShardId): boolean {
    return this.#moving.has(shard)
  }

  /** False for a shard that is open, but whose lane is not read for it: it must not be claimed. */
  isRead(shard: ShardId): boolean {
    return this.#read.has(shard)
  }

  /** From now on no lane is read for another shard. */
  stop(): void {
    this.#isStopped = true
  }

  /** Resolves when what took long has ended; never rejects. */
  async ended(): Promise<void> {
    await Promise.all(this.#late)
  }

  /** Shards outside `wanted` are not missed any more. */
  forgetUnopened(wanted: readonly ShardId[]): void {
    for (const shard of this.#unopened) {
      if (!wanted.includes(shard) && !this.#moving.has(shard)) this.#unopened.delete(shard)
    }
  }

  async describe(): Promise<readonly ShardState[]> {
    const { hosts } = this.#options
    const asks = hosts.map((host) => host.ask({ kind: 'describeShards' }, { deadlineMs: DESCRIBE_DEADLINE_MS }))
    return (await Promise.all(asks)).flat()
  }

  /** Opens shards on their workers and has their lanes read for them. Returns those that are open and read. */
  async open(shards: readonly ShardId[], lanes: readonly LaneEnd[]): Promise<ShardId[]> {
    const isInTime = await this.#patiently('opened', shards, (shard) => this.#openOne(shard, lanes))
    for (const shard of shards) if (!isInTime(shard)) this.#unopened.add(shard)
    return shards.filter((shard) => isInTime(shard) && this.#read.has(shard))
  }

  async claim(shards: readonly ClaimedUnder[], lanes: readonly LaneEnd[]): Promise<void> {
    const epochs = new Map(shards.map(({ shard, epoch }) => [shard, epoch]))
    await this.#patiently('claimed', [...epochs.keys()], (shard) => {
      const { generation } = lanes[laneOf(shard, this.#options.laneCount)]!
      const claiming = [{ shard, generation, epoch: epochs.get(shard)! }]
      return this.#hostOf(shard).ask({ kind: 'claimShards', shards: claiming }, { deadlineMs: MOVE_DEADLINE_MS })
    })
  }

  async close(shards: readonly ShardId[]): Promise<void> {
    const { laneReaders, laneCount } = this.#options
    const deadlineMs = MOVE_DEADLINE_MS
    const removed = laneReaders.map(async (reader, lane) => {
      const own = shards.filter((shard) => laneOf(shard, laneCount) === lane)
      if (own.length === 0) return
      for (const shard of own) this.#read.delete(shard)
      await reader.ask({ kind: 'removeShards', shards: own }, { deadlineMs })
    })
    await this.#patiently('closed', shards, async (shard) => {
      await removed[laneOf(shard, laneCount)]
      await this.#hostOf(shard).ask({ kind: 'closeShards', shards: [shard] }, { deadlineMs })
      return {}
    })
  }

  /** Has the lanes read for open shards, each from behind what it has applied. Those of which that fails are offered again by the next call. */
  async readFor(shards: readonly ReadShard[]): Promise<void> {
    const { laneReaders, logger, onFailed } = this.#options
    const unread = shards.filter(({ shard }) => !this.#read.has(shard))
    if (unread.length === 0 || this.#isStopped) return
    await Promise.all(
      laneReaders.map(async (reader, lane) => {
        const own = unread.filter((one) => one.lane === lane)
        const added = own.map(({ shard, applied }) => ({ shard, after: applied }))
        if (added.length === 0) return
        try {
          await reader.ask({ kind: 'addShards', shards: added }, { deadlineMs: READ_DEADLINE_MS })
          for (const { shard } of own) this.#read.add(shard)
        } catch (error) {
          onFailed()
          const details = { lane, shards: own.map(({ shard }) => shard), error: asWeirError(error) }
          logger.warn('the lane of shards could not be read for them; it will be tried again', details)
        }
      }),
    )
  }

  #hostOf(shard: ShardId): ActorRef<ShardHostMessage> {
    const { hosts } = this.#options
    return hosts[workerOf(shard, hosts.length)]!
  }

  /** Moves each shard by `move`. Returns which of them have ended, one way or the other; the others go on by themselves. */
  async #patiently(
    what: 'opened' | 'claimed' | 'closed',
    shards: readonly ShardId[],
    move: (shard: ShardId) => Promise<Ended>,
  ): Promise<(shard: ShardId) => boolean> {
    const { clock, logger, onLate } = this.#options
    const going = new Set(shards)
    let ended: Ended[] = []
    const all = Promise.all(
      shards.map(async (shard) => {
        this.#moving.add(shard)
        let end: Ended
        try {
          end = await move(shard)
        } catch (error) {
          end = { failed: [{ shard, error: asWeirError(error) }] }
        }
        ended.push(end)
        going.delete(shard)
      }),
    )
    const take = async (isOver: readonly ShardId[]): Promise<void> => {
      const taken = ended
      ended = []
      await this.#end(what, taken)
      for (const shard of isOver) this.#moving.delete(shard)
    }
    const patience = new AbortController()
    await Promise.race([all, clock.sleep(PATIENCE_MS, patience.signal).catch(() => undefined)])
    patience.abort()
    const late = [...going]
    await take(shards.filter((shard) => !late.includes(shard)))
    if (late.length > 0) {
      logger.warn(`shards are slow to be ${what}; the node goes on meanwhile`, { shards: late })
      const end = all
        .then(() => take(late))
        .then(() => {
          this.#late.delete(end)
          onLate()
        })
      this.#late.add(end)
    }
    return (shard) => !late.includes(shard)
  }

  /** Does not reject. */
  async #end(what: string, ends: readonly Ended[]): Promise<void> {
    const { logger, onFailed } = this.#options
    const opened = ends.flatMap((end) => end.opened ?? [])
    const claimed = ends.flatMap((end) => end.claimed ?? [])
    const failed = ends.flatMap((end) => end.failed ?? [])
    await this.readFor(opened)
    for (const { shard } of opened) {
      if (this.#read.has(shard)) this.#unopened.delete(shard)
      else this.#unopened.add(shard)
    }
    if (claimed.length > 0) {
      logger.info('shards are owned by this node now', { shards: claimed.map(({ shard }) => shard) })
    }
    const [first] = failed
    if (first === undefined) return
    const shards = failed.map(({ shard }) => shard)
    if (what === 'opened') for (const shard of shards) this.#unopened.add(shard)
    // Of nodes that start together, or take over together, one is first; the next step sees what it has done.
    if (failed.every(({ error }) => error.code === 'revision_conflict')) {
      logger.info(`shards were not ${what}: another node was first`, { shards })
      return
    }
    onFailed()
    logger.warn(`shards could not be ${what}; it will be tried again`, { shards, error: first.error })
  }

  async #openOne(shard: ShardId, lanes: readonly LaneEnd[]): Promise<Ended> {
    const { laneCount, clock } = this.#options
    const lane = laneOf(shard, laneCount)
    const ask = ({ generation, lastSequence }: LaneEnd) =>
      this.#hostOf(shard).ask(
        { kind: 'openShards', shards: [{ shard, lane, generation, lastSequence }] },
        { deadlineMs: MOVE_DEADLINE_MS },
      )
    const startedMs = clock.monotonicMs()
    const answer = await ask(lanes[lane]!)
    if (answer.opened.length === 0 || clock.monotonicMs() - startedMs < PATIENCE_MS) return answer
    // Q2, D3: what was acknowledged meanwhile belongs to what it must have applied before it is caught up.
    return await ask(await this.#endNow(lane))
  }

  /** Asks until the journal answers, or this node stops. */
  async #endNow(lane: LaneId): Promise<LaneEnd> {
    const { journal, clock } = this.#options
    for (;;) {
      try {
        return await journal.state(lane)
      } catch (error) {
        if (this.#isStopped) throw error
        await clock.sleep(RETRY_MS)
      }
    }
  }
}
