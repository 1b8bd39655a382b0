import type { MetricSpec } from './metric-catalogue.ts'

/** Metrics of upload jobs; a part of METRIC_CATALOGUE. */
export const UPLOAD_METRICS = {
  uploadBytes: {
    name: 'weir_upload_bytes_total',
    help: 'Bytes of uploads taken in, as sent.',
    type: 'counter',
    unit: 'bytes',
    labels: [],
  },
  uploadJobsRunning: {
    name: 'weir_upload_jobs_running',
    help: 'Upload jobs that this node ingests.',
    type: 'gauge',
    unit: 'jobs',
    labels: [],
  },
  uploadJobsEnded: {
    name: 'weir_upload_jobs_ended_total',
    help: 'Upload jobs that this node let go of: done, failed, given up (it drains, another goes on) or taken away (cancelled, or another went on).',
    type: 'counter',
    unit: 'jobs',
    labels: ['outcome'],
  },
} as const satisfies Record<string, MetricSpec>
