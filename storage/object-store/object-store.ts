/**
 * Port: immutable objects by key. Keys are `/`-separated, of `[A-Za-z0-9._=-]` segments; they end in a content hash, so putting the
 * same key twice is harmless and conditional writes are not needed (C10).
 */
export interface ObjectStore {
  /** Stores the object whole or not at all; durable when it resolves. */
  put(key: string, bytes: Uint8Array): Promise<void>
  /**
   * `length` bytes from `offset` (negative offset: from the end), in memory of their own. Bytes beyond either end are left
   * out, so the answer may be shorter. Throws not_found.
   */
  get(key: string, range?: { readonly offset: number; readonly length?: number }): Promise<Uint8Array>
  size(key: string): Promise<number | undefined>
  /** Keys that begin with `prefix`, ascending. */
  list(prefix: string): AsyncIterable<string>
  /** No error when absent. */
  delete(key: string): Promise<void>
}
