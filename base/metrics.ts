import { assert } from './assert.ts'
import { METRIC_CATALOGUE, type MetricKey, type MetricSpec } from './metric-catalogue.ts'

type Catalogue = typeof METRIC_CATALOGUE
type KeyOf<T extends MetricSpec['type']> = {
  [K in MetricKey]: Catalogue[K]['type'] extends T ? K : never
}[MetricKey]
export type CounterKey = KeyOf<'counter'>
export type GaugeKey = KeyOf<'gauge'>
export type HistogramKey = KeyOf<'histogram'>
/** A value for each label of the metric; none for a metric without labels. */
export type LabelValues<K extends MetricKey> = Catalogue[K]['labels'] extends readonly []
  ? []
  : [labels: Readonly<Record<Catalogue[K]['labels'][number], string>>]

/** Series of one metric on one thread; what comes beyond shares one series whose label values are all `other`. */
const SERIES_MAX = 1000

/** A number that only rises. Ask for it once and keep it: adding is a plain addition. */
export class Counter {
  value = 0

  add(count: number): void {
    this.value += count
  }

  /** For totals that are kept elsewhere and read when a snapshot is taken. */
  setTotal(total: number): void {
    this.value = total
  }
}

/** A number as it is now. */
export class Gauge {
  value = 0

  set(value: number): void {
    this.value = value
  }

  add(difference: number): void {
    this.value += difference
  }
}

/** How observed values are spread over the buckets of the catalogue; about 10 ns an observation. */
export class Histogram {
  readonly #bounds: readonly number[]
  /** Observations at most as large as the bound of the same index and larger than the one before; the last has no bound. */
  readonly counts: Float64Array
  sum = 0

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
    this.counts = new Float64Array(bounds.length + 1)
  }

  observe(value: number): void {
    const bounds = this.#bounds
    let bucket = 0
    while (bucket < bounds.length && value > bounds[bucket]!) bucket++
    this.counts[bucket]!++
    this.sum += value
  }
}

/** All series of one thread as plain values, for structured clone and msgpack. */
export type MetricsSnapshot = readonly SeriesSnapshot[]

interface SeriesSnapshot {
  readonly key: MetricKey
  /** In the order of the catalogue's label names. */
  readonly labels: readonly string[]
  /** A counter's or gauge's value, a histogram's sum. */
  readonly value: number
  /** A histogram's counts by bucket. */
  readonly counts?: readonly number[]
}

interface Series {
  readonly key: MetricKey
  readonly labels: readonly string[]
  readonly metric: Counter | Gauge | Histogram
}

/** The metrics of one thread. Made by the composition root, passed to the parts that count. */
export class Metrics {
  readonly #series = new Map<string, Series>()
  readonly #seriesCounts = new Map<MetricKey, number>()
  readonly #collectors: (() => void)[] = []

  counter<K extends CounterKey>(key: K, ...labels: LabelValues<K>): Counter {
    return this.#find(key, labels[0], () => new Counter()) as Counter
  }

  gauge<K extends GaugeKey>(key: K, ...labels: LabelValues<K>): Gauge {
    return this.#find(key, labels[0], () => new Gauge()) as Gauge
  }

  histogram<K extends HistogramKey>(key: K, ...labels: LabelValues<K>): Histogram {
    return this.#find(key, labels[0], () => new Histogram(METRIC_CATALOGUE[key].buckets)) as Histogram
  }

  /** `collect` sets the metrics that are read rather than counted; called before each snapshot. */
  onSnapshot(collect: () => void): void {
    this.#collectors.push(collect)
  }

