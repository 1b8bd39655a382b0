/**
 * Port: the small shared store of who owns what (C2), credentials and settings. Linearizable per key by revision.
 * Keys are `/`-separated; values are bytes of at most 1 MiB.
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
   * per key. Resolves, once the present entries have been delivered, with the function that ends it.
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
