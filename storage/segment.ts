import type { DayNumber, Position, ShardId, TenantId } from '../base/ids.ts'

/** Tenants or services named one by one in a SegmentMeta; more are not listed. */
export const SEGMENT_NAMES_MAX = 64
/** A merge stops filling a segment here: 1.4 million rows. A segment is made in memory, so this is what a merge costs of it, twice. */
export const SEGMENT_BYTES_MAX = 64 * 1024 * 1024

/** What the manifest says of a segment: a sealed object of blocks of one (shard, day, retention class). Plain data. */
export interface SegmentMeta {
  /** In the object store. */
  readonly key: string
  readonly day: DayNumber
  readonly retentionClass: number
  /** Every tenant in it, ascending; null when they are too many to name. */
  readonly tenants: readonly TenantId[] | null
  /** Every service in it, ascending; null when they are too many or not known. A row without service is not counted. */
  readonly services: readonly string[] | null
  readonly rowCount: number
  readonly blockCount: number
  readonly byteLength: number
  /** Bounds of `timeMs`, inclusive. */
  readonly minMs: number
  readonly maxMs: number
  /** All rows are of one generation (J3), from these sequences. */
  readonly generation: number
  readonly firstSequence: number
  readonly lastSequence: number
  /** 0 as published; one more than the highest of its inputs after a merge. */
  readonly mergeLevel: number
  readonly createdMs: number
}

/** Where a segment belongs; a part of its key. */
export interface SegmentIdentity {
  readonly shard: ShardId
  readonly epoch: number
  readonly mergeLevel: number
}

export function firstPosition(meta: SegmentMeta): Position {
  return { generation: meta.generation, sequence: meta.firstSequence }
}

export function lastPosition(meta: SegmentMeta): Position {
  return { generation: meta.generation, sequence: meta.lastSequence }
}

/** False when no row of the segment can be of `tenant`. */
export function mayHoldTenant(meta: SegmentMeta, tenant: TenantId): boolean {
  return meta.tenants === null || meta.tenants.includes(tenant)
}

/** False when no row of the segment lies in [fromMs, toMs). */
export function meetsRange(meta: SegmentMeta, fromMs: number, toMs: number): boolean {
  return meta.minMs < toMs && meta.maxMs >= fromMs
}
