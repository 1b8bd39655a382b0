import type { MetricSpec } from './metric-catalogue.ts'

const DELIVERY_S = [0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 7200, 86_400] as const

/** Metrics of notifications; a part of METRIC_CATALOGUE. */
export const NOTIFY_METRICS = {
  alertAttempts: {
    name: 'weir_alert_delivery_attempts_total',
    help: 'Attempts to deliver a notification, by type of channel and outcome.',
    type: 'counter',
    unit: 'attempts',
    labels: ['type', 'outcome'],
  },
  alertDeliveriesGivenUp: {
    name: 'weir_alert_deliveries_given_up_total',
    help: 'Notifications given up after an attempt, by type of channel.',
    type: 'counter',
    unit: 'notifications',
    labels: ['type'],
  },
  alertDeliverySeconds: {
    name: 'weir_alert_delivery_seconds',
    help: 'Time from the submission of a notification to its delivery.',
    type: 'histogram',
    unit: 'seconds',
    labels: [],
    buckets: DELIVERY_S,
  },
  alertDeliveriesWaiting: {
    name: 'weir_alert_deliveries_waiting',
    help: 'Notifications that wait to be delivered, by any node.',
    type: 'gauge',
    unit: 'notifications',
    labels: [],
    across: 'max',
  },
} as const satisfies Record<string, MetricSpec>
