import type { MetricSpec } from './metric-catalogue.ts'

const REBUILD_S = [0.001, 0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300] as const

/** Metrics of alerts; a part of METRIC_CATALOGUE. */
export const ALERT_METRICS = {
  alertRulesKept: {
    name: 'weir_alert_rules_kept',
    help: 'Alert rules that this node decides.',
    type: 'gauge',
    unit: 'rules',
    labels: [],
  },
  alertTransitions: {
    name: 'weir_alert_transitions_total',
    help: 'Alerts that have fired or resolved and were handed over, by kind.',
    type: 'counter',
    unit: 'alerts',
    labels: ['kind'],
  },
  alertEvaluationLagSeconds: {
    name: 'weir_alert_evaluation_lag_seconds',
    help: 'For how long the last window that is due has not been decided, of the rule that is furthest behind.',
    type: 'gauge',
    unit: 'seconds',
    labels: [],
    across: 'max',
  },
  alertReportBytes: {
    name: 'weir_alert_report_bytes_total',
    help: 'Approximate bytes that workers have said to the keepers of rules.',
    type: 'counter',
    unit: 'bytes',
    labels: [],
  },
  alertRebuildSeconds: {
    name: 'weir_alert_rebuild_seconds',
    help: 'Time to count stored rows of a shard for new rules, or after a claim.',
    type: 'histogram',
    unit: 'seconds',
    labels: [],
    buckets: REBUILD_S,
  },
} as const satisfies Record<string, MetricSpec>
