import { AGGREGATE_GROUPS_MAX } from '../base/limits.ts'
import { type AggregationPartial, type AggregationSpec, mergePartials } from './aggregate.ts'

/** Counts of records in a stretch of time, split by the values of a field; absent and null count as `null`. */
export interface HistogramBucket {
  readonly startMs: number
  readonly count: number
  readonly by: Readonly<Record<string, number>>
}

/** The aggregation that a histogram is made of: leaves run it, `histogramOf` reads it. */
export function histogramSpec(intervalMs: number, groupBy: string): AggregationSpec {
  return {
    metrics: [{ name: 'count', field: null, quantile: null, as: 'count' }],
    by: [
      { kind: 'bucket', widthMs: intervalMs, as: 'bucket' },
      { kind: 'field', field: groupBy, as: 'by' },
    ],
    groupsMax: AGGREGATE_GROUPS_MAX,
  }
}

/** Every bucket that meets [fromMs, toMs), empty ones included, oldest first. Their number is the caller's to bound. */
export function histogramOf(
  spec: AggregationSpec,
  partials: readonly AggregationPartial[],
  intervalMs: number,
  fromMs: number,
  toMs: number,
): HistogramBucket[] {
  const counts = new Map<number, Map<string, number>>()
  for (let start = Math.floor(fromMs / intervalMs) * intervalMs; start < toMs; start += intervalMs)
    counts.set(start, new Map())
  for (const row of mergePartials(spec, partials).finish().rows) {
    const bucket = counts.get(Date.parse(String(row.bucket)))
    // The number 5 and the text "5" are groups of their own, and of one name.
    const name = String(row.by)
    bucket?.set(name, (bucket.get(name) ?? 0) + Number(row.count))
  }
  return [...counts].map(([startMs, by]) => ({
    startMs,
    count: [...by.values()].reduce((sum, count) => sum + count, 0),
    by: Object.fromEntries(by),
  }))
}
