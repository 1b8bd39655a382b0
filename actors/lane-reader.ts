import type { Clock } from '../base/clock.ts'
import type { LaneId, Position, ShardId } from '../base/ids.ts'
import { comparePositions, POSITION_ZERO } from '../base/ids.ts'
import type { Logger } from '../base/logger.ts'
import type { Journal, JournalMessage } from '../cluster/journal.ts'
import { LaneLoop } from './lane-loop.ts'
import type { HostAddress } from './lane-run.ts'
import { handOnRun } from './lane-run.ts'
import type { AddShards, LaneReaderMessage } from './messages/shard.ts'
import type { Actor, MessageContext } from './runtime/actor.ts'

/** A loop that is this near to the main one makes it wait, or under load it would never be reached. */
const NEAR_FRAMES = 256

export interface LaneReaderOptions {
  readonly lane: LaneId
  readonly journal: Journal
  readonly clock: Clock
  readonly logger: Logger
  /** Host of the worker that holds each shard. */
  readonly hostOf: (shard: ShardId) => HostAddress
  readonly hosts: readonly HostAddress[]
  /** Reading begins behind this position, which all shards that are read for have applied. */
  readonly onBegin?: (after: Position) => void
  /** The lane is read no more: no shard of it is here. */
  readonly onEnd?: () => void
  readonly onRun?: (run: { readonly frames: number; readonly bytes: number; readonly through: Position }) => void
}

/**
 * Reads one lane of the journal once for its node (J2a) and hands each worker the sections of its shards, in order. Shards that are added while the
 * lane is being read catch up in a loop of their own, so that the others need not wait for them, and join the main loop where they meet it.
 */
export class LaneReader implements Actor<LaneReaderMessage> {
  readonly #options: LaneReaderOptions
  #main: LaneLoop | undefined
  readonly #behind = new Set<LaneLoop>()

  constructor(options: LaneReaderOptions) {
    this.#options = options
  }

  async handle(message: LaneReaderMessage, context: MessageContext): Promise<void> {
    switch (message.kind) {
      case 'addShards':
        this.#add(message)
        context.answer(message, undefined)
        return
      case 'removeShards':
        await this.#remove(message.shards)
        context.answer(message, undefined)
        return
      case 'stopReading':
        await this.stopping()
        context.answer(message, undefined)
    }
  }

  async stopping(): Promise<void> {
    await Promise.all(this.#loops().map((loop) => loop.stop()))
    this.#main = undefined
    this.#behind.clear()
  }

  observe(): Readonly<Record<string, unknown>> {
    const { lane } = this.#options
    return {
      lane,
      after: this.#main?.applied ?? null,
      shards: this.#main?.members.size ?? 0,
      behind: this.#behind.size,
    }
  }

  #loops(): LaneLoop[] {
    return this.#main === undefined ? [...this.#behind] : [this.#main, ...this.#behind]
  }

  /** Shards that the lane is read for already are passed over: who adds them may not have heard so. */
  #add({ shards: offered }: AddShards): void {
    const loops = this.#loops()
    const shards = offered.filter(({ shard }) => !loops.some(({ members }) => members.has(shard)))
    if (shards.length === 0) return
    const added = shards.map(({ shard }) => shard)
    const after = shards.map((shard) => shard.after).reduce((a, b) => (comparePositions(a, b) <= 0 ? a : b))
    const main = this.#main
    if (main === undefined) {
      const loop: LaneLoop = this.#loop(added, after, (messages, from, signal) =>
        this.#handOn(loop, messages, from, signal, true),
      )
      this.#main = loop
      this.#options.onBegin?.(after)
      return
    }
    const join = (): boolean => {
      if (comparePositions(loop.applied, main.dispatched) < 0) {
        const { generation, sequence } = main.dispatched
        if (loop.applied.generation === generation && sequence - loop.applied.sequence <= NEAR_FRAMES) main.hold()
        return false
      }
      for (const shard of loop.members) main.members.add(shard)
      return true
    }
    const loop: LaneLoop = this.#loop(
      added,
      after,
      (messages, from, signal) => this.#handOn(loop, messages, from, signal, false),
      () => join(),
    )
    this.#behind.add(loop)
    void loop.ended.then(() => {
      main.release()
      this.#behind.delete(loop)
    })
  }

  async #remove(shards: readonly ShardId[]): Promise<void> {
    const loops = this.#loops()
    for (const { members } of loops) for (const shard of shards) members.delete(shard)
    await Promise.all(loops.map((loop) => loop.settled()))
    for (const loop of loops) {
      if (loop.members.size > 0) continue
      // The main loop is what those behind join.
      if (loop === this.#main && this.#behind.size > 0) continue
      await loop.stop()
      if (loop !== this.#main) continue
      this.#main = undefined
      this.#options.onEnd?.()
    }
  }

  #loop(
    members: readonly ShardId[],
    after: Position,
    handOn: (messages: readonly JournalMessage[], after: Position, signal: AbortSignal) => Promise<void>,
    isDone?: () => boolean,
  ): LaneLoop {
    const { lane, journal, clock, logger } = this.#options
    const options = { lane, journal, clock, logger, handOn }
    return new LaneLoop(isDone === undefined ? options : { ...options, isDone }, members, after)
  }

  async #handOn(
    { members }: LaneLoop,
    messages: readonly JournalMessage[],
    after: Position,
    signal: AbortSignal,
    isMain: boolean,
  ): Promise<void> {
    const { lane, hosts, hostOf, logger, onRun } = this.#options
    const through = messages[messages.length - 1]?.position ?? POSITION_ZERO
    const bytes = await handOnRun({ lane, messages, after, through, members }, hosts, hostOf, logger, signal)
    if (isMain) onRun?.({ frames: messages.length, bytes, through })
  }
}
