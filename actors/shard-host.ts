import type { Clock, Timer } from '../base/clock.ts'
import { asWeirError, WeirError } from '../base/errors.ts'
import type { ShardId } from '../base/ids.ts'
import { HEAD_AGE_MAX_MS, UNPUBLISHED_AGE_MAX_MS, UNPUBLISHED_BYTES_MAX } from '../base/limits.ts'
import type { Logger } from '../base/logger.ts'
import type { HeadBudget } from '../storage/head-budget.ts'
import type { ShardEntry } from '../storage/manifest.ts'
import type { HostedShard } from './hosted-shard.ts'
import type {
  ApplyFrames,
  ClaimShards,
  DrainShards,
  FailedShard,
  OpenedLane,
  OpenShards,
  PublishLane,
  SegmentPublisherMessage,
  ShardHostMessage,
  ShardState,
} from './messages/shard.ts'
import type { Actor, MessageContext } from './runtime/actor.ts'
import type { ActorRef } from './runtime/actor-ref.ts'
import type { ShardMap } from './shard-map.ts'

const TICK_MS = 1000
/** S3: what has become of a head at most so old is published so soon that no row waits for longer; shards take turns within it. */
const PUBLISH_EVERY_TICKS = (UNPUBLISHED_AGE_MAX_MS - 2 * HEAD_AGE_MAX_MS) / TICK_MS
const CHECK_BYTES_EVERY_TICKS = 5
/** The same trouble with the disk is logged again after this long. */
const COMPLAIN_EVERY_TICKS = 30
const APPLY_DEADLINE_MS = 120_000
/** Shards published side by side at the end: each waits for the disk most of the time. */
const DRAINED_AT_ONCE = 4
/** Who waits for a shard is told that it cannot be opened yet when that takes longer. */
const OPEN_SLOW_MS = 2000
const PUBLISH_ALL = { kind: 'publish', everything: true } as const

export interface ShardHostOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly budget: HeadBudget
  /** The shards of this worker; its QueryLeaf reads the same map. */
  readonly shards: Map<ShardId, HostedShard>
  /** Shards that were to be opened and are not yet, because of the object store or the disk, and why; its QueryLeaf reads the same map. */
  readonly unopened: Map<ShardId, string>
  /** Opens a shard as a follower. */
  readonly open: (shard: ShardId, lane: OpenedLane) => Promise<HostedShard>
  readonly shardMap: ShardMap
}

/**
 * One a worker: opens, claims and closes the worker's shards, lets them follow what the registry says of them, passes runs of frames on to their
 * writers one run after the other, and keeps time for all of them: cuts what is old, asks the publishers in turn.
 */
export class ShardHost implements Actor<ShardHostMessage> {
  readonly #options: ShardHostOptions
  #ticking: Timer | undefined
  #stopFollowing: (() => void) | undefined
  readonly #opening = new Map<ShardId, Promise<HostedShard>>()
  /** What each publisher has been asked and has not done yet. */
  readonly #waiting = new WeakMap<ActorRef<SegmentPublisherMessage>, Set<string>>()
  /** The end of the last run; never rejects. */
  #runs: Promise<unknown> = Promise.resolve()

  constructor(options: ShardHostOptions) {
    this.#options = options
  }

  started(): void {
    let ticks = 0
    this.#ticking = this.#options.clock.every(TICK_MS, () => this.#tick(ticks++))
    this.#stopFollowing = this.#options.shardMap.onChange((shard) => this.#follow(shard))
  }

  stopping(): void {
    this.#ticking?.cancel()
    this.#stopFollowing?.()
  }

