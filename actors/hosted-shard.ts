import type { Clock } from '../base/clock.ts'
import { WeirError } from '../base/errors.ts'
import type { LaneId, NodeId, ShardId } from '../base/ids.ts'
import { comparePositions, POSITION_ZERO } from '../base/ids.ts'
import type { Logger } from '../base/logger.ts'
import type { Registry } from '../cluster/registry.ts'
import type { ActivePlans } from '../storage/active-plans.ts'
import type { OnRows } from '../storage/applied-rows.ts'
import type { CutReport } from '../storage/cut-head.ts'
import type { HeadBudget } from '../storage/head-budget.ts'
import type { KeyValueEngine } from '../storage/kv.ts'
import type { ShardEntry } from '../storage/manifest.ts'
import type { ObjectStore } from '../storage/object-store/object-store.ts'
import { PublishedState } from '../storage/published-state.ts'
import { readSeenPages } from '../storage/seen-pages.ts'
import { ShardStore } from '../storage/shard-store.ts'
import type {
  OpenedLane,
  SegmentPublisherMessage,
  ShardControllerMessage,
  ShardWriterMessage,
} from './messages/shard.ts'
import { isOfLostJournal } from './ownership-plan.ts'
import type { PublishTurns } from './publish-turns.ts'
import type { ActorRef } from './runtime/actor-ref.ts'
import type { ActorSystem } from './runtime/actor-system.ts'
import { RESTART_DEFAULT } from './runtime/supervisor.ts'
import type { SegmentPublisherHooks } from './segment-publisher.ts'
import { SegmentPublisher } from './segment-publisher.ts'
import { ShardPace } from './shard-lag.ts'
import { claimShard, publishedOf, readShardEntry, ShardLedger } from './shard-ledger.ts'
import type { ShardWriterHooks } from './shard-writer.ts'
import { ShardWriter } from './shard-writer.ts'

/** A failure of what writes must not be repaired in place: the node ends, and the journal brings back what memory held. */
const FAIL_FAST = { ...RESTART_DEFAULT, budget: 0 }
const STOP_PUBLISHER_MS = 1000

/** What the shards of a worker have in common. */
export interface ShardParts {
  readonly system: ActorSystem
  readonly nodeId: NodeId
  /** Directory of all shards; each has its own in it, named by its number. */
  readonly directory: string
  readonly engine: KeyValueEngine
  readonly registry: Registry
  readonly objects: ObjectStore
  readonly clock: Clock
  readonly logger: Logger
  readonly budget: HeadBudget
  /** S4: cuts the largest head of all shards of the worker. */
  readonly cutLargestOfWorker: () => void
  readonly plans: ActivePlans
  readonly publishTurns: PublishTurns
  readonly controller: ActorRef<ShardControllerMessage>
  readonly retentionDays: number
  readonly cutZstdLevel: number
  readonly mergeZstdLevel: number
  readonly hooks?: ShardHooks
}

export interface ShardHooks extends SegmentPublisherHooks, ShardWriterHooks {
  readonly onCut?: (cut: CutReport) => void
  /** Of owners and followers alike. */
  readonly onRows?: OnRows
}

/** What an owner has that a follower has not. */
interface Holding {
  readonly ledger: ShardLedger
  readonly publisher: ActorRef<SegmentPublisherMessage>
}

/**
 * A shard as this node holds it. A *follower* applies what the journal brings and takes over what the owner publishes (C7); an *owner* publishes
 * itself, under an epoch that fences whoever was owner before (C2). A follower becomes owner by `claim`, and an owner that was replaced goes
 * on as a follower: what it has applied stays good, since the journal alone decides it.
 */
export class HostedShard {
  readonly shard: ShardId
  readonly lane: LaneId
  readonly store: ShardStore
  readonly writer: ActorRef<ShardWriterMessage>
  /** The last frame of the lane when the shard had been opened: with it applied, the shard knows what was acknowledged before. */
  caughtUpAt: number
  readonly pace = new ShardPace()
  readonly #parts: ShardParts
  /** Of the newest state that the store was given to follow. */
  #manifestObject: string
  /** J3: of the lane, up to which what this shard knows of keys is what the owner knows. */
  #generation: number
  #holding: Holding | undefined
  /** The end of the last change of role; never rejects. */
  #changes: Promise<unknown> = Promise.resolve()
  #isClosed = false

