import type { SearchPlan, WholeSegment } from '../storage/search-plan.ts'
import type { SearchUnit } from '../storage/search-unit.ts'
import type { SortOrder } from './messages/search.ts'

/** Units that are searched one after the other. */
export interface SearchPart {
  readonly units: readonly SearchUnit[]
  /** Where the units are all of a segment that the result is to be known of. */
  readonly segment: WholeSegment | undefined
}

interface Bounds {
  readonly minMs: number
  readonly maxMs: number
}

/**
 * The units of plans in the order of the search: those with its first rows first. With `bySegment` each segment that belongs to a plan as a whole
 * is a part of its own, even one of which no unit is left.
 */
export function searchParts(
  plans: readonly { readonly plan: SearchPlan }[],
  bySegment: boolean,
  order: SortOrder,
): SearchPart[] {
  const byTime = (a: Bounds, b: Bounds) => (order === 'desc' ? b.maxMs - a.maxMs : a.minMs - b.minMs)
  const segments = bySegment ? plans.flatMap(({ plan }) => plan.whole) : []
  const apart = new Set(segments.flatMap(({ units }) => units))
  const others = plans.flatMap(({ plan }) => plan.units.filter((unit) => !apart.has(unit))).sort(byTime)
  const parts = segments.map((segment): SearchPart & { readonly bounds: Bounds } => {
    return { units: segment.units.toSorted(byTime), segment, bounds: segment.meta }
  })
  const [first] = others
  if (first !== undefined) parts.push({ units: others, segment: undefined, bounds: first })
  return parts.sort((a, b) => byTime(a.bounds, b.bounds))
}