  async handle(message: ShardHostMessage, context: MessageContext): Promise<void> {
    switch (message.kind) {
      case 'applyFrames': {
        // A run may wait for the disk; what else is asked of the host does not wait for it.
        const reply = context.defer(message)
        const run = this.#runs.then(() => this.#apply(message, reply.signal))
        reply.settleWith(() => run)
        this.#runs = run.catch(() => undefined)
        return
      }
      // Waiting for the disk, the registry and the object store must not hold up the runs of the other shards.
      case 'openShards':
        context.defer(message).settleWith(() => this.#open(message))
        return
      case 'claimShards':
        context.defer(message).settleWith(() => this.#claim(message))
        return
      case 'closeShards':
        context.defer(message).settleWith(() => this.#close(message.shards))
        return
      case 'describeShards':
        context.answer(message, this.#states())
        return
      case 'publishLane':
        this.#publishLane(message)
        return
      case 'drainShards':
        await this.#runs
        await this.#drain(message)
        context.answer(message, undefined)
    }
  }

  observe(): Readonly<Record<string, unknown>> {
    const { shards, budget } = this.#options
    return { shards: shards.size, headBytes: budget.bytes }
  }

  #states(): ShardState[] {
    const { shards, shardMap } = this.#options
    return [...shards.values()].map((hosted) => stateOf(hosted, shardMap.get(hosted.shard)))
  }

  #publishLane({ lane, emptyBehind }: PublishLane): void {
    const publish = emptyBehind === undefined ? PUBLISH_ALL : { ...PUBLISH_ALL, emptyBehind }
    for (const { lane: own, publisher } of this.#options.shards.values()) {
      if (own === lane && publisher !== undefined) this.#remind(publisher, publish)
    }
  }

  #tick(tick: number): void {
    for (const [shard, { publisher, store }] of this.#options.shards) {
      // Not a message to the writer: that may be waiting for the very room that a cut makes.
      void store.cut('old')
      const turn = (tick + shard) % PUBLISH_EVERY_TICKS
      if (store.cutError !== undefined && turn % COMPLAIN_EVERY_TICKS === 0) {
        const error = asWeirError(store.cutError)
        this.#options.logger.error('rows cannot be stored; they stay in memory and in the journal', { shard, error })
      }
      if (publisher === undefined) continue
      if (turn === 0) this.#remind(publisher, { kind: 'publish', everything: false })
      else if (turn === PUBLISH_EVERY_TICKS / 2) this.#remind(publisher, { kind: 'tidyUp' })
      else if (turn % CHECK_BYTES_EVERY_TICKS === 0 && store.unpublishedBytes() > UNPUBLISHED_BYTES_MAX) {
        this.#remind(publisher, { kind: 'publish', everything: false })
      }
    }
  }

  async #apply(run: ApplyFrames, signal: AbortSignal): Promise<{ readonly rows: number }> {
    const { shards } = this.#options
    const { after, through, throughMs, members } = run
    for (const shard of members) shards.get(shard)?.store.noteGap(after, run.first)
    const rowsOf = new Map<ShardId, number>()
    const asks: Promise<{ readonly rows: number }>[] = []
    for (const { shard, rows, sections } of run.shards) {
      const hosted = shards.get(shard)
      if (hosted === undefined) continue
      rowsOf.set(shard, rows)
      const message = { kind: 'applySections', after, through, sections } as const
      asks.push(hosted.writer.ask(message, { deadlineMs: APPLY_DEADLINE_MS, signal }))
    }
    // All of them: the next run must not meet writers that are still at this one.
    const results = await Promise.allSettled(asks)
    for (const shard of members) {
      if (!rowsOf.has(shard)) shards.get(shard)?.store.passOver(after, through)
    }
    let rows = 0
    for (const result of results) {
      if (result.status === 'rejected') throw result.reason
      rows += result.value.rows
    }
    const frames = after.generation === through.generation ? through.sequence - after.sequence : through.sequence
    for (const shard of members) shards.get(shard)?.pace.applied(frames, rowsOf.get(shard) ?? 0, throughMs)
    return { rows }
  }

  async #open(message: OpenShards) {
    const { shards, unopened, open, clock } = this.#options
    const failed: FailedShard[] = []
    await Promise.all(
      message.shards.map(async ({ shard, ...lane }) => {
        const there = shards.get(shard)
        if (there !== undefined) {
          there.caughtUpAt = lane.lastSequence
          return
        }
        const slow = clock.after(OPEN_SLOW_MS, () => {
          unopened.set(shard, 'the shard cannot be opened yet: what is published of it has not been read')
        })
        try {
          let opening = this.#opening.get(shard)
          if (opening === undefined) {
            opening = open(shard, lane).finally(() => this.#opening.delete(shard))
            this.#opening.set(shard, opening)
          }
          const hosted = await opening
          shards.set(shard, hosted)
          unopened.delete(shard)
          this.#follow(shard)
        } catch (cause) {
          const error = asWeirError(cause)
          if (error.code === 'storage_unavailable') unopened.set(shard, `the shard cannot be opened: ${error.message}`)
          failed.push({ shard, error })
        } finally {
          slow.cancel()
        }
      }),
    )
    const opened = message.shards.flatMap(({ shard, lane }) => {
      const hosted = shards.get(shard)
      return hosted === undefined ? [] : [{ shard, lane, applied: hosted.store.applied }]
    })
    return { opened, failed }
  }

