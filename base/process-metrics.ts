import type { MetricSpec } from './metric-catalogue.ts'

/** A collection of young objects takes one to five milliseconds; none is to take 50. */
const GC_PAUSE_S = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1]

/** Metrics of the process and its threads; a part of METRIC_CATALOGUE. */
export const PROCESS_METRICS = {
  eventLoopDelaySeconds: {
    name: 'weir_event_loop_delay_seconds',
    help: 'Longest time since the last scrape that a thread did not turn its event loop, by thread.',
    type: 'gauge',
    unit: 'seconds',
    labels: ['thread'],
    across: 'max',
  },
  gcPauseSeconds: {
    name: 'weir_gc_pause_seconds',
    help: 'Time for which a garbage collection held up its thread, by thread.',
    type: 'histogram',
    unit: 'seconds',
    labels: ['thread'],
    buckets: GC_PAUSE_S,
  },
  heapBytes: {
    name: 'weir_heap_bytes',
    help: 'JavaScript heap in use, by thread.',
    type: 'gauge',
    unit: 'bytes',
    labels: ['thread'],
  },
  processCpuSeconds: {
    name: 'process_cpu_seconds_total',
    help: 'CPU time of the process, user and system.',
    type: 'counter',
    unit: 'seconds',
    labels: [],
    across: 'max',
  },
  processResidentBytes: {
    name: 'process_resident_memory_bytes',
    help: 'Resident memory of the process.',
    type: 'gauge',
    unit: 'bytes',
    labels: [],
    across: 'max',
  },
  processStartTime: {
    name: 'process_start_time_seconds',
    help: 'Start of the process, seconds since the Unix epoch.',
    type: 'gauge',
    unit: 'seconds',
    labels: [],
    across: 'max',
  },
} as const satisfies Record<string, MetricSpec>