  private constructor(
    parts: ShardParts,
    lane: OpenedLane,
    store: ShardStore,
    writer: ActorRef<ShardWriterMessage>,
    manifestObject: string,
  ) {
    const { floor } = store.published
    this.#parts = parts
    this.#manifestObject = manifestObject
    this.#generation = comparePositions(floor, POSITION_ZERO) === 0 ? lane.generation : floor.generation
    this.shard = store.shard
    this.lane = lane.lane
    this.caughtUpAt = lane.lastSequence
    this.store = store
    this.writer = writer
  }

  /** Opens a shard as a follower, with what the registry says is published. Throws storage_unavailable, corrupt_data. */
  static async open(parts: ShardParts, shard: ShardId, lane: OpenedLane): Promise<HostedShard> {
    const { system, registry, objects, engine, clock, budget, cutLargestOfWorker, plans, hooks } = parts
    const known = await readShardEntry(shard, registry)
    const published = known === undefined ? PublishedState.empty() : await publishedOf(known.entry, objects)
    const store = await ShardStore.open({
      shard,
      directory: `${parts.directory}/${shard}`,
      engine,
      clock,
      budget,
      published,
      seen: await readSeenPages(published.page.seen, objects),
      zstdLevel: parts.cutZstdLevel,
      whenUnread: (action) => plans.whenOver(action),
      ...(hooks?.onCut === undefined ? {} : { onCut: hooks.onCut }),
      ...(hooks?.onRows === undefined ? {} : { onRows: hooks.onRows }),
    })
    // Else its floor would stay in a journal that is no more, and the shard on its owner, until somebody sends something.
    if (lane.lastSequence === 0 && isOfLostJournal(published.floor, lane.generation)) store.beginAnew(lane.generation)
    const writer = system.spawn<ShardWriterMessage>(
      `shard-writer-${shard}`,
      ({ logger }) => new ShardWriter({ ...hooks, store, budget, cutLargestOfWorker, clock, logger }),
      // What is refused makes the reader of the lane go back; nothing is dropped.
      { mailboxMax: 64, overflow: 'reject', restart: FAIL_FAST },
    )
    return new HostedShard(parts, lane, store, writer, known?.entry.manifestObject ?? '')
  }

  get role(): 'owner' | 'follower' {
    return this.#holding === undefined ? 'follower' : 'owner'
  }

  /**
   * False when a follower must be opened anew, since it may know other keys than the owner (D3): when something that is published was trimmed before it
   * read it, or went with a journal that was lost. Of the end of that, nodes have read more or less than the owner: so once the owner
   * has published in the next generation (J3), all that were opened before begin anew.
   */
  isGoodFor({ floor }: ShardEntry): boolean {
    return floor.generation <= this.#generation && this.store.missed(floor) === undefined
  }

  /** Of the owner; 0 for a follower. */
  get epoch(): number {
    return this.#holding?.ledger.entry.epoch ?? 0
  }

  /** Of an owner only. */
  get publisher(): ActorRef<SegmentPublisherMessage> | undefined {
    return this.#holding?.publisher
  }

  /** True when all that the journal held when the shard was opened has been applied. */
  get isCaughtUp(): boolean {
    return this.store.applied.sequence >= this.caughtUpAt
  }

  /**
   * Becomes the owner by one compare-and-set (C2); returns the epoch. Throws revision_conflict when the entry has changed meanwhile, or since
   * it was of `seenEpoch`, shard_unavailable
   * while what is published is ahead of what this follower has applied, and storage_unavailable, after which it may or may not own the shard: claim again.
   */
  claim(generation: number, seenEpoch?: number): Promise<number> {
    return this.#inTurn(() => this.#claim(generation, seenEpoch))
  }

