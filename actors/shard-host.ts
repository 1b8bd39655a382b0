import { assert } from '../base/assert.ts'
import type { Clock, Timer } from '../base/clock.ts'
import { asWeirError } from '../base/errors.ts'
import type { LaneId, ShardId } from '../base/ids.ts'
import { HEAD_AGE_MAX_MS, UNPUBLISHED_AGE_MAX_MS, UNPUBLISHED_BYTES_MAX } from '../base/limits.ts'
import type { Logger } from '../base/logger.ts'
import type { HeadBudget } from '../storage/head-budget.ts'
import type { ShardStore } from '../storage/shard-store.ts'
import type {
  ApplyFrames,
  DrainShards,
  OpenShards,
  SegmentPublisherMessage,
  ShardHostMessage,
  ShardWriterMessage,
} from './messages/shard.ts'
import type { Actor, MessageContext } from './runtime/actor.ts'
import type { ActorRef } from './runtime/actor-ref.ts'

const TICK_MS = 1000
/** S3: what has become of a head at most so old is published so soon that no row waits for longer; shards take turns within it. */
const PUBLISH_EVERY_TICKS = (UNPUBLISHED_AGE_MAX_MS - 2 * HEAD_AGE_MAX_MS) / TICK_MS
const CHECK_BYTES_EVERY_TICKS = 5
/** The same trouble with the disk is logged again after this long. */
const COMPLAIN_EVERY_TICKS = 30
const APPLY_DEADLINE_MS = 120_000
/** Shards published side by side at the end: each waits for the disk most of the time. */
const DRAINED_AT_ONCE = 4

export interface HostedShard {
  readonly lane: LaneId
  readonly store: ShardStore
  readonly writer: ActorRef<ShardWriterMessage>
  readonly publisher: ActorRef<SegmentPublisherMessage>
  /** The last frame of the lane when the shard was opened: with it applied, the shard knows what was acknowledged before. */
  readonly caughtUpAt: number
}

export interface ShardHostOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly budget: HeadBudget
  /** The shards of this worker; its QueryLeaf reads the same map. */
  readonly shards: Map<ShardId, HostedShard>
  /** Takes the shard over in the registry, opens its store, spawns its writer and publisher. */
  readonly open: (shard: ShardId, generation: number) => Promise<Omit<HostedShard, 'caughtUpAt'>>
}

/**
 * One a worker: opens and closes the worker's shards, passes runs of frames on to their writers one run after the other, and keeps time for all of
 * them: cuts what is old, asks the publishers in turn.
 */
export class ShardHost implements Actor<ShardHostMessage> {
  readonly #options: ShardHostOptions
  #ticking: Timer | undefined
  /** The end of the last run; never rejects. */
  #runs: Promise<unknown> = Promise.resolve()

  constructor(options: ShardHostOptions) {
    this.#options = options
  }

  started(): void {
    let ticks = 0
    this.#ticking = this.#options.clock.every(TICK_MS, () => this.#tick(ticks++))
  }

  stopping(): void {
    this.#ticking?.cancel()
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
      case 'openShards':
        context.answer(message, await this.#open(message))
        return
      case 'publishLane':
        for (const { lane, publisher } of this.#options.shards.values()) {
          if (lane === message.lane) tellIfThere(publisher, { kind: 'publish', everything: true })
        }
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

  #tick(tick: number): void {
    for (const [shard, { publisher, store }] of this.#options.shards) {
      // Not a message to the writer: that may be waiting for the very room that a cut makes.
      void store.cut('old')
      const turn = (tick + shard) % PUBLISH_EVERY_TICKS
      if (store.cutError !== undefined && turn % COMPLAIN_EVERY_TICKS === 0) {
        const error = asWeirError(store.cutError)
        this.#options.logger.error('rows cannot be stored; they stay in memory and in the journal', { shard, error })
      }
      if (turn === 0) tellIfThere(publisher, { kind: 'publish', everything: false })
      else if (turn === PUBLISH_EVERY_TICKS / 2) tellIfThere(publisher, { kind: 'tidyUp' })
      else if (turn % CHECK_BYTES_EVERY_TICKS === 0 && store.unpublishedBytes() > UNPUBLISHED_BYTES_MAX) {
        tellIfThere(publisher, { kind: 'publish', everything: false })
      }
    }
  }

  async #apply(run: ApplyFrames, signal: AbortSignal): Promise<{ readonly rows: number }> {
    const { shards } = this.#options
    const { after, through } = run
    const withSections = new Set<ShardId>()
    const asks: Promise<{ readonly rows: number }>[] = []
    for (const { shard, sections } of run.shards) {
      const hosted = shards.get(shard)
      if (hosted === undefined) continue
      withSections.add(shard)
      const message = { kind: 'applySections', after, through, sections } as const
      asks.push(hosted.writer.ask(message, { deadlineMs: APPLY_DEADLINE_MS, signal }))
    }
    // All of them: the next run must not meet writers that are still at this one.
    const results = await Promise.allSettled(asks)
    for (const [shard, { lane, store }] of shards) {
      if (lane === run.lane && !withSections.has(shard)) store.passOver(after, through)
    }
    let rows = 0
    for (const result of results) {
      if (result.status === 'rejected') throw result.reason
      rows += result.value.rows
    }
    return { rows }
  }

  async #open(message: OpenShards) {
    const opened = []
    for (const { shard, lane, generation, lastSequence } of message.shards) {
      assert(!this.#options.shards.has(shard), `shard ${shard} is opened once`)
      const hosted = { ...(await this.#options.open(shard, generation)), caughtUpAt: lastSequence }
      this.#options.shards.set(shard, hosted)
      opened.push({ shard, lane, replayFrom: hosted.store.applied })
    }
    return opened
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
        await hosted.store.close()
      }
    }
    await Promise.all(Array.from({ length: DRAINED_AT_ONCE }, drainOne))
    shards.clear()
  }

  async #publishLast(shard: ShardId, { publisher }: HostedShard, remainingMs: number): Promise<void> {
    if (remainingMs <= 0) return
    try {
      await publisher.ask({ kind: 'publish', everything: true }, { deadlineMs: remainingMs })
    } catch (error) {
      const { logger } = this.#options
      logger.warn('not everything could be published before the stop; the journal has it', { shard, error })
    }
  }
}

/** What happens on time happens again; a publisher that has stopped needs it no more. */
function tellIfThere(publisher: ActorRef<SegmentPublisherMessage>, message: SegmentPublisherMessage): void {
  try {
    publisher.tell(message)
  } catch (error) {
    if (asWeirError(error).code !== 'actor_stopped') throw error
  }
}
