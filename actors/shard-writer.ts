import type { Clock } from '../base/clock.ts'
import { WeirError } from '../base/errors.ts'
import { comparePositions } from '../base/ids.ts'
import type { Logger } from '../base/logger.ts'
import type { HeadBudget } from '../storage/head-budget.ts'
import { decodeSection } from '../storage/section-codec.ts'
import type { ShardStore } from '../storage/shard-store.ts'
import type { JournalledSection, ShardWriterMessage } from './messages/shard.ts'
import type { Actor, MessageContext } from './runtime/actor.ts'

export interface ShardWriterOptions {
  readonly store: ShardStore
  readonly budget: HeadBudget
  /** S4: called when the heads of the worker hold more than they may; cuts the largest of all its shards. */
  readonly cutLargestOfWorker: () => void
  readonly clock: Clock
  readonly logger: Logger
  readonly onApplied?: (applied: { readonly rows: number; readonly repeatedRows: number }) => void
}

/**
 * The indexer of one shard: takes its sections in the order of the journal and puts their rows into heads, drops repeats of keyed
 * requests, lets heads become blocks. Fed by the LaneReader through the ShardHost. Its store must never skip a frame: a run that does not
 * follow on what is applied is refused, and the reader goes back.
 */
export class ShardWriter implements Actor<ShardWriterMessage> {
  readonly #options: ShardWriterOptions

  constructor(options: ShardWriterOptions) {
    this.#options = options
  }

  async handle(message: ShardWriterMessage, context: MessageContext): Promise<void> {
    const { store } = this.#options
    switch (message.kind) {
      case 'applySections': {
        const { applied } = store
        if (applied.generation === message.after.generation && applied.sequence < message.after.sequence) {
          throw new WeirError('shard_unavailable', 'the run begins behind a frame that this shard has not applied', {
            shard: store.shard,
            applied: applied.sequence,
            after: message.after.sequence,
          })
        }
        let rows = 0
        for (const section of message.sections) rows += await this.#apply(section)
        store.frameApplied(message.through)
        context.answer(message, { rows })
        return
      }
      case 'tick':
        await store.cut('old')
        if (store.cutError !== undefined) {
          this.#options.logger.error('rows cannot be stored; they stay in memory and in the journal', {
            shard: store.shard,
            error: store.cutError,
          })
        }
    }
  }

  observe(): Readonly<Record<string, unknown>> {
    const { store } = this.#options
    return { shard: store.shard, applied: store.applied, floor: store.published.floor }
  }

  async #apply(section: JournalledSection): Promise<number> {
    const { store, budget, cutLargestOfWorker, logger, onApplied } = this.#options
    if (comparePositions(section.position, store.applied) <= 0) return 0
    if (budget.isOver) {
      cutLargestOfWorker()
      await budget.room()
    }
    const { meta, source } = decodeSection(section.bytes)
    const result = await store.apply(meta, source, section.position, section.rowBase, section.appendedMs)
    for (const chunk of result.conflicts) {
      logger.warn('a request came with a used idempotency key and another body; its records are not stored', {
        tenant: meta.tenant,
        keyHash: chunk.keyHash,
        chunk: chunk.chunk,
      })
    }
    onApplied?.(result)
    return result.rows
  }
}
