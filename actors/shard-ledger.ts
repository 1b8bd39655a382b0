import { assert } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import { WeirError } from '../base/errors.ts'
import type { NodeId, Position, ShardId } from '../base/ids.ts'
import { comparePositions, POSITION_ZERO } from '../base/ids.ts'
import type { Registry } from '../cluster/registry.ts'
import type { BlockSummary } from '../storage/block.ts'
import type { ManifestPage, ShardEntry } from '../storage/manifest.ts'
import {
  decodeManifest,
  decodeShardEntry,
  encodeManifest,
  encodeShardEntry,
  MANIFEST_EMPTY,
  shardEntryKey,
} from '../storage/manifest.ts'
import type { ObjectStore } from '../storage/object-store/object-store.ts'
import { PublishedState } from '../storage/published-state.ts'
import type { ShardStore } from '../storage/shard-store.ts'

/** C9: what this version writes. */
export const FEATURE_LEVEL = 1

/** The registry's entry of a shard. */
export interface KnownEntry {
  readonly entry: ShardEntry
  readonly revision: number
}

/** Undefined while nobody has ever owned the shard. Throws storage_unavailable, corrupt_data. */
export async function readShardEntry(shard: ShardId, registry: Registry): Promise<KnownEntry | undefined> {
  const known = await registry.get(shardEntryKey(shard))
  return known === undefined ? undefined : { entry: decodeShardEntry(known.value), revision: known.revision }
}

/** What an entry says is published. Throws storage_unavailable, corrupt_data. */
export async function publishedOf(
  { floor, manifestObject }: ShardEntry,
  objects: ObjectStore,
): Promise<PublishedState> {
  const page =
    manifestObject === '' ? MANIFEST_EMPTY : decodeManifest(manifestObject, await objects.get(manifestObject))
  return new PublishedState(floor, page, manifestObject)
}

/**
 * Takes a shard over (C2): raises the epoch by compare-and-set on what `known` says. Throws revision_conflict when the entry is another by now,
 * storage_unavailable.
 */
export async function claimShard(
  shard: ShardId,
  node: NodeId,
  generation: number,
  registry: Registry,
  known: KnownEntry | undefined,
): Promise<KnownEntry> {
  const before = known?.entry
  const entry: ShardEntry = {
    owner: node,
    epoch: (before?.epoch ?? 0) + 1,
    generation,
    floor: before?.floor ?? POSITION_ZERO,
    manifestObject: before?.manifestObject ?? '',
    featureLevel: FEATURE_LEVEL,
  }
  return { entry, revision: await registry.put(shardEntryKey(shard), encodeShardEntry(entry), known?.revision ?? 0) }
}

/** One change of what a shard has published. */
export interface PublishedChange {
  readonly page: ManifestPage
  readonly floor: Position
  /** Local blocks that the segments of `page` hold from now on. */
  readonly blocks?: ReadonlySet<BlockSummary>
}

interface Attempt {
  readonly entry: ShardEntry
  readonly bytes: Uint8Array
  /** What the change was made on. */
  readonly replaced: PublishedState
  readonly published: PublishedState
  readonly change: PublishedChange
}

export interface ShardLedgerOptions {
  readonly store: ShardStore
  /** As it was claimed. */
  readonly claimed: KnownEntry
  readonly registry: Registry
  readonly objects: ObjectStore
  readonly clock: Clock
}

/**
 * The owner's hold on `shard/<n>`, the one place that says what a shard has published (C2): writes each change as a new immutable page,
 * then names it by compare-and-set, then lets the store see it. Used by one actor, one change at a time.
 *
 * An answer of the registry may be lost: whether the change was made is then not known, and must be settled before the next one. Taking it for
 * undone would publish the same rows twice, or end an owner that nobody has replaced.
 */
export class ShardLedger {
  readonly #options: ShardLedgerOptions
  #entry: ShardEntry
  #revision: number
  #pages = 0
  #unsettled: Attempt | undefined

  constructor(options: ShardLedgerOptions) {
    this.#options = options
    this.#entry = options.claimed.entry
    this.#revision = options.claimed.revision
  }

  get entry(): ShardEntry {
    return this.#entry
  }

  /** Throws epoch_fenced when another owner has the shard, storage_unavailable; then nothing has become visible, or `settle` will say so. */
  async commit(change: PublishedChange): Promise<void> {
    const { store, objects, registry, clock } = this.#options
    assert(this.#unsettled === undefined, 'one change is settled before the next')
    assert(comparePositions(change.floor, this.#entry.floor) >= 0, 'a floor never goes back')
    let { page } = change
    let { manifestObject } = this.#entry
    if (page !== store.published.page) {
      if (manifestObject !== '') {
        page = { ...page, garbage: [...page.garbage, { key: manifestObject, supersededMs: clock.nowMs() }] }
      }
      const encoded = encodeManifest(page, change.floor, store.shard, this.#entry.epoch, ++this.#pages)
      await objects.put(encoded.key, encoded.bytes)
      manifestObject = encoded.key
    }
    const entry: ShardEntry = { ...this.#entry, floor: change.floor, manifestObject }
    const attempt = {
      entry,
      bytes: encodeShardEntry(entry),
      replaced: store.published,
      published: new PublishedState(change.floor, page, manifestObject),
      change,
    }
    this.#unsettled = attempt
    try {
      this.#adopt(attempt, await registry.put(shardEntryKey(store.shard), attempt.bytes, this.#revision))
    } catch (error) {
      if (!(await this.settle())) throw error
    }
  }

  /**
   * Finds out what became of a change whose answer was lost; true when it was made. Throws epoch_fenced when another owner has the shard, and what the
   * registry throws.
   */
  async settle(): Promise<boolean> {
    const attempt = this.#unsettled
    if (attempt === undefined) return false
    const { shard } = this.#options.store
    const known = await this.#options.registry.get(shardEntryKey(shard))
    if (known?.revision === this.#revision) {
      this.#unsettled = undefined
      return false
    }
    if (known === undefined || Buffer.compare(known.value, attempt.bytes) !== 0) {
      throw new WeirError('epoch_fenced', 'another owner has taken the shard', { shard, epoch: this.#entry.epoch })
    }
    this.#adopt(attempt, known.revision)
    return true
  }

  #adopt({ entry, replaced, published, change }: Attempt, revision: number): void {
    const { store } = this.#options
    this.#unsettled = undefined
    this.#entry = entry
    this.#revision = revision
    // An owner that was replaced meanwhile follows the next one, who went on from this change.
    if (store.published === replaced) store.setPublished(published, change.blocks)
  }
}
