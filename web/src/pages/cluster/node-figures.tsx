import { formatBytes, formatCount, formatValue } from '../../numbers.ts'
import { usePolled } from '../../polled.ts'
import { type Metrics, parseMetrics } from './prometheus.ts'

const PERIOD_MS = 5000

const FIGURES: readonly (readonly [label: string, value: (metrics: Metrics) => string])[] = [
  ['Records stored since the start', (of) => formatCount(of.sum('weir_ingest_records_accepted_total'))],
  ['Records refused', (of) => formatCount(of.sum('weir_ingest_records_rejected_total'))],
  ['Bytes in flight', (of) => formatBytes(of.sum('weir_ingest_in_flight_bytes'))],
  [
    'Journal',
    (of) => `${formatBytes(of.sum('weir_journal_bytes'))} of ${formatBytes(of.sum('weir_journal_bytes_max'))}`,
  ],
  ['Not searchable yet', (of) => `${formatValue(of.sum('weir_journal_lag_frames'))} frames`],
  ['Heads in memory', (of) => formatBytes(of.sum('weir_storage_head_bytes'))],
  ['Segments published', (of) => formatCount(of.sum('weir_storage_segments_published_total'))],
  ['Bytes published', (of) => formatBytes(of.sum('weir_storage_segment_bytes_total'))],
  ['Caches', (of) => formatBytes(of.sum('weir_cache_bytes'))],
  ['Heap', (of) => formatBytes(of.sum('weir_heap_bytes'))],
]

/** What this node says of its journal and its storage, from its metrics. */
export function NodeFigures() {
  const { value, problem } = usePolled('metrics', PERIOD_MS, fetchMetrics)
  return (
    <section class="card cluster-figures">
      <h2>This node</h2>
      {problem !== undefined && <p class="dim">Its metrics cannot be read: {problem.message}</p>}
      {value !== undefined && (
        <dl>
          {FIGURES.map(([label, text]) => (
            <div key={label}>
              <dt>{label}</dt>
              <dd class="number">{text(value)}</dd>
            </div>
          ))}
        </dl>
      )}
    </section>
  )
}

async function fetchMetrics(signal: AbortSignal): Promise<Metrics> {
  const response = await fetch('/metrics', { signal, credentials: 'same-origin', cache: 'no-store' })
  if (!response.ok) throw new Error(`status ${response.status}`)
  return parseMetrics(await response.text())
}
