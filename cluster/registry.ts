/**
 * Port: the small shared store of who owns what (C2), credentials and settings. Linearizable per key by revision.
 * Keys are `/`-separated, of any characters, 1 to REGISTRY_KEY_BYTES_MAX bytes in UTF-8; values are bytes of at most 1 MiB. Every call
 * throws storage_unavailable where the registry cannot be reached; a write then may or may not have been made, and `get` of its key
 * through the same Registry tells for good.
 */
export interface Registry {
  get(key: string): Promise<RegistryEntry | undefined>
  /**
   * Writes when the key still has `expected` as its revision (0: the key must be absent). Returns the new revision.
   * Throws revision_conflict otherwise.
   */
  put(key: string, value: Uint8Array, expected: number): Promise<number>
  delete(key: string, expected: number): Promise<void>
  /** All entries whose key begins with `prefix`. */
  list(prefix: string): Promise<readonly RegistryEntry[]>
  /**
   * Calls `onChange` for every entry under `prefix` as it is now, then for each change (undefined value: deleted), in order of revision
   * per key; of changes that follow one another, only the last may be told. Resolves, once the present entries have been delivered, with
   * the function that ends it: from then on nothing is told any more. Goes on by itself when the registry was out of reach.
   */
  watch(prefix: string, onChange: (change: RegistryChange) => void): Promise<() => void>
  close(): Promise<void>
}

export interface RegistryEntry {
  readonly key: string
  readonly value: Uint8Array
  /** Rises with every write of the key; never 0. */
  readonly revision: number
}

export interface RegistryChange {
  readonly key: string
  readonly value: Uint8Array | undefined
  readonly revision: number
}
