import type { LoadedBlock, OnGrow } from './block-reader.ts'

interface CachedBlock {
  readonly block: LoadedBlock
  bytes: number
  /** The last query that used it. */
  query: number
  /** False once it was let go of; whoever holds it may go on decoding its columns. */
  isHere: boolean
}

/**
 * Blocks that queries of one worker have opened, with the columns that they decoded: an LRU bounded by bytes. Blocks never change, so nothing
 * is ever out of date. A query does not push out what it has used itself: one that reads more than there is room for leaves its first blocks
 * behind, the newest as a rule, not its last.
 */
export class BlockCache {
  readonly #bytesMax: number
  readonly #onLookup: ((isHit: boolean) => void) | undefined
  /** In order of last use, oldest first. */
  readonly #blocks = new Map<string, CachedBlock>()
  #bytes = 0
  #query = 0

  constructor(bytesMax: number, onLookup?: (isHit: boolean) => void) {
    this.#bytesMax = bytesMax
    this.#onLookup = onLookup
  }

  /** Approximate bytes of memory of all blocks here. */
  get memoryBytes(): number {
    return this.#bytes
  }

  /** Says that a query begins. */
  beginQuery(): void {
    this.#query++
  }

  has(key: string): boolean {
    return this.#blocks.has(key)
  }

  /** The block known by `key`, or the one that `make` gives, which is kept if there is room. `make` hands `onGrow` to the block. */
  get(key: string, make: (onGrow: OnGrow) => LoadedBlock): LoadedBlock {
    const known = this.#blocks.get(key)
    this.#onLookup?.(known !== undefined)
    if (known !== undefined) {
      known.query = this.#query
      this.#blocks.delete(key)
      this.#blocks.set(key, known)
      return known.block
    }
    let entry: CachedBlock | undefined
    let bytesBefore = BLOCK_MEMORY_BYTES
    const block = make((bytes) => {
      if (entry === undefined) bytesBefore += bytes
      else this.#grow(entry, bytes)
    })
    entry = { block, bytes: 0, query: this.#query, isHere: true }
    this.#blocks.set(key, entry)
    this.#grow(entry, bytesBefore)
    return block
  }

  #grow(entry: CachedBlock, bytes: number): void {
    if (!entry.isHere) return
    entry.bytes += bytes
    this.#bytes += bytes
    if (this.#bytes <= this.#bytesMax) return
    for (const [key, oldest] of this.#blocks) {
      // Used by this query, as are all behind it: what has just grown is then the one to go.
      if (oldest.query === this.#query) break
      this.#drop(key, oldest)
      if (this.#bytes <= this.#bytesMax) return
    }
    for (const [key, other] of this.#blocks) if (other === entry) this.#drop(key, other)
  }

  #drop(key: string, entry: CachedBlock): void {
    this.#blocks.delete(key)
    this.#bytes -= entry.bytes
    entry.isHere = false
  }
}

/** A header with the columns of a block, parsed. */
const BLOCK_MEMORY_BYTES = 4096
