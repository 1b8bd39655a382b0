/**
 * Every keyspace of a day's store. A key is one prefix byte, the tenant, a zero byte, and (but for `applied`) the block id;
 * tenants hold no zero byte, so the keys of a tenant are one range.
 */
export const KEYSPACE_BLOCK = 0x62 // b: the encoded block
export const KEYSPACE_BLOOM = 0x66 // f: its bloom filter
export const KEYSPACE_WORDS = 0x77 // w: its distinct words, msgpack
export const KEYSPACE_SUMMARY = 0x73 // s: its BlockSummary, msgpack
export const KEYSPACE_REPLACED = 0x72 // r: BlockSummary, msgpack, of a block whose unpublished rows are in another one by now
export const KEYSPACE_APPLIED = 0x61 // a: appliedThrough of the tenant's day, msgpack [generation, sequence]

export type Keyspace =
  | typeof KEYSPACE_BLOCK
  | typeof KEYSPACE_BLOOM
  | typeof KEYSPACE_WORDS
  | typeof KEYSPACE_SUMMARY
  | typeof KEYSPACE_REPLACED
  | typeof KEYSPACE_APPLIED

const encoder = new TextEncoder()

export function dayKey(keyspace: Keyspace, tenant: string, blockId = ''): Uint8Array {
  const text = encoder.encode(`${tenant}\0${blockId}`)
  const key = new Uint8Array(text.length + 1)
  key[0] = keyspace
  key.set(text, 1)
  return key
}

/** The half-open range of all keys of a keyspace. */
export function keyspaceRange(keyspace: Keyspace): [from: Uint8Array, to: Uint8Array] {
  return [new Uint8Array([keyspace]), new Uint8Array([keyspace + 1])]
}
