import { deepEqual, equal, match, ok, throws } from 'node:assert/strict'
import { test } from 'node:test'
import { METRIC_CATALOGUE, type MetricSpec } from '../../../base/metric-catalogue.ts'
import { Metrics, renderPrometheus } from '../../../base/metrics.ts'

const linesOf = (text: string, name: string) => text.split('\n').filter((line) => line.startsWith(name))

test('counters and gauges of several threads are summed, or the highest taken where the catalogue says so', () => {
  const [a, b] = [new Metrics(), new Metrics()]
  a.counter('storageRowsApplied').add(3)
  b.counter('storageRowsApplied').add(4)
  a.gauge('journalLagSeconds', { lane: '0' }).set(8)
  b.gauge('journalLagSeconds', { lane: '0' }).set(5)
  const text = renderPrometheus([a.snapshot(), b.snapshot()], { node: 'n"1\\' })
  deepEqual(linesOf(text, 'weir_storage_rows_applied_total'), ['weir_storage_rows_applied_total{node="n\\"1\\\\"} 7'])
  deepEqual(linesOf(text, 'weir_journal_lag_seconds'), ['weir_journal_lag_seconds{node="n\\"1\\\\",lane="0"} 8'])
})

test('histogram buckets are cumulative and end with +Inf', () => {
  const [a, b] = [new Metrics(), new Metrics()]
  for (const rows of [1, 16, 17, 9_000]) a.histogram('storageBlockRows').observe(rows)
  b.histogram('storageBlockRows').observe(100)
  const text = renderPrometheus([a.snapshot(), b.snapshot()])
  deepEqual(linesOf(text, 'weir_storage_block_rows'), [
    'weir_storage_block_rows_bucket{le="16"} 2',
    'weir_storage_block_rows_bucket{le="64"} 3',
    'weir_storage_block_rows_bucket{le="256"} 4',
    'weir_storage_block_rows_bucket{le="1024"} 4',
    'weir_storage_block_rows_bucket{le="2048"} 4',
    'weir_storage_block_rows_bucket{le="4096"} 4',
    'weir_storage_block_rows_bucket{le="8192"} 4',
    'weir_storage_block_rows_bucket{le="+Inf"} 5',
    'weir_storage_block_rows_sum 9134',
    'weir_storage_block_rows_count 5',
  ])
})

test('a labelled metric is one object per label value, and every label must be given', () => {
  const metrics = new Metrics()
  const ok200 = metrics.counter('httpRequests', { route: '/v1/logs/ingest', status: '200' })
  equal(metrics.counter('httpRequests', { status: '200', route: '/v1/logs/ingest' }), ok200)
  ok200.add(2)
  match(renderPrometheus([metrics.snapshot()]), /weir_http_requests_total\{route="\/v1\/logs\/ingest",status="200"\} 2/)
  throws(() => metrics.counter('httpRequests', { route: '/' } as never), /label status/)
})

test('series beyond the bound share one, so that no sender can fill the memory', () => {
  const metrics = new Metrics()
  for (let i = 0; i < 3_000; i++) metrics.counter('ingestBytes', { protocol: `p${i}` }).add(1)
  const series = metrics.snapshot()
  equal(series.length, 1_001)
  deepEqual(series.at(-1), { key: 'ingestBytes', labels: ['other'], value: 2_000 })
})

test('a snapshot reads what is collected at that moment and survives structured clone', () => {
  const metrics = new Metrics()
  let depth = 1
  metrics.onSnapshot(() => metrics.gauge('ingestInFlightBytes').set(depth))
  metrics.histogram('ingestReceiptSeconds').observe(0.003)
  depth = 5
  const snapshot = metrics.snapshot()
  deepEqual(structuredClone(snapshot), snapshot)
  equal(snapshot.find(({ key }) => key === 'ingestInFlightBytes')?.value, 5)
})

test('every name of the catalogue is a valid, unique Prometheus name with its unit where it has one', () => {
  const specs: MetricSpec[] = Object.values(METRIC_CATALOGUE)
  equal(new Set(specs.map(({ name }) => name)).size, specs.length)
  for (const { name, type, unit, help, labels, buckets } of specs) {
    match(name, /^(weir|process)_[a-z0-9_]+$/)
    equal(name.endsWith('_total'), type === 'counter', name)
    if (unit === 'seconds' || unit === 'bytes') ok(name.includes(unit), name)
    match(help, /^[A-Z].*\.$/)
    ok(labels.every((label) => label !== 'le'))
    equal(buckets !== undefined, type === 'histogram', name)
    if (buckets)
      deepEqual(
        buckets,
        [...buckets].sort((a, b) => a - b),
      )
  }
})