  snapshot(): MetricsSnapshot {
    for (const collect of this.#collectors) collect()
    return [...this.#series.values()].map(({ key, labels, metric }) =>
      metric instanceof Histogram
        ? { key, labels, value: metric.sum, counts: [...metric.counts] }
        : { key, labels, value: metric.value },
    )
  }

  #find(
    key: MetricKey,
    labels: Readonly<Record<string, string>> | undefined,
    make: () => Series['metric'],
  ): Series['metric'] {
    const names: readonly string[] = METRIC_CATALOGUE[key].labels
    let values = names.map((name) => {
      const value = labels?.[name]
      assert(value !== undefined, `${key} has a value for its label ${name}`)
      return value
    })
    const found = this.#series.get(seriesId(key, values))
    if (found) return found.metric
    const count = (this.#seriesCounts.get(key) ?? 0) + 1
    if (count > SERIES_MAX) {
      values = names.map(() => 'other')
      const other = this.#series.get(seriesId(key, values))
      if (other) return other.metric
    }
    this.#seriesCounts.set(key, count)
    const metric = make()
    this.#series.set(seriesId(key, values), { key, labels: values, metric })
    return metric
  }
}

function seriesId(key: MetricKey, labels: readonly string[]): string {
  return labels.length === 0 ? key : `${key}\0${labels.join('\0')}`
}

/**
 * The Prometheus text exposition format (version 0.0.4) of the snapshots of all threads, in the order of the catalogue. `constLabels` are added to
 * every series. Metrics without labels that no thread has touched appear as 0, so that a scrape always names them.
 */
export function renderPrometheus(
  snapshots: readonly MetricsSnapshot[],
  constLabels: Readonly<Record<string, string>> = {},
): string {
  const merged = mergeSnapshots(snapshots)
  const constant = Object.entries(constLabels).map(([name, value]) => `${name}="${escapeLabel(value)}"`)
  const lines: string[] = []
  for (const key of Object.keys(METRIC_CATALOGUE) as MetricKey[]) {
    const spec: MetricSpec = METRIC_CATALOGUE[key]
    const series = merged.get(key) ?? untouched(spec)
    if (series.length === 0) continue
    lines.push(`# HELP ${spec.name} ${spec.help}`, `# TYPE ${spec.name} ${spec.type}`)
    for (const one of series) {
      const labels = [...constant, ...spec.labels.map((name, i) => `${name}="${escapeLabel(one.labels[i] ?? '')}"`)]
      if (one.counts) pushHistogram(lines, spec, labels, one.value, one.counts)
      else lines.push(`${spec.name}${braced(labels)} ${one.value}`)
    }
  }
  return `${lines.join('\n')}\n`
}

interface MergedSeries {
  readonly labels: readonly string[]
  value: number
  readonly counts?: number[]
}

function mergeSnapshots(snapshots: readonly MetricsSnapshot[]): Map<MetricKey, MergedSeries[]> {
  const byId = new Map<string, MergedSeries>()
  const byKey = new Map<MetricKey, MergedSeries[]>()
  for (const { key, labels, value, counts } of snapshots.flat()) {
    const id = seriesId(key, labels)
    const merged = byId.get(id)
    if (!merged) {
      const series: MergedSeries = counts ? { labels, value, counts: [...counts] } : { labels, value }
      byId.set(id, series)
      const all = byKey.get(key)
      if (all) all.push(series)
      else byKey.set(key, [series])
      continue
    }
    const spec: MetricSpec = METRIC_CATALOGUE[key]
    merged.value = spec.across === 'max' ? Math.max(merged.value, value) : merged.value + value
    counts?.forEach((count, i) => {
      if (merged.counts) merged.counts[i] = (merged.counts[i] ?? 0) + count
    })
  }
  return byKey
}

function untouched(spec: MetricSpec): MergedSeries[] {
  if (spec.labels.length > 0) return []
  return [
    spec.buckets
      ? { labels: [], value: 0, counts: new Array<number>(spec.buckets.length + 1).fill(0) }
      : { labels: [], value: 0 },
  ]
}

function pushHistogram(
  lines: string[],
  spec: MetricSpec,
  labels: string[],
  sum: number,
  counts: readonly number[],
): void {
  let upTo = 0
  counts.forEach((count, i) => {
    upTo += count
    const bound = spec.buckets?.[i] ?? '+Inf'
    lines.push(`${spec.name}_bucket${braced([...labels, `le="${bound}"`])} ${upTo}`)
  })
  lines.push(`${spec.name}_sum${braced(labels)} ${sum}`, `${spec.name}_count${braced(labels)} ${upTo}`)
}

function braced(labels: readonly string[]): string {
  return labels.length === 0 ? '' : `{${labels.join(',')}}`
}

function escapeLabel(value: string): string {
  return value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')
}
