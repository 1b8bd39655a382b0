import type { Clock } from '../base/clock.ts'
import { WeirError } from '../base/errors.ts'
import { freeBytes } from '../base/free-bytes.ts'
import type { DayNumber, LaneId, Position } from '../base/ids.ts'
import { comparePositions } from '../base/ids.ts'
import { PUBLISHED_SEGMENT_BYTES_MAX, SUPERSEDED_KEEP_MS } from '../base/limits.ts'
import type { Logger } from '../base/logger.ts'
import type { ActivePlans } from '../storage/active-plans.ts'
import type { BlockSummary, EncodedBlock } from '../storage/block.ts'
import type { DayPartition } from '../storage/day-partition.ts'
import type { ManifestPage, PublishedThrough } from '../storage/manifest.ts'
import { addSegments, advancePublished, dropDays, replaceSegments, takeGarbage } from '../storage/manifest.ts'
import { epochOfKey, shardPrefix } from '../storage/object-store/object-keys.ts'
import type { ObjectStore } from '../storage/object-store/object-store.ts'
import { daysToDrop } from '../storage/retention.ts'
import { compactSeen, encodeSeenPage, readSeenPages } from '../storage/seen-pages.ts'
import type { SeenEntry } from '../storage/seen-set.ts'
import type { SegmentMeta } from '../storage/segment.ts'
import { mergeSegments, planMerges } from '../storage/segment-merge.ts'
import { SegmentWriter } from '../storage/segment-writer.ts'
import type { ShardStore } from '../storage/shard-store.ts'
import type { Publish, SegmentPublisherMessage, ShardControllerMessage } from './messages/shard.ts'
import type { PublishTurns } from './publish-turns.ts'
import type { Actor, MessageContext } from './runtime/actor.ts'
import type { ActorRef } from './runtime/actor-ref.ts'
import type { ShardLedger } from './shard-ledger.ts'

/** Pages of keyed chunks are joined into one when there are this many. */
const SEEN_PAGES_MAX = 16
/** No merge is begun after so much of a tidy-up: publishing must not wait for long (S3). */
const MERGING_MS = 1000

export interface SegmentPublisherHooks {
  readonly onPublished?: (published: {
    readonly segments: number
    readonly rows: number
    readonly bytes: number
  }) => void
  readonly onFailure?: (code: string) => void
  readonly onDropped?: (days: number) => void
  readonly onMerged?: (merged: { readonly inputs: number; readonly bytes: number }) => void
  /** A segment has been deleted from the object store. */
  readonly onDeleted?: (key: string) => void
}

export interface SegmentPublisherOptions extends SegmentPublisherHooks {
  readonly lane: LaneId
  readonly store: ShardStore
  readonly ledger: ShardLedger
  readonly objects: ObjectStore
  readonly controller: ActorRef<ShardControllerMessage>
  readonly retentionDays: number
  readonly mergeZstdLevel: number
  /** The queries of this worker, which may still read what was published since they began. */
  readonly plans: ActivePlans
  readonly turns: PublishTurns
  /** False once this owner has given the shard up. */
  readonly isHeld: () => boolean
  readonly clock: Clock
  readonly logger: Logger
  /** Another owner has the shard (C3): nothing that is published here becomes visible any more. */
  readonly onFenced: () => void
}

/** A segment that is being made, and the blocks that were copied from the disk for it. */
interface SegmentInMaking {
  readonly writer: SegmentWriter
  readonly blocks: EncodedBlock[]
}

/**
 * Publishes the blocks of one shard as segments, merges segments, drops days and objects past their time. Each step becomes visible by one
 * compare-and-set (C2) through the shard's ledger. Steps of one shard never overlap: they are messages of this actor. Whoever lost the shard
 * fails the compare-and-set, and nothing it made becomes visible (C3).
 */
export class SegmentPublisher implements Actor<SegmentPublisherMessage> {
  readonly #options: SegmentPublisherOptions
  #hasRemovedOrphans = false
  #hasToldLoss = false

  constructor(options: SegmentPublisherOptions) {
    this.#options = options
  }

