import { assert } from '../base/assert.ts'
import type { Clock, Timer } from '../base/clock.ts'
import type { LaneId, ShardId } from '../base/ids.ts'
import { UNPUBLISHED_BYTES_MAX } from '../base/limits.ts'
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
/** S3: with heads at most 30 s old, a publish every minute keeps every row within two. Shards take turns within it. */
const PUBLISH_EVERY_TICKS = 60
const APPLY_DEADLINE_MS = 120_000
const PUBLISH_DEADLINE_MS = 60_000

export interface HostedShard {
  readonly lane: LaneId
  readonly store: ShardStore
  readonly writer: ActorRef<ShardWriterMessage>
  readonly publisher: ActorRef<SegmentPublisherMessage>
}

export interface ShardHostOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly budget: HeadBudget
  /** The shards of this worker; its QueryLeaf reads the same map. */
  readonly shards: Map<ShardId, HostedShard>
  /** Takes the shard over in the registry, opens its store, spawns its writer and publisher. */
  readonly open: (shard: ShardId, generation: number) => Promise<HostedShard>
}

/** One a worker: owns the stores of the worker's shards, opens and closes them, and passes sections on to their writers. */
export class ShardHost implements Actor<ShardHostMessage> {
  readonly #options: ShardHostOptions
  #ticking: Timer | undefined

  constructor(options: ShardHostOptions) {
    this.#options = options
  }

  started(): void {
    let ticks = 0
    this.#ticking = this.#options.clock.every(TICK_MS, () => this.#tick(ticks++))
  }

  #tick(tick: number): void {
    for (const [shard, { writer, publisher, store }] of this.#options.shards) {
      writer.tell({ kind: 'tick' })
      const turn = (tick + shard) % PUBLISH_EVERY_TICKS
      if (turn === 0) publisher.tell({ kind: 'publish', everything: false })
      else if (turn === PUBLISH_EVERY_TICKS / 2) publisher.tell({ kind: 'tidyUp' })
      else if (turn % 5 === 0 && store.unpublishedBytes() > UNPUBLISHED_BYTES_MAX) {
        publisher.tell({ kind: 'publish', everything: false })
      }
    }
  }

  stopping(): void {
    this.#ticking?.cancel()
  }

  async handle(message: ShardHostMessage, context: MessageContext): Promise<void> {
    switch (message.kind) {
      case 'applyFrames': {
        const rows = await this.#apply(message, context.signal)
        context.answer(message, { rows })
        return
      }
      case 'openShards':
        context.answer(message, await this.#open(message))
        return
      case 'drainShards':
        await this.#drain(message)
        context.answer(message, undefined)
    }
  }

  observe(): Readonly<Record<string, unknown>> {
    const { shards, budget } = this.#options
    return { shards: shards.size, headBytes: budget.bytes }
  }

  async #apply(run: ApplyFrames, signal: AbortSignal): Promise<number> {
    const asks: Promise<{ readonly rows: number }>[] = []
    const { after, through } = run
    const withSections = new Set<ShardId>()
    for (const { shard, sections } of run.shards) {
      const hosted = this.#options.shards.get(shard)
      if (hosted === undefined) continue
      withSections.add(shard)
      const message = { kind: 'applySections', after, through, sections } as const
      asks.push(hosted.writer.ask(message, { deadlineMs: APPLY_DEADLINE_MS, signal }))
    }
    const results = await Promise.all(asks)
    for (const [shard, { lane, store }] of this.#options.shards) {
      if (lane === run.lane && !withSections.has(shard)) store.frameApplied(through)
    }
    return results.reduce((sum, { rows }) => sum + rows, 0)
  }

  async #open(message: OpenShards) {
    const opened = []
    for (const { shard, lane, generation } of message.shards) {
      assert(!this.#options.shards.has(shard), `shard ${shard} is opened once`)
      const hosted = await this.#options.open(shard, generation)
      this.#options.shards.set(shard, hosted)
      opened.push({ shard, lane, replayFrom: hosted.store.replayFrom })
    }
    return opened
  }

  async #drain(message: DrainShards): Promise<void> {
    const { shards, logger } = this.#options
    this.#ticking?.cancel()
    for (const [shard, { publisher, store }] of shards) {
      if (message.publish) {
        try {
          await publisher.ask({ kind: 'publish', everything: true }, { deadlineMs: PUBLISH_DEADLINE_MS })
        } catch (error) {
          logger.warn('not everything could be published before the stop; the journal has it', { shard, error })
        }
      }
      await store.close()
    }
    shards.clear()
  }
}
