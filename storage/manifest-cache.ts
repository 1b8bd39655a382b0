import type { Position } from '../base/ids.ts'
import { comparePositions } from '../base/ids.ts'
import { MANIFEST_CACHE_BYTES_MAX } from '../base/limits.ts'
import type { ManifestPage } from './manifest.ts'
import { decodeManifest, MANIFEST_EMPTY } from './manifest.ts'
import type { ObjectStore } from './object-store/object-store.ts'
import { PublishedState } from './published-state.ts'

/** What a segment's entry of a page weighs in memory, about. */
const SEGMENT_MEMORY_BYTES = 500
const PAGE_MEMORY_BYTES = 1000

interface Kept {
  state: PublishedState
  readonly bytes: number
}

/** Manifest pages that plans are pinned to (C5), of one worker: an LRU bounded by bytes. Pages are immutable, so none is ever stale. */
export class ManifestCache {
  readonly #objects: ObjectStore
  readonly #bytesMax: number
  /** In order of last use, oldest first. */
  readonly #kept = new Map<string, Kept>()
  readonly #reading = new Map<string, Promise<ManifestPage>>()
  #bytes = 0

  constructor(objects: ObjectStore, bytesMax = MANIFEST_CACHE_BYTES_MAX) {
    this.#objects = objects
    this.#bytesMax = bytesMax
  }

  /** Approximate bytes of memory of the pages. */
  get memoryBytes(): number {
    return this.#bytes
  }

  /**
   * The state that an entry of the registry names by the key of its page (empty: nothing is published yet) and its floor. Throws not_found when the
   * page is superseded for so long that it is deleted, corrupt_data, storage_unavailable.
   */
  async read(key: string, floor: Position): Promise<PublishedState> {
    if (key === '') return new PublishedState(floor, MANIFEST_EMPTY, '')
    const kept = this.#kept.get(key)
    if (kept === undefined) return this.#keep(key, new PublishedState(floor, await this.#page(key), key))
    // A floor moves without its page when there was nothing to publish.
    if (comparePositions(kept.state.floor, floor) !== 0) kept.state = new PublishedState(floor, kept.state.page, key)
    this.#kept.delete(key)
    this.#kept.set(key, kept)
    return kept.state
  }

  #page(key: string): Promise<ManifestPage> {
    let reading = this.#reading.get(key)
    if (reading === undefined) {
      reading = this.#objects
        .get(key)
        .then((bytes) => decodeManifest(key, bytes))
        .finally(() => this.#reading.delete(key))
      this.#reading.set(key, reading)
    }
    return reading
  }

  #keep(key: string, state: PublishedState): PublishedState {
    if (this.#kept.has(key)) return state
    const { segments, publishedThrough, garbage } = state.page
    const entries = segments.length + publishedThrough.length + garbage.length
    const bytes = PAGE_MEMORY_BYTES + entries * SEGMENT_MEMORY_BYTES
    this.#kept.set(key, { state, bytes })
    this.#bytes += bytes
    for (const [oldest, { bytes: freed }] of this.#kept) {
      if (this.#bytes <= this.#bytesMax || oldest === key) break
      this.#kept.delete(oldest)
      this.#bytes -= freed
    }
    return state
  }
}
