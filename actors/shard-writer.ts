import type { Clock } from '../base/clock.ts'
import { WeirError } from '../base/errors.ts'
import { freeBytes } from '../base/free-bytes.ts'
import type { Position, ShardId } from '../base/ids.ts'
import { comparePositions } from '../base/ids.ts'
import type { Logger } from '../base/logger.ts'
import type { ApplyResult } from '../storage/applied-rows.ts'
import type { HeadBudget } from '../storage/head-budget.ts'
import { decodeSection } from '../storage/section-codec.ts'
import type { SectionRows } from '../storage/section-rows.ts'
import type { ShardStore } from '../storage/shard-store.ts'
import type { ApplySections, JournalledSection, ShardWriterMessage } from './messages/shard.ts'
import type { Actor, MessageContext } from './runtime/actor.ts'

export interface ShardWriterHooks {
  readonly onApplied?: (applied: { readonly rows: number; readonly repeatedRows: number }) => void
  /** What a frame, journalled at `journalMs`, brings to the shard; the rows may be read during the call only. */
  readonly onSections?: (shard: ShardId, journalMs: number, sections: readonly SectionRows[]) => void
}

export interface ShardWriterOptions extends ShardWriterHooks {
  readonly store: ShardStore
  readonly budget: HeadBudget
  /** S4: called when the heads of the worker hold more than they may; cuts the largest of all its shards. */
  readonly cutLargestOfWorker: () => void
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * The indexer of one shard: takes its sections in the order of the journal, frame by frame, and puts their rows into heads, which the store makes
 * blocks of. Fed by the LaneReader through the ShardHost. It never skips a frame: a run that does not follow on what is applied is
 * refused, and the reader goes back; one that it has seen is passed over. A frame that fails leaves the run applied up to there.
 */
export class ShardWriter implements Actor<ShardWriterMessage> {
  readonly #options: ShardWriterOptions

  constructor(options: ShardWriterOptions) {
    this.#options = options
  }

  async handle(message: ShardWriterMessage, context: MessageContext): Promise<void> {
    switch (message.kind) {
      case 'applySections':
        context.answer(message, { rows: await this.#apply(message, context.signal) })
    }
  }

  observe(): Readonly<Record<string, unknown>> {
    const { store } = this.#options
    return { shard: store.shard, applied: store.applied, floor: store.published.floor }
  }

  async #apply({ after, through, sections }: ApplySections, signal: AbortSignal): Promise<number> {
    const { store, budget, cutLargestOfWorker, onSections } = this.#options
    store.mustFollow(after)
    let rows = 0
    for (let from = 0; from < sections.length; ) {
      const { position, appendedMs } = sections[from]!
      let to = from + 1
      while (to < sections.length && comparePositions(sections[to]!.position, position) === 0) to++
      if (comparePositions(position, store.applied) > 0) {
        if (budget.isOver) cutLargestOfWorker()
        await budget.room(signal)
        const decoded = this.#decode(position, sections.slice(from, to))
        onSections?.(store.shard, appendedMs, decoded)
        const result = await store.applyFrame(position, appendedMs, decoded)
        this.#report(result)
        rows += result.rows
      }
      from = to
    }
    store.passOver(after, through)
    return rows
  }

  /** A damaged section can be read by nobody, ever: it is passed over, loudly, rather than stop the lane. */
  #decode(position: Position, sections: readonly JournalledSection[]): SectionRows[] {
    const decoded: SectionRows[] = []
    for (const { rowBase, bytes } of sections) {
      try {
        const own = ownBytes(bytes)
        const section = decodeSection(own)
        if (section.bytes !== own) freeBytes(own)
        decoded.push({ ...section, rowBase })
      } catch (error) {
        if (!(error instanceof WeirError) || error.code !== 'corrupt_data') throw error
        const { store, logger } = this.#options
        logger.error('a section of the journal is damaged; its records are lost', {
          shard: store.shard,
          ...position,
          error,
        })
      }
    }
    return decoded
  }

  #report(result: ApplyResult): void {
    const { store, logger, onApplied } = this.#options
    for (const { keyHash, chunk } of result.conflicts) {
      logger.warn('a request came with a used idempotency key and another body; its records are not stored', {
        shard: store.shard,
        keyHash,
        chunk,
      })
    }
    onApplied?.(result)
  }
}

/** Rows stay views of their section until they are cut; a small section must not keep a large frame in memory for that long. */
function ownBytes(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength * 2 < bytes.buffer.byteLength ? bytes.slice() : bytes
}