  async #claim(message: ClaimShards) {
    const failed: FailedShard[] = []
    const claimed: { shard: ShardId; epoch: number }[] = []
    await Promise.all(
      message.shards.map(async ({ shard, generation, epoch }) => {
        try {
          const hosted = this.#options.shards.get(shard)
          if (hosted === undefined) throw new WeirError('shard_unavailable', 'the shard is not open here', { shard })
          claimed.push({ shard, epoch: await hosted.claim(generation, epoch) })
        } catch (error) {
          failed.push({ shard, error: asWeirError(error) })
        }
      }),
    )
    return { claimed, failed }
  }

  async #close(closing: readonly ShardId[]): Promise<void> {
    const { shards } = this.#options
    await Promise.all(
      closing.map(async (shard) => {
        const hosted = shards.get(shard)
        shards.delete(shard)
        await hosted?.close({ discard: true })
      }),
    )
  }

  /** What the registry says of a shard is taken over; what fails is tried again with the next change, and before the shard is claimed. */
  #follow(shard: ShardId): void {
    const { shards, shardMap, logger } = this.#options
    const entry = shardMap.get(shard)
    const hosted = shards.get(shard)
    if (entry === undefined || hosted === undefined) return
    hosted.follow(entry).catch((error) => {
      logger.warn('what is published of a shard could not be taken over', { shard, error: asWeirError(error) })
    })
  }

  async #drain(message: DrainShards): Promise<void> {
    const { shards, clock } = this.#options
    this.#ticking?.cancel()
    const endsMs = clock.monotonicMs() + message.publishMs
    const waiting = [...shards]
    const drainOne = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const [shard, hosted] = next
        await this.#publishLast(shard, hosted, endsMs - clock.monotonicMs())
        await hosted.close({ discard: false })
      }
    }
    await Promise.all(Array.from({ length: DRAINED_AT_ONCE }, drainOne))
    shards.clear()
  }

  /**
   * Asks a publisher for what is due, unless it has been asked for the same and has not come to it: a publisher that is held up would find its mailbox full
   * of one kind of work, and the other pushed out of it. What fails happens again in time, and one that has stopped needs it no more.
   */
  #remind(publisher: ActorRef<SegmentPublisherMessage>, message: SegmentPublisherMessage): void {
    const waiting = this.#waiting.get(publisher) ?? new Set()
    this.#waiting.set(publisher, waiting)
    const work = message.kind === 'publish' && message.everything ? 'publish everything' : message.kind
    if (waiting.has(work)) return
    waiting.add(work)
    publisher
      .ask(message, { deadlineMs: Number.POSITIVE_INFINITY })
      .catch(() => undefined)
      .finally(() => waiting.delete(work))
  }

  async #publishLast(shard: ShardId, { publisher }: HostedShard, remainingMs: number): Promise<void> {
    if (remainingMs <= 0 || publisher === undefined) return
    try {
      await publisher.ask(PUBLISH_ALL, { deadlineMs: remainingMs })
    } catch (error) {
      const { logger } = this.#options
      logger.warn('not everything could be published before the stop; the journal has it', { shard, error })
    }
  }
}

function stateOf(hosted: HostedShard, entry: ShardEntry | undefined): ShardState {
  const { shard, lane, role, epoch, store, isCaughtUp, pace } = hosted
  const { rowsPerFrame, appliedMs } = pace
  const isOutdated = role === 'follower' && entry !== undefined && !hosted.isGoodFor(entry)
  const floor = store.published.floor
  return { shard, lane, role, epoch, isOutdated, applied: store.applied, isCaughtUp, floor, rowsPerFrame, appliedMs }
}