  async handle(message: SegmentPublisherMessage, context: MessageContext): Promise<void> {
    try {
      await this.#options.ledger.settle()
      switch (message.kind) {
        case 'publish':
          context.answer(message, { segments: await this.#inTurn(() => this.#publish(message)) })
          return
        case 'tidyUp':
          context.answer(message, await this.#tidyUp())
      }
    } catch (error) {
      if (error instanceof WeirError && error.code === 'epoch_fenced') this.#options.onFenced()
      else this.#noteFailure(message.kind, error)
      context.fail(error)
    }
  }

  observe(): Readonly<Record<string, unknown>> {
    const { store, ledger } = this.#options
    return { epoch: ledger.entry.epoch, floor: ledger.entry.floor, segments: store.published.segments.length }
  }

  /** The wait may be long: when its end comes, this may be the owner no more. */
  #inTurn<R>(work: () => Promise<R>): Promise<R> {
    const { turns, isHeld, store } = this.#options
    return turns.run(() => {
      if (isHeld()) return work()
      throw new WeirError('epoch_fenced', 'the shard has been given up', { shard: store.shard })
    })
  }

  /** Operating errors pass, and the next turn tries again; what nobody foresaw ends this one, and another owner its step. */
  #noteFailure(step: string, error: unknown): void {
    const { logger, store, onFailure } = this.#options
    if (!(error instanceof WeirError) || error.code === 'epoch_fenced') throw error
    onFailure?.(error.code)
    logger.warn('a step of publishing failed and will be tried again', { shard: store.shard, step, error })
  }

  async #publish({ everything, emptyBehind }: Publish): Promise<number> {
    const { store, ledger, lane, controller, onPublished } = this.#options
    await this.#trySweep()
    if (everything) await store.cut('all')
    const made: SegmentMeta[] = []
    const through: PublishedThrough[] = []
    const taken = new Set<BlockSummary>()
    for (const partition of [...store.openDays()]) made.push(...(await this.#publishDay(partition, through, taken)))
    const reached = store.floorNow(taken)
    const isAllPublished = comparePositions(reached, store.applied) >= 0
    const floor = isAllPublished && hasReadAllBefore(emptyBehind, store.applied) ? emptyBehind : reached
    const seen = store.seen.publishable(floor)
    if (made.length > 0 || seen.length > 0) {
      const page = advancePublished(addSegments(store.published.page, made), through, floor)
      await ledger.commit({ page: await this.#withSeen(page, seen), floor, blocks: taken })
    } else if (comparePositions(floor, ledger.entry.floor) > 0) {
      await ledger.commit({ page: store.published.page, floor })
    } else return 0
    this.#noteLoss(floor)
    onPublished?.({
      segments: made.length,
      rows: made.reduce((rows, { rowCount }) => rows + rowCount, 0),
      bytes: made.reduce((bytes, { byteLength }) => bytes + byteLength, 0),
    })
    controller.tell({ kind: 'floorAdvanced', shard: store.shard, lane, floor })
    return made.length
  }

  /** What was not in the journal any more when this owner came to it, nobody has published before. */
  #noteLoss(floor: Position): void {
    const { store, logger } = this.#options
    const lost = store.missed(floor)
    if (lost === undefined || this.#hasToldLoss) return
    this.#hasToldLoss = true
    logger.error('frames were gone from the journal before they were read; their records are lost', {
      shard: store.shard,
      ...lost,
    })
  }

  /** What the last publish left; its pages take the blocks to come. A disk that is full must not keep from publishing, which makes room. */
  async #trySweep(): Promise<void> {
    try {
      await this.#sweep()
    } catch (error) {
      this.#noteFailure('sweep', error)
    }
  }

  #sweep(): Promise<void> {
    const { store, plans, clock } = this.#options
    return store.sweep(plans.oldestMs(clock.monotonicMs()))
  }

  /** Puts all unpublished blocks of a day into segments: one of each generation (J3), more where they are many. */
  async #publishDay(
    partition: DayPartition,
    through: PublishedThrough[],
    taken: Set<BlockSummary>,
  ): Promise<SegmentMeta[]> {
    const { store, ledger, objects, clock } = this.#options
    const identity = { shard: store.shard, epoch: ledger.entry.epoch, mergeLevel: 0 }
    const made: SegmentMeta[] = []
    const writers = new Map<number, SegmentInMaking>()
    const finish = async (generation: number, { writer, blocks }: SegmentInMaking) => {
      writers.delete(generation)
      const { meta, bytes } = await writer.finish()
      for (const block of blocks) {
        freeBytes(block.bytes)
        freeBytes(block.bloom)
      }
      await objects.put(meta.key, bytes)
      freeBytes(bytes)
      made.push(meta)
    }
    for (const { tenant, unpublished } of [...partition.tenants()]) {
      const blocks = [...unpublished]
      for (const block of blocks) {
        const { generation } = block
        const making = writers.get(generation) ?? {
          writer: new SegmentWriter(identity, clock.nowMs(), clock),
          blocks: [],
        }
        writers.set(generation, making)
        const encoded = partition.encodedBlock(block)
        making.writer.add(encoded)
        making.blocks.push(encoded)
        taken.add(block)
        if (making.writer.byteLength >= PUBLISHED_SEGMENT_BYTES_MAX) await finish(generation, making)
        else await clock.yieldTurn()
      }
      const last = blocks[blocks.length - 1]
      if (last === undefined) continue
      through.push({ day: partition.day, tenant, generation: last.generation, sequence: last.lastSequence })
    }
    for (const [generation, making] of [...writers]) await finish(generation, making)
    return made
  }

  /** D3: adds the keyed chunks up to the new floor as a page of their own; joins pages when they are many. */
  async #withSeen(page: ManifestPage, fresh: readonly SeenEntry[]): Promise<ManifestPage> {
    if (fresh.length === 0) return page
    const { store, objects, clock, ledger } = this.#options
    const isJoined = page.seen.length >= SEEN_PAGES_MAX
    const entries = isJoined ? compactSeen([...(await readSeenPages(page.seen, objects)), ...fresh]) : fresh
    const { key, bytes } = encodeSeenPage(entries, store.shard, ledger.entry.epoch)
    await objects.put(key, bytes)
    if (!isJoined) return { ...page, seen: [...page.seen, key] }
    const garbage = page.seen.map((old) => ({ key: old, supersededMs: clock.nowMs() }))
    return { ...page, seen: [key], garbage: [...page.garbage, ...garbage] }
  }

