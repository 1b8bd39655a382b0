import { pack, unpack } from 'msgpackr'
import { WeirError } from '../base/errors.ts'
import type { ShardId } from '../base/ids.ts'
import { contentHashOf, seenKey } from './object-store/object-keys.ts'
import type { ObjectStore } from './object-store/object-store.ts'
import type { SeenEntry } from './seen-set.ts'
import { SeenSet } from './seen-set.ts'

/** Bytes of a page of keyed chunks (D3) and the key to put them under. */
export function encodeSeenPage(
  entries: readonly SeenEntry[],
  shard: ShardId,
  epoch: number,
): { readonly key: string; readonly bytes: Uint8Array } {
  const bytes = pack(entries)
  return { key: seenKey(shard, epoch, contentHashOf(bytes)), bytes }
}

/** All entries of the pages, which a manifest names oldest first. Throws not_found, corrupt_data, storage_unavailable. */
export async function readSeenPages(keys: readonly string[], objects: ObjectStore): Promise<SeenEntry[]> {
  const entries: SeenEntry[] = []
  for (const key of keys) {
    const bytes = await objects.get(key)
    if (!key.includes(`-${contentHashOf(bytes)}.`)) {
      throw new WeirError('corrupt_data', 'a page of keyed chunks has other content than its name says', { key })
    }
    for (const entry of unpack(bytes) as SeenEntry[]) entries.push(entry)
  }
  return entries
}

/** The same entries without those that a later one made void: what a shard remembers that has loaded them all. */
export function compactSeen(entries: readonly SeenEntry[]): SeenEntry[] {
  const seen = new SeenSet()
  seen.load(entries)
  return seen.entries()
}
