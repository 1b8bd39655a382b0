import { assert } from '../base/assert.ts'
import { comparePositions } from '../base/ids.ts'
import type { EncodeOptions } from './block-codec.ts'
import type { DayPartition, TenantDay } from './day-partition.ts'
import type { Head } from './head.ts'
import type { HeadBudget } from './head-budget.ts'
import type { PublishedState } from './published-state.ts'
import type { PublishedThroughOf, Remainders } from './remainder.ts'

export interface AdoptionOptions extends EncodeOptions {
  readonly budget: HeadBudget
}

/** A state that another owner of the shard published, and what must be made before the days of this node can take it over. */
export interface Adoption {
  readonly published: PublishedState
  readonly remainders: ReadonlyMap<DayPartition, Remainders>
}

/** Makes the remainders of the blocks that straddle what is published. Nothing changes. Throws corrupt_data, storage_unavailable. */
export async function prepareAdoption(
  days: Iterable<DayPartition>,
  published: PublishedState,
  options: EncodeOptions,
): Promise<Adoption> {
  const remainders = new Map<DayPartition, Remainders>()
  for (const day of [...days]) {
    remainders.set(day, await day.remaindersBeyond(throughOf(published, day), options))
  }
  return { published, remainders }
}

/** False when blocks that straddle have come meanwhile. */
export function isPrepared({ published, remainders }: Adoption, days: Iterable<DayPartition>): boolean {
  for (const day of days) if (!day.canAdopt(throughOf(published, day), remainders.get(day) ?? new Map())) return false
  return true
}

/** Leaves of the heads and blocks of `days` only what is not published, in one step. */
export function adopt(
  { published, remainders }: Adoption,
  days: Iterable<DayPartition>,
  { budget, clock }: AdoptionOptions,
): void {
  for (const day of days) {
    for (const state of day.tenants()) dropPublishedRows(state, published, budget)
    day.adopt(throughOf(published, day), remainders.get(day) ?? new Map(), clock.monotonicMs())
  }
}

/** Brings a day that the disk brought back to what is published, which may change meanwhile. Throws like `prepareAdoption`. */
export async function adoptAtOpening(
  day: DayPartition,
  publishedNow: () => PublishedState,
  options: AdoptionOptions,
): Promise<void> {
  for (;;) {
    const adoption = await prepareAdoption([day], publishedNow(), options)
    if (adoption.published === publishedNow()) return adopt(adoption, [day], options)
  }
}

/** Rows of heads need no remainder: they are in memory, and go. */
function dropPublishedRows(state: TenantDay, published: PublishedState, budget: HeadBudget): void {
  const through = published.publishedThrough(state.tenant, state.day)
  const dropOf = (head: Head): number => {
    if (head.generation > through.generation) return 0
    return head.dropThrough(head.generation < through.generation ? Number.MAX_SAFE_INTEGER : through.sequence)
  }
  for (const head of state.frozen) budget.release(dropOf(head))
  state.frozen.splice(0, state.frozen.length, ...state.frozen.filter(({ rowCount }) => rowCount > 0))
  if (state.head === undefined) return
  const freed = dropOf(state.head)
  budget.freeze(freed)
  budget.release(freed)
  if (state.head.rowCount > 0) assert(comparePositions(state.head.lastPosition, through) > 0, 'what is left is beyond')
  else state.head = undefined
}

function throughOf(published: PublishedState, { day }: DayPartition): PublishedThroughOf {
  return (tenant) => published.publishedThrough(tenant, day)
}
