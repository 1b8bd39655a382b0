import { assert } from '../base/assert.ts'
import type { Position } from '../base/ids.ts'
import { comparePositions } from '../base/ids.ts'
import { IDEMPOTENCY_KEEP_MS, IDEMPOTENCY_KEYS_PER_SHARD_MAX } from '../base/limits.ts'
import type { KeyedChunk } from './section-codec.ts'

/**
 * D3: which keyed chunks a shard has taken. The verdict depends on the order of the journal alone: a chunk belongs to the first
 * position that carried it, so replays, standbys and new owners decide alike.
 */
export type ChunkVerdict = 'take' | 'repeat' | 'conflict'

interface SeenKey {
  readonly bodyHash: string
  readonly firstMs: number
  /** Position that first carried each chunk. */
  readonly chunks: Map<number, Position>
}

/** One taken chunk, as it travels in seen pages: [keyHash, bodyHash, firstMs, chunk, generation, sequence]. */
export type SeenEntry = readonly [string, string, number, number, number, number]

export class SeenSet {
  /** In order of arrival, so that the oldest can be dropped first. */
  readonly #keys = new Map<string, SeenKey>()
  readonly #keysMax: number
  #unpublished: SeenEntry[] = []

  constructor(keysMax = IDEMPOTENCY_KEYS_PER_SHARD_MAX) {
    assert(keysMax > 0, 'the seen-set may hold a key')
    this.#keysMax = keysMax
  }

  get size(): number {
    return this.#keys.size
  }

  /** Decides on a chunk carried by `position`, journalled at `journalMs`, and remembers it. */
  decide(chunk: KeyedChunk, position: Position, journalMs: number): ChunkVerdict {
    const known = this.#keys.get(chunk.keyHash)
    if (known !== undefined && journalMs - known.firstMs < IDEMPOTENCY_KEEP_MS) {
      if (known.bodyHash !== chunk.bodyHash) return 'conflict'
      const first = known.chunks.get(chunk.chunk)
      if (first !== undefined) return comparePositions(first, position) === 0 ? 'take' : 'repeat'
      known.chunks.set(chunk.chunk, position)
      this.#unpublished.push(entryOf(chunk, known.firstMs, position))
      return 'take'
    }
    this.#remember(chunk.keyHash, chunk.bodyHash, journalMs).chunks.set(chunk.chunk, position)
    this.#unpublished.push(entryOf(chunk, journalMs, position))
    return 'take'
  }

  /** The hash of the body that came with a key, if it was seen within the window. */
  bodyHashOf(keyHash: string, nowMs: number): string | undefined {
    const known = this.#keys.get(keyHash)
    return known !== undefined && nowMs - known.firstMs < IDEMPOTENCY_KEEP_MS ? known.bodyHash : undefined
  }

  /** Loads entries of a published page; those already known by an earlier position stay. */
  load(entries: readonly SeenEntry[], nowMs: number): void {
    for (const [keyHash, bodyHash, firstMs, chunk, generation, sequence] of entries) {
      if (nowMs - firstMs >= IDEMPOTENCY_KEEP_MS) continue
      const known = this.#keys.get(keyHash) ?? this.#remember(keyHash, bodyHash, firstMs)
      if (known.bodyHash === bodyHash && !known.chunks.has(chunk)) known.chunks.set(chunk, { generation, sequence })
    }
  }

  /** Entries not yet in a published page, oldest first. They stay until `published` is told how many were written. */
  unpublished(): readonly SeenEntry[] {
    return this.#unpublished
  }

  published(count: number): void {
    assert(count <= this.#unpublished.length, 'only entries that were handed out are published')
    this.#unpublished = this.#unpublished.slice(count)
  }

  /** Everything still within the window, for a compacted page. */
  entries(nowMs: number): SeenEntry[] {
    const all: SeenEntry[] = []
    for (const [keyHash, key] of this.#keys) {
      if (nowMs - key.firstMs >= IDEMPOTENCY_KEEP_MS) continue
      for (const [chunk, at] of key.chunks) {
        all.push([keyHash, key.bodyHash, key.firstMs, chunk, at.generation, at.sequence])
      }
    }
    return all
  }

  #remember(keyHash: string, bodyHash: string, firstMs: number): SeenKey {
    this.#keys.delete(keyHash)
    const key: SeenKey = { bodyHash, firstMs, chunks: new Map() }
    this.#keys.set(keyHash, key)
    for (const [oldest, { firstMs: oldestMs }] of this.#keys) {
      if (this.#keys.size <= this.#keysMax && firstMs - oldestMs < IDEMPOTENCY_KEEP_MS) break
      this.#keys.delete(oldest)
    }
    return key
  }
}

function entryOf(chunk: KeyedChunk, firstMs: number, position: Position): SeenEntry {
  return [chunk.keyHash, chunk.bodyHash, firstMs, chunk.chunk, position.generation, position.sequence]
}
