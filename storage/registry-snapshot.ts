import { pack, unpack } from 'msgpackr'
import { WeirError } from '../base/errors.ts'
import { contentHashOf, contentHashOfKey, snapshotKey } from './object-store/object-keys.ts'

const FORMAT = 1

/** One entry of the registry, without its revision: that means nothing to another registry. */
export interface SnapshotEntry {
  readonly key: string
  readonly value: Uint8Array
}

/** What the registry held at a moment, for the day when it is lost (C10). */
export interface RegistrySnapshot {
  readonly takenMs: number
  readonly entries: readonly SnapshotEntry[]
}

/** Bytes of a snapshot and the key to put them under. */
export function encodeRegistrySnapshot(snapshot: RegistrySnapshot): {
  readonly key: string
  readonly bytes: Uint8Array
} {
  const entries = snapshot.entries.map(({ key, value }) => ({ key, value }))
  const bytes = pack({ format: FORMAT, takenMs: snapshot.takenMs, entries })
  return { key: snapshotKey(snapshot.takenMs, contentHashOf(bytes)), bytes }
}

/** Throws corrupt_data when the bytes are not those that `key` was made of, or no snapshot. */
export function decodeRegistrySnapshot(key: string, bytes: Uint8Array): RegistrySnapshot {
  if (contentHashOfKey(key) !== contentHashOf(bytes)) {
    throw new WeirError('corrupt_data', 'a snapshot of the registry has other content than its name says', { key })
  }
  const { format, takenMs, entries } = unpack(bytes) as Partial<RegistrySnapshot> & { format?: unknown }
  const isWhole = format === FORMAT && Number.isSafeInteger(takenMs) && Array.isArray(entries) && entries.every(isEntry)
  if (!isWhole) throw new WeirError('corrupt_data', 'not a snapshot of the registry of a known format', { key })
  return { takenMs: takenMs!, entries: entries! }
}

function isEntry(entry: Partial<SnapshotEntry>): boolean {
  return typeof entry.key === 'string' && entry.value instanceof Uint8Array
}
