import { pack, unpack } from 'msgpackr'
import { assert } from '../base/assert.ts'
import { WeirError } from '../base/errors.ts'
import type { DayNumber, NodeId, Position, ShardId, TenantId } from '../base/ids.ts'
import { comparePositions, POSITION_ZERO } from '../base/ids.ts'
import { contentHashOf, manifestKey } from './object-store/object-keys.ts'
import type { SegmentMeta } from './segment.ts'

const MANIFEST_FORMAT = 1
const ENTRY_FORMAT = 1

/** An immutable page: all that a shard has published. A new one is written for every change and named by `shard/<n>` (C2). */
export interface ManifestPage {
  /** Current segments, oldest day first, then by position. */
  readonly segments: readonly SegmentMeta[]
  /** Keys of the pages of keyed chunks of the last 24 h (D3). */
  readonly seen: readonly string[]
  /** Tenants' days whose rows are published further than the floor. */
  readonly publishedThrough: readonly PublishedThrough[]
  /** Objects no longer current: they stay for plans that name them (C5), then go. */
  readonly garbage: readonly GarbageObject[]
}

export interface PublishedThrough {
  readonly day: DayNumber
  readonly tenant: TenantId
  readonly generation: number
  readonly sequence: number
}

export interface GarbageObject {
  readonly key: string
  readonly supersededMs: number
}

/** The value of the registry key `shard/<n>`: the one place that says who owns a shard and what it has published (C2). */
export interface ShardEntry {
  readonly owner: NodeId
  readonly epoch: number
  readonly generation: number
  /** Everything at or below it is in published segments. */
  readonly floor: Position
  /** Key of the manifest page; empty before the first publish. */
  readonly manifestObject: string
  readonly featureLevel: number
}

export const MANIFEST_EMPTY: ManifestPage = { segments: [], seen: [], publishedThrough: [], garbage: [] }

/** Prefix of the registry keys of all shards. */
export const SHARD_KEYS = 'shard/'

/** Registry key of a shard. */
export function shardEntryKey(shard: ShardId): string {
  return `${SHARD_KEYS}${shard}`
}

export function shardOfKey(key: string): ShardId {
  return Number(key.slice(SHARD_KEYS.length)) as ShardId
}

export function encodeShardEntry(entry: ShardEntry): Uint8Array {
  return pack({ format: ENTRY_FORMAT, ...entry })
}

/** Throws corrupt_data. */
export function decodeShardEntry(bytes: Uint8Array): ShardEntry {
  const { format, ...entry } = unpacked<ShardEntry>(bytes, 'shard entry')
  const isWhole =
    format === ENTRY_FORMAT &&
    typeof entry.owner === 'string' &&
    Number.isSafeInteger(entry.epoch) &&
    Number.isSafeInteger(entry.generation) &&
    Number.isSafeInteger(entry.floor?.generation) &&
    Number.isSafeInteger(entry.floor?.sequence) &&
    typeof entry.manifestObject === 'string' &&
    Number.isSafeInteger(entry.featureLevel)
  if (!isWhole) throw new WeirError('corrupt_data', 'not a shard entry of a known format', {})
  return entry
}

/**
 * Bytes of a page and the key to put them under. `counter` rises with every page of an epoch. The floor that comes with it is written down for the
 * day when the registry is lost (C10).
 */
export function encodeManifest(
  page: ManifestPage,
  floor: Position,
  shard: ShardId,
  epoch: number,
  counter: number,
): { readonly key: string; readonly bytes: Uint8Array } {
  const bytes = pack({ format: MANIFEST_FORMAT, floor, ...page })
  return { key: manifestKey(shard, epoch, counter, contentHashOf(bytes)), bytes }
}

/** Throws corrupt_data when the bytes are not those that `key` was made of, or no page. */
export function decodeManifest(key: string, bytes: Uint8Array): ManifestPage {
  return decodeManifestWithFloor(key, bytes).page
}

/** The same, with the floor that the page was written with; POSITION_ZERO where it says none. */
export function decodeManifestWithFloor(
  key: string,
  bytes: Uint8Array,
): { readonly page: ManifestPage; readonly floor: Position } {
  if (!key.includes(`-${contentHashOf(bytes)}.`)) {
    throw new WeirError('corrupt_data', 'a manifest page has other content than its name says', { key })
  }
  const {
    format,
    floor = POSITION_ZERO,
    ...page
  } = unpacked<ManifestPage & { floor?: Position }>(bytes, 'manifest page')
  const lists = [page.segments, page.seen, page.publishedThrough, page.garbage]
  if (format !== MANIFEST_FORMAT || !lists.every(Array.isArray)) {
    throw new WeirError('corrupt_data', 'not a manifest page of a known format', { key })
  }
  return { page, floor }
}

