/**
 * The one 32-bit hash of the system: FNV-1a's shape (xor a byte, multiply) with a larger multiplier, over UTF-8. It is stored in
 * bloom filters and decides shards, so it never changes. Hot loops inline `hash = Math.imul(hash ^ byte, HASH_MULTIPLIER)` and must
 * end as `sealed` does. 32 bits are enough for a filter of one block: two of 100,000 tokens meet once in 100,000 lookups, a
 * hundredth of the filter's own error; whatever must be exact compares bytes as well.
 */
export const HASH_SEED = 0x811c9dc5 | 0
export const HASH_MULTIPLIER = 0x9e3779b1 | 0

/** Separates the hashes of (field, value) pairs from those of tokens. */
const VALUE_SEED = 0x5bd1e995 | 0
const SHARD_SEED = 0x27d4eb2f | 0

const utf8 = new TextEncoder()

/** Hash of bytes[start, end), int32, going on from `seed`. */
export function hashBytes(bytes: Uint8Array, start: number, end: number, seed = HASH_SEED): number {
  let hash = seed
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, HASH_MULTIPLIER)
  return hash
}

/** Hash of the UTF-8 form of `text` (a lone surrogate counts as U+FFFD), going on from `seed`. */
export function hashText(text: string, seed = HASH_SEED): number {
  let hash = seed
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit >= 0x80) {
      const rest = utf8.encode(text.slice(i))
      return hashBytes(rest, 0, rest.length, hash)
    }
    hash = Math.imul(hash ^ unit, HASH_MULTIPLIER)
  }
  return hash
}

/** Zero means "empty" in hash tables, so no hash is zero. */
export function sealed(hash: number): number {
  return hash === 0 ? 1 : hash
}

/** Spreads every bit of `hash` over all of the result (the finalizer of MurmurHash3); a bijection, int32. */
export function mix32(hash: number): number {
  let h = hash ^ (hash >>> 16)
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  return h ^ (h >>> 16)
}

/** Hash of a folded token (base/tokenizer.ts); int32, never 0. */
export function tokenHash(token: string): number {
  return sealed(hashText(token))
}

/** Where the hash of a value of `field` (canonical path) begins. */
export function valueSeed(field: string): number {
  return mix32(hashText(field, VALUE_SEED))
}

/** ASCII upper-case letters to lower-case; every other byte to itself. */
const ASCII_LOWER = Uint8Array.from({ length: 256 }, (_, byte) => (byte >= 65 && byte <= 90 ? byte + 32 : byte))

/**
 * Hash of the pair (field, value): ASCII case is folded, so that comparisons that ignore it (levels, booleans) may use it too.
 * int32, never 0.
 */
export function valueHash(field: string, text: string): number {
  const bytes = utf8.encode(text)
  return valueHashOfBytes(valueSeed(field), bytes, 0, bytes.length)
}

/** The same of bytes[start, end), given `valueSeed(field)`. */
export function valueHashOfBytes(seed: number, bytes: Uint8Array, start: number, end: number): number {
  let hash = seed
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ ASCII_LOWER[bytes[i]!]!, HASH_MULTIPLIER)
  return sealed(hash)
}

/** The slot (0 to slots - 1) of a service's rows that came with an idempotency key, by the key's hash (D3). Part of the format, as `shardOf` is. */
export function slotOfKey(keyHash: string, slots: number): number {
  return (mix32(hashText(keyHash)) >>> 0) % slots
}

/** The shard (0 to shardCount - 1) of a slot of a tenant's service (J1). Part of the format: changing it moves every record. */
export function shardOf(tenant: string, service: string, slot: number, shardCount: number): number {
  let hash = hashText(tenant, SHARD_SEED)
  hash = hashText(service, mix32(hash))
  return (mix32(mix32(hash) + slot) >>> 0) % shardCount
}
