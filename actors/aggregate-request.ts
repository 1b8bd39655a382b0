import { WeirError } from '../base/errors.ts'
import type { GroupKey, Metric } from '../query/ast.ts'
import { resolvedField } from '../query/fields.ts'

export const COUNT: Metric = { name: 'count', field: null, quantile: null, as: 'count' }
/** Widths that people read easily, ms. */
const NICE_INTERVALS_MS = [
  1, 10, 100, 1000, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000, 3_600_000, 10_800_000, 21_600_000,
  43_200_000, 86_400_000, 604_800_000,
]

/** The narrowest of the nice widths that makes at most about 100 buckets. */
export function niceInterval(spanMs: number): number {
  return NICE_INTERVALS_MS.find((width) => spanMs / width <= 100) ?? NICE_INTERVALS_MS[NICE_INTERVALS_MS.length - 1]!
}

export function bucketKey(widthMs: number): GroupKey {
  return { kind: 'bucket', widthMs, as: 'bucket' }
}

/** `count`, `p95` …, with the field it is taken of. Throws invalid_parameter. */
export function metricOf(metric: string, field: string | undefined): Metric {
  if (metric === 'count') return COUNT
  if (field === undefined) {
    throw new WeirError('invalid_parameter', `the metric ${metric} needs a field`, { parameter: 'field' })
  }
  const as = `${metric}_${field}`
  const percentile = /^p(\d{1,2}(?:\.\d+)?)$/.exec(metric)
  if (percentile !== null) {
    return { name: 'quantile', field: resolvedField(field), quantile: Number(percentile[1]) / 100, as }
  }
  if (metric === 'sum' || metric === 'avg' || metric === 'min' || metric === 'max' || metric === 'uniq') {
    return { name: metric, field: resolvedField(field), quantile: null, as }
  }
  throw new WeirError('invalid_parameter', `there is no metric ${metric}`, { parameter: 'metric' })
}
