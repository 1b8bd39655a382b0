/** Branded identifiers: a string or number that only its own kind may be assigned to. */
declare const brand: unique symbol
type Branded<T, B extends string> = T & { readonly [brand]: B }

export type TenantId = Branded<string, 'TenantId'>
export type NodeId = Branded<string, 'NodeId'>
/** 0 to shards - 1. */
export type ShardId = Branded<number, 'ShardId'>
/** 0 to lanes - 1. */
export type LaneId = Branded<number, 'LaneId'>
/** Whole UTC days since 1970-01-01. */
export type DayNumber = Branded<number, 'DayNumber'>

export const DAY_MS = 86_400_000

export function dayOf(timeMs: number): DayNumber {
  return Math.floor(timeMs / DAY_MS) as DayNumber
}

/** `yyyy-mm-dd` of a day. */
export function dayText(day: DayNumber): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10)
}

/**
 * J3: where a row stands in the journal. `sequence` is the journal's own, from 1; a safe integer. `row` counts the rows
 * of its shard in that frame, from 0. Never compared across generations but by generation itself.
 */
export interface Position {
  readonly generation: number
  readonly sequence: number
}

export const POSITION_ZERO: Position = { generation: 0, sequence: 0 }

export function comparePositions(a: Position, b: Position): number {
  return a.generation - b.generation || a.sequence - b.sequence
}

const TENANT_PATTERN = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$/
export const TENANT_DEFAULT = 'default' as TenantId

/** True when `text` may name a tenant: letters, digits, `_`, `.`, `-`; 1 to 64 characters. */
export function isTenantName(text: string): text is TenantId {
  return TENANT_PATTERN.test(text)
}

/** The internal tenant that holds a tenant's rejected records; no request can name it. */
export function deadLetterTenant(tenant: TenantId): TenantId {
  return `${tenant}!dead` as TenantId
}

/** The internal tenant that says which of a tenant's dead letters have been stored since. */
export function replayedTenant(tenant: TenantId): TenantId {
  return `${tenant}!replayed` as TenantId
}
