import { pack, unpack } from 'msgpackr'
import { assert } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import { asWeirError, WeirError } from '../base/errors.ts'
import type { LaneId, NodeId, Position, ShardId } from '../base/ids.ts'
import { comparePositions } from '../base/ids.ts'
import { SUPERSEDED_KEEP_MS } from '../base/limits.ts'
import type { Logger } from '../base/logger.ts'
import type { Registry } from '../cluster/registry.ts'
import type { BlockSummary } from '../storage/block.ts'
import type { DayPartition } from '../storage/day-partition.ts'
import type { ManifestPage, PublishedThrough, SegmentMeta, ShardEntry } from '../storage/manifest.ts'
import {
  addSegments,
  advancePublished,
  decodeManifest,
  decodeShardEntry,
  dropDays,
  encodeManifest,
  encodeShardEntry,
  MANIFEST_EMPTY,
  replaceSegments,
  shardEntryKey,
  takeGarbage,
} from '../storage/manifest.ts'
import { contentHashOf, shardPrefix } from '../storage/object-store/object-keys.ts'
import type { ObjectStore } from '../storage/object-store/object-store.ts'
import { PublishedState } from '../storage/published-state.ts'
import { daysToDrop } from '../storage/retention.ts'
import type { SeenEntry } from '../storage/seen-set.ts'
import { mergeSegments, planMerges } from '../storage/segment-merge.ts'
import { SegmentWriter } from '../storage/segment-writer.ts'
import type { ShardStore } from '../storage/shard-store.ts'
import type { SegmentPublisherMessage, ShardControllerMessage } from './messages/shard.ts'
import type { Actor, MessageContext } from './runtime/actor.ts'
import type { ActorRef } from './runtime/actor-ref.ts'

const FEATURE_LEVEL = 1
/** Seen pages are joined into one when there are this many. */
const SEEN_PAGES_MAX = 16

/** What a node holds of the registry entry of a shard that it owns. */
export interface Ownership {
  readonly entry: ShardEntry
  readonly revision: number
  readonly published: PublishedState
}

/**
 * Takes a shard over (C2): raises the epoch by compare-and-set and reads what is published. Throws revision_conflict when another node did
 * so at the same time.
 */
export async function takeOver(
  shard: ShardId,
  node: NodeId,
  generation: number,
  registry: Registry,
  objects: ObjectStore,
): Promise<Ownership> {
  const known = await registry.get(shardEntryKey(shard))
  const before = known === undefined ? undefined : decodeShardEntry(known.value)
  const entry: ShardEntry = {
    owner: node,
    epoch: (before?.epoch ?? 0) + 1,
    generation,
    floor: before?.floor ?? { generation: 0, sequence: 0 },
    manifestObject: before?.manifestObject ?? '',
    featureLevel: FEATURE_LEVEL,
  }
  const revision = await registry.put(shardEntryKey(shard), encodeShardEntry(entry), known?.revision ?? 0)
  let page = MANIFEST_EMPTY
  const seen: SeenEntry[] = []
  if (entry.manifestObject !== '') {
    page = decodeManifest(entry.manifestObject, await objects.get(entry.manifestObject))
    for (const key of page.seen) seen.push(...(unpack(await objects.get(key)) as SeenEntry[]))
  }
  return { entry, revision, published: new PublishedState(entry.floor, page, seen) }
}

export interface SegmentPublisherOptions {
  readonly shard: ShardId
  readonly lane: LaneId
  readonly store: ShardStore
  readonly ownership: Ownership
  readonly registry: Registry
  readonly objects: ObjectStore
  readonly controller: ActorRef<ShardControllerMessage>
  readonly retentionDays: number
  readonly mergeZstdLevel: number
  readonly clock: Clock
  readonly logger: Logger
  readonly onPublished?: (published: {
    readonly segments: number
    readonly rows: number
    readonly bytes: number
  }) => void
  readonly onFailure?: (code: string) => void
  readonly onMerged?: (merged: { readonly inputs: number; readonly bytes: number }) => void
}

