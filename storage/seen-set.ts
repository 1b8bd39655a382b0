import { assert } from '../base/assert.ts'
import type { Position } from '../base/ids.ts'
import { comparePositions } from '../base/ids.ts'
import { IDEMPOTENCY_KEEP_MS, IDEMPOTENCY_KEYS_PER_SHARD_MAX } from '../base/limits.ts'
import type { KeyedChunk } from './section-codec.ts'

/**
 * D3: what becomes of a chunk of a keyed request. `take`: the first time it comes; `repeat`: it came before; `conflict`: its key came before
 * with another body.
 */
export type ChunkVerdict = 'take' | 'repeat' | 'conflict'

interface SeenKey {
  readonly bodyHash: string
  /** The journal's time of the frame that brought the key first. */
  readonly firstMs: number
  /** Numbers of the chunks taken, in order of arrival. */
  readonly chunks: number[]
}

/** One taken chunk, as it travels in seen pages. */
export type SeenEntry = readonly [keyHash: string, bodyHash: string, firstMs: number, chunk: number]

interface UnpublishedEntry {
  readonly entry: SeenEntry
  readonly position: Position
}

/**
 * D3: which keyed chunks a shard has taken within 24 hours. It is a fold over the journal: every verdict depends on the frames before it
 * alone, and on the journal's time, never on the clock of this node. What is published with a floor is the fold up to that floor, so
 * a replay from there, a standby or a new owner decides alike.
 */
export class SeenSet {
  /** In order of arrival, so that the oldest can be dropped first. */
  readonly #keys = new Map<string, SeenKey>()
  readonly #keysMax: number
  #unpublished: UnpublishedEntry[] = []

  constructor(keysMax = IDEMPOTENCY_KEYS_PER_SHARD_MAX) {
    assert(keysMax > 0, 'the seen-set may hold a key')
    this.#keysMax = keysMax
  }

  get size(): number {
    return this.#keys.size
  }

  /** Decides on a chunk in a frame at `position`, journalled at `journalMs`, and remembers it. Each frame once, in their order. */
  decide(chunk: KeyedChunk, position: Position, journalMs: number): ChunkVerdict {
    let known = this.#keys.get(chunk.keyHash)
    if (known === undefined || journalMs - known.firstMs >= IDEMPOTENCY_KEEP_MS) {
      known = this.#remember(chunk.keyHash, chunk.bodyHash, journalMs)
    } else if (known.bodyHash !== chunk.bodyHash) {
      return 'conflict'
    } else if (hasChunk(known, chunk.chunk)) {
      return 'repeat'
    }
    known.chunks.push(chunk.chunk)
    this.#unpublished.push({ entry: [chunk.keyHash, known.bodyHash, known.firstMs, chunk.chunk], position })
    return 'take'
  }

  /** The hash of the body that came with a key, if it was seen within the window. */
  bodyHashOf(keyHash: string, nowMs: number): string | undefined {
    const known = this.#keys.get(keyHash)
    return known !== undefined && nowMs - known.firstMs < IDEMPOTENCY_KEEP_MS ? known.bodyHash : undefined
  }

  /** Goes on from entries of published pages, oldest first. They count as published. */
  load(entries: readonly SeenEntry[]): void {
    for (const [keyHash, bodyHash, firstMs, chunk] of entries) {
      const known = this.#keys.get(keyHash)
      const isSame = known !== undefined && known.firstMs === firstMs && known.bodyHash === bodyHash
      const key = isSame ? known : this.#remember(keyHash, bodyHash, firstMs)
      if (!hasChunk(key, chunk)) key.chunks.push(chunk)
    }
  }

  /** Entries of frames up to `floor` that are in no page yet, oldest first. They stay until `published` says that they are. */
  publishable(floor: Position): SeenEntry[] {
    const entries: SeenEntry[] = []
    for (const { entry, position } of this.#unpublished) {
      if (comparePositions(position, floor) > 0) break
      entries.push(entry)
    }
    return entries
  }

  /** The pages of the shard, whoever wrote them, hold the entries of frames up to `floor`. */
  published(floor: Position): void {
    const count = this.publishable(floor).length
    if (count > 0) this.#unpublished = this.#unpublished.slice(count)
  }

  /** Everything that is remembered, oldest key first. */
  entries(): SeenEntry[] {
    const all: SeenEntry[] = []
    for (const [keyHash, { bodyHash, firstMs, chunks }] of this.#keys) {
      for (const chunk of chunks) all.push([keyHash, bodyHash, firstMs, chunk])
    }
    return all
  }

  #remember(keyHash: string, bodyHash: string, firstMs: number): SeenKey {
    this.#keys.delete(keyHash)
    const key: SeenKey = { bodyHash, firstMs, chunks: [] }
    this.#keys.set(keyHash, key)
    for (const [oldest, { firstMs: oldestMs }] of this.#keys) {
      if (this.#keys.size <= this.#keysMax && firstMs - oldestMs < IDEMPOTENCY_KEEP_MS) break
      this.#keys.delete(oldest)
    }
    return key
  }
}

/** Chunks of a request come in order, so the newest is looked at first. */
function hasChunk({ chunks }: SeenKey, chunk: number): boolean {
  return chunks.length > 0 && (chunks[chunks.length - 1] === chunk || chunks.includes(chunk))
}