/** The page with further segments, in order. Throws conflict when one is there already. */
export function addSegments(page: ManifestPage, added: readonly SegmentMeta[]): ManifestPage {
  const keys = new Set(page.segments.map((segment) => segment.key))
  for (const segment of added) {
    if (keys.has(segment.key)) throw new WeirError('conflict', 'the segment is published already', { key: segment.key })
    keys.add(segment.key)
  }
  return { ...page, segments: inOrder([...page.segments, ...added]) }
}

/**
 * The page with `outputs` in place of `inputs`, which become garbage. Throws conflict when an input is no longer current: then the
 * outputs must not come in, or rows would be seen twice (C5).
 */
export function replaceSegments(
  page: ManifestPage,
  inputs: readonly string[],
  outputs: readonly SegmentMeta[],
  nowMs: number,
): ManifestPage {
  const current = new Map(page.segments.map((segment) => [segment.key, segment]))
  let rowsIn = 0
  for (const key of inputs) {
    const segment = current.get(key)
    if (segment === undefined) throw new WeirError('conflict', 'a merged segment is no longer current', { key })
    rowsIn += segment.rowCount
    current.delete(key)
  }
  const rowsOut = outputs.reduce((rows, segment) => rows + segment.rowCount, 0)
  assert(rowsIn === rowsOut, 'a merge keeps every row')
  for (const segment of outputs) {
    assert(!current.has(segment.key) && !inputs.includes(segment.key), 'a merge makes a new segment')
  }
  return {
    ...page,
    segments: inOrder([...current.values(), ...outputs]),
    garbage: [...page.garbage, ...inputs.map((key) => ({ key, supersededMs: nowMs }))],
  }
}

/** The page without the segments of `days` (retention); they become garbage. */
export function dropDays(page: ManifestPage, days: readonly DayNumber[], nowMs: number): ManifestPage {
  const dropped = new Set(days)
  const gone = page.segments.filter((segment) => dropped.has(segment.day))
  return {
    ...page,
    segments: page.segments.filter((segment) => !dropped.has(segment.day)),
    publishedThrough: page.publishedThrough.filter(({ day }) => !dropped.has(day)),
    garbage: [...page.garbage, ...gone.map(({ key }) => ({ key, supersededMs: nowMs }))],
  }
}

/** The page with `through` taken in: the furthest per tenant and day, and only what is beyond `floor`. */
export function advancePublished(
  page: ManifestPage,
  through: readonly PublishedThrough[],
  floor: Position,
): ManifestPage {
  const furthest = new Map<string, PublishedThrough>()
  for (const entry of [...page.publishedThrough, ...through]) {
    if (comparePositions(entry, floor) <= 0) continue
    const key = `${entry.day}/${entry.tenant}`
    const known = furthest.get(key)
    if (known === undefined || comparePositions(entry, known) > 0) furthest.set(key, entry)
  }
  return { ...page, publishedThrough: [...furthest.values()] }
}

/** Splits garbage into what may be deleted now (superseded at or before `beforeMs`) and the page that no longer lists it. */
export function takeGarbage(
  page: ManifestPage,
  beforeMs: number,
): { readonly page: ManifestPage; readonly keys: readonly string[] } {
  const old = page.garbage.filter((object) => object.supersededMs <= beforeMs)
  if (old.length === 0) return { page, keys: [] }
  const garbage = page.garbage.filter((object) => object.supersededMs > beforeMs)
  return { page: { ...page, garbage }, keys: old.map((object) => object.key) }
}

function inOrder(segments: SegmentMeta[]): SegmentMeta[] {
  return segments.sort(
    (a, b) =>
      a.day - b.day ||
      a.generation - b.generation ||
      a.firstSequence - b.firstSequence ||
      a.lastSequence - b.lastSequence ||
      (a.key < b.key ? -1 : 1),
  )
}

function unpacked<T>(bytes: Uint8Array, what: string): Partial<T> & T & { format?: unknown } {
  let value: unknown
  try {
    value = unpack(bytes)
  } catch (error) {
    throw new WeirError('corrupt_data', `not a ${what}`, {}, { cause: error })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new WeirError('corrupt_data', `not a ${what}`, {})
  }
  return value as Partial<T> & T & { format?: unknown }
}