/**
 * Publishes the blocks of one shard as segments and commits each step by one compare-and-set on `shard/<n>` (C2). A publish, a merge and a
 * retention sweep of one shard never overlap: they are messages of this actor. Whoever lost the shard fails the compare-and-set, and
 * nothing it made becomes visible (C3).
 */
export class SegmentPublisher implements Actor<SegmentPublisherMessage> {
  readonly #options: SegmentPublisherOptions
  #entry: ShardEntry
  #revision: number
  #pages = 0

  constructor(options: SegmentPublisherOptions) {
    this.#options = options
    this.#entry = options.ownership.entry
    this.#revision = options.ownership.revision
  }

  async handle(message: SegmentPublisherMessage, context: MessageContext): Promise<void> {
    try {
      switch (message.kind) {
        case 'publish':
          context.answer(message, { segments: await this.#publish(message.everything) })
          return
        case 'tidyUp':
          context.answer(message, await this.#tidyUp())
      }
    } catch (error) {
      const { logger, shard, onFailure } = this.#options
      onFailure?.(asWeirError(error).code)
      if (error instanceof WeirError && error.code !== 'epoch_fenced') {
        logger.warn('a publish or merge failed and will be tried again', { shard, step: message.kind, error })
        context.fail(error)
        return
      }
      throw error
    }
  }

  observe(): Readonly<Record<string, unknown>> {
    return {
      epoch: this.#entry.epoch,
      floor: this.#entry.floor,
      segments: this.#options.store.published.segments.length,
    }
  }

  async #publish(everything: boolean): Promise<number> {
    const { store, objects, shard, onPublished } = this.#options
    if (everything) await store.cut('all')
    const made: SegmentMeta[] = []
    const through: PublishedThrough[] = []
    const taken = new Set<BlockSummary>()
    for (const partition of store.openDays()) {
      const segment = await this.#segmentOf(partition, through, taken)
      if (segment === undefined) continue
      await objects.put(segment.meta.key, segment.bytes)
      made.push(segment.meta)
    }
    const seenCount = store.seen.unpublished().length
    const floor = store.floorNow(taken)
    if (made.length === 0 && seenCount === 0 && comparePositions(floor, this.#entry.floor) <= 0) return 0
    const page = advancePublished(addSegments(store.published.page, made), through, floor)
    await this.#commit(await this.#withSeenPage(page), floor, taken)
    store.seen.published(seenCount)
    onPublished?.({
      segments: made.length,
      rows: made.reduce((rows, { rowCount }) => rows + rowCount, 0),
      bytes: made.reduce((bytes, { byteLength }) => bytes + byteLength, 0),
    })
    this.#options.controller.tell({ kind: 'floorAdvanced', shard, lane: this.#options.lane, floor })
    return made.length
  }

  /** One segment of all unpublished blocks of a day. */
  async #segmentOf(partition: DayPartition, through: PublishedThrough[], taken: Set<BlockSummary>) {
    const { shard, clock } = this.#options
    let writer: SegmentWriter | undefined
    for (const state of partition.tenants()) {
      const blocks = [...state.unpublished]
      for (const block of blocks) {
        writer ??= new SegmentWriter({ shard, epoch: this.#entry.epoch, mergeLevel: 0 }, clock.nowMs())
        writer.add(partition.encodedBlock(block))
        taken.add(block)
        await clock.yieldTurn()
      }
      const last = blocks[blocks.length - 1]
      if (last !== undefined) {
        through.push({
          day: partition.day,
          tenant: state.tenant,
          generation: last.generation,
          sequence: last.lastSequence,
        })
      }
    }
    return writer?.finish()
  }

  /** D3: adds what was seen since the last publish as a page of its own; joins pages when they are many. */
  async #withSeenPage(page: ManifestPage): Promise<ManifestPage> {
    const { store, objects, clock, shard } = this.#options
    const fresh = store.seen.unpublished()
    if (fresh.length === 0) return page
    const joined = page.seen.length >= SEEN_PAGES_MAX
    const entries = joined ? store.seen.entries(clock.nowMs()) : fresh
    const bytes = pack(entries)
    const key = `${shardPrefix(shard)}seen/${this.#entry.epoch}-${contentHashOf(bytes)}.msgpack`
    await objects.put(key, bytes)
    if (!joined) return { ...page, seen: [...page.seen, key] }
    const garbage = page.seen.map((old) => ({ key: old, supersededMs: clock.nowMs() }))
    return { ...page, seen: [key], garbage: [...page.garbage, ...garbage] }
  }

  async #tidyUp(): Promise<{ merged: number; dropped: number }> {
    const { store, objects, clock, retentionDays, logger, onMerged } = this.#options
    await store.sweep(clock.nowMs() - SUPERSEDED_KEEP_MS)
    const expired = daysToDrop(
      [...store.published.segments.map(({ day }) => day), ...[...store.openDays()].map(({ day }) => day)],
      clock.nowMs(),
      retentionDays,
    )
    if (expired.length > 0) {
      await this.#commit(dropDays(store.published.page, expired, clock.nowMs()), this.#entry.floor)
      await store.dropDays(expired)
      logger.info('days past retention are gone', { shard: store.shard, days: expired.length })
    }
    let merged = 0
    for (const plan of planMerges(store.published.segments)) {
      const { mergeZstdLevel, shard } = this.#options
      const identity = { shard, epoch: this.#entry.epoch, mergeLevel: plan.mergeLevel }
      const outputs = await mergeSegments(objects, plan.inputs, identity, { zstdLevel: mergeZstdLevel, clock })
      const keys = plan.inputs.map(({ key }) => key)
      await this.#commit(replaceSegments(store.published.page, keys, outputs, clock.nowMs()), this.#entry.floor)
      merged += keys.length
      onMerged?.({ inputs: keys.length, bytes: outputs.reduce((sum, { byteLength }) => sum + byteLength, 0) })
    }
    const { page, keys } = takeGarbage(store.published.page, clock.nowMs() - SUPERSEDED_KEEP_MS)
    if (keys.length > 0) {
      for (const key of keys) await objects.delete(key)
      await this.#commit(page, this.#entry.floor)
    }
    return { merged, dropped: expired.length }
  }

  /** Writes the page, then makes it current. A lost shard ends here with epoch_fenced. */
  async #commit(page: ManifestPage, floor: Position, taken?: ReadonlySet<BlockSummary>): Promise<void> {
    const { shard, objects, registry, store } = this.#options
    assert(comparePositions(floor, this.#entry.floor) >= 0, 'a floor never goes back')
    let manifestObject = this.#entry.manifestObject
    const garbage = [...page.garbage]
    if (page !== store.published.page) {
      if (manifestObject !== '') garbage.push({ key: manifestObject, supersededMs: this.#options.clock.nowMs() })
      const encoded = encodeManifest({ ...page, garbage }, shard, this.#entry.epoch, ++this.#pages)
      await objects.put(encoded.key, encoded.bytes)
      manifestObject = encoded.key
    }
    const entry: ShardEntry = { ...this.#entry, floor, manifestObject }
    try {
      this.#revision = await registry.put(shardEntryKey(shard), encodeShardEntry(entry), this.#revision)
    } catch (error) {
      if (error instanceof WeirError && error.code === 'revision_conflict') {
        throw new WeirError('epoch_fenced', 'another owner has taken the shard', { shard, epoch: this.#entry.epoch })
      }
      throw error
    }
    this.#entry = entry
    store.setPublished(new PublishedState(floor, { ...page, garbage }, []), taken)
  }
}