  /** Follows the entry that the registry now has. An owner whom it names no more ceases to be one. */
  follow(entry: ShardEntry): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#isClosed) return
      if (this.#holding !== undefined) {
        if (entry.epoch <= this.epoch) return
        await this.#cede()
      }
      if (entry.manifestObject === this.#manifestObject) return
      await this.store.follow(await publishedOf(entry, this.#parts.objects))
      this.#manifestObject = entry.manifestObject
    })
  }

  /** Stops; what is not published the journal has. `discard` also removes what this disk holds of the shard. */
  close(options: { readonly discard: boolean }): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#isClosed) return
      this.#isClosed = true
      await this.#cede()
      await this.#parts.system.stopActor(`shard-writer-${this.shard}`, 0)
      await this.store.close()
      if (options.discard) await ShardStore.destroy(this.#parts.engine, `${this.#parts.directory}/${this.shard}`)
    })
  }

  async #claim(generation: number, seenEpoch: number | undefined): Promise<number> {
    const { nodeId, registry, objects, clock, system, controller, plans, hooks } = this.#parts
    const { store, shard, lane } = this
    if (this.#isClosed) throw new WeirError('shard_unavailable', 'the shard is closed', { shard })
    if (this.#holding !== undefined) return this.epoch
    const known = await readShardEntry(shard, registry)
    const epoch = known?.entry.epoch ?? 0
    if (seenEpoch !== undefined && epoch !== seenEpoch) {
      throw new WeirError('revision_conflict', 'the shard has changed its owner meanwhile', { shard, epoch, seenEpoch })
    }
    if (known !== undefined) await this.#adopt(known.entry)
    const claimed = await claimShard(shard, nodeId, generation, registry, known)
    const ledger = new ShardLedger({ store, claimed, registry, objects, clock })
    const publisher = system.spawn<SegmentPublisherMessage>(
      `segment-publisher-${shard}`,
      ({ logger }) =>
        new SegmentPublisher({
          ...hooks,
          lane,
          store,
          ledger,
          objects,
          controller,
          plans,
          turns: this.#parts.publishTurns,
          isHeld: () => this.#holding?.ledger === ledger,
          retentionDays: this.#parts.retentionDays,
          mergeZstdLevel: this.#parts.mergeZstdLevel,
          clock,
          logger,
          onFenced: () => void this.#inTurn(() => this.#ceded(ledger)),
        }),
      // The host has one of each kind of work wait in it (shard-host.ts); the last publish of a drain must get in.
      { mailboxMax: 4, overflow: 'dropOldest', restart: FAIL_FAST },
    )
    this.#holding = { ledger, publisher }
    return claimed.entry.epoch
  }

  /** An owner publishes on top of what is published already: so it must have taken that over. */
  async #adopt(entry: ShardEntry): Promise<void> {
    const { store, shard } = this
    if (!this.isGoodFor(entry)) {
      throw new WeirError('shard_unavailable', 'the journal began anew; the shard must be opened anew here', { shard })
    }
    const isKnown =
      entry.manifestObject === this.#manifestObject && comparePositions(entry.floor, store.published.floor) === 0
    const published = isKnown ? store.published : await publishedOf(entry, this.#parts.objects)
    if (!isKnown) await store.follow(published)
    this.#manifestObject = entry.manifestObject
    if (store.published === published) return
    throw new WeirError('shard_unavailable', 'more is published of the shard than has been applied here', { shard })
  }

  /** Fenced was who published with this ledger; the shard may have been claimed again since. */
  async #ceded(ledger: ShardLedger): Promise<void> {
    if (this.#holding?.ledger === ledger) await this.#cede()
  }

  async #cede(): Promise<void> {
    if (this.#holding === undefined) return
    this.#generation = Math.max(this.#generation, this.#holding.ledger.entry.floor.generation)
    this.#holding = undefined
    // A step of publishing that is under way fails its compare-and-set.
    await this.#parts.system.stopActor(`segment-publisher-${this.shard}`, STOP_PUBLISHER_MS)
  }

  #inTurn<R>(work: () => Promise<R>): Promise<R> {
    const done = this.#changes.then(work)
    this.#changes = done.catch(() => undefined)
    return done
  }
}