  async #tidyUp(): Promise<{ merged: number; dropped: number }> {
    await this.#sweep()
    const dropped = await this.#dropExpired()
    await this.#removeGarbage()
    if (!this.#hasRemovedOrphans) await this.#removeOrphans()
    return { merged: await this.#inTurn(() => this.#merge()), dropped }
  }

  async #dropExpired(): Promise<number> {
    const { store, ledger, clock, retentionDays, logger, onDropped } = this.#options
    const days: DayNumber[] = store.published.segments.map(({ day }) => day)
    for (const { day } of store.openDays()) days.push(day)
    const expired = daysToDrop(days, clock.nowMs(), retentionDays)
    if (expired.length === 0) return 0
    const page = dropDays(store.published.page, expired, clock.nowMs())
    await ledger.commit({ page, floor: ledger.entry.floor })
    await store.dropDays(expired)
    onDropped?.(expired.length)
    logger.info('days past retention are gone', { shard: store.shard, days: expired.length })
    return expired.length
  }

  /** Deletes what was superseded long enough ago (C5), then says so; done again when only the first half came about. */
  async #removeGarbage(): Promise<void> {
    const { store, ledger, clock } = this.#options
    const { page, keys } = takeGarbage(store.published.page, clock.nowMs() - SUPERSEDED_KEEP_MS)
    if (keys.length === 0) return
    for (const key of keys) await this.#delete(key)
    await ledger.commit({ page, floor: ledger.entry.floor })
  }

  /**
   * Once: deletes what earlier owners put and never made visible. Objects of this epoch are left alone, and only of earlier ones can be told that
   * nobody will ever name them.
   */
  async #removeOrphans(): Promise<void> {
    const { store, ledger, objects } = this.#options
    const { segments, seen, garbage } = store.published.page
    const named = new Set([ledger.entry.manifestObject, ...seen])
    for (const { key } of [...segments, ...garbage]) named.add(key)
    const orphans: string[] = []
    for await (const key of objects.list(shardPrefix(store.shard))) {
      const epoch = epochOfKey(key)
      if (epoch !== undefined && epoch < ledger.entry.epoch && !named.has(key)) orphans.push(key)
    }
    for (const key of orphans) await this.#delete(key)
    this.#hasRemovedOrphans = true
  }

  async #delete(key: string): Promise<void> {
    await this.#options.objects.delete(key)
    this.#options.onDeleted?.(key)
  }

  async #merge(): Promise<number> {
    const { store, ledger, objects, clock, mergeZstdLevel, onMerged } = this.#options
    const endsMs = clock.monotonicMs() + MERGING_MS
    let merged = 0
    for (const { inputs, mergeLevel } of planMerges(store.published.segments)) {
      if (clock.monotonicMs() >= endsMs) break
      const identity = { shard: store.shard, epoch: ledger.entry.epoch, mergeLevel }
      try {
        const outputs = await mergeSegments(objects, inputs, identity, { zstdLevel: mergeZstdLevel, clock })
        const keys = inputs.map(({ key }) => key)
        const page = replaceSegments(store.published.page, keys, outputs, clock.nowMs())
        await ledger.commit({ page, floor: ledger.entry.floor })
        merged += keys.length
        onMerged?.({ inputs: keys.length, bytes: outputs.reduce((sum, { byteLength }) => sum + byteLength, 0) })
      } catch (error) {
        // One damaged segment must not keep the others from being merged.
        this.#noteFailure('merge', error)
        await ledger.settle()
      }
    }
    return merged
  }
}

/** J3: nothing of the journal before it began anew is left to read. Of another stream nothing is there; of the same one, restored, its frames are. */
function hasReadAllBefore(empty: Position | undefined, applied: Position): empty is Position {
  if (empty === undefined || applied.generation >= empty.generation) return false
  return empty.sequence === 0 || (applied.generation === empty.generation - 1 && applied.sequence >= empty.sequence)
}
