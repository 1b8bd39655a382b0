/**
 * Port (S10): an ordered, transactional key-value store. One store is one directory on disk. Keys are bytes, ordered by
 * memcmp. Reads see the last committed transaction. A commit is atomic; it survives a crash of the process at once and a crash of
 * the machine once `flushed` has resolved.
 */
export interface KeyValueStore {
  /** The value, copied; undefined when absent. */
  get(key: Uint8Array): Uint8Array | undefined
  /** The value without a copy: valid only until the next call on this store (S9). */
  getView(key: Uint8Array): Uint8Array | undefined
  /**
   * Entries of one snapshot, if taken without awaiting in between, with from <= key < to, ascending (descending with `reverse`). Values are copies.
   */
  range(from: Uint8Array, to: Uint8Array, options?: { reverse?: boolean; limit?: number }): Iterable<KeyValueEntry>
  /** Keys alone of the same range. */
  keys(from: Uint8Array, to: Uint8Array, options?: { reverse?: boolean; limit?: number }): Iterable<Uint8Array>
  /**
   * Applies all of `operations` or none; resolves when committed and visible to every reader. Keys and values must stay as they are until
   * then. Transactions of one store are applied in the order of the calls. Throws storage_unavailable when the disk refuses; nothing
   * is applied then, and the store stays usable.
   */
  transact(operations: readonly KeyValueOperation[]): Promise<void>
  /** Resolves when everything committed before the call is on stable storage. Throws storage_unavailable when the disk refuses. */
  flushed(): Promise<void>
  close(): Promise<void>
}

export interface KeyValueEntry {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

export type KeyValueOperation =
  | { readonly kind: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly kind: 'delete'; readonly key: Uint8Array }

/** Opens (creating when absent) the store in `directory`. */
export interface KeyValueEngine {
  open(directory: string): Promise<KeyValueStore>
  /** Names of the immediate sub-directories of `directory` that hold a store or further directories; empty when absent. */
  list(directory: string): Promise<string[]>
  /** Removes a closed store, or a directory of them, from the disk. */
  destroy(directory: string): Promise<void>
}
