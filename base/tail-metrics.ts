import type { MetricSpec } from './metric-catalogue.ts'

/** Metrics of live tails; a part of METRIC_CATALOGUE. */
export const TAIL_METRICS = {
  tailsOpen: {
    name: 'weir_tails_open',
    help: 'Live tails of clients of this node.',
    type: 'gauge',
    unit: 'tails',
    labels: [],
  },
  tailRecords: {
    name: 'weir_tail_records_total',
    help: 'Records that matched live tails of clients of this node: sent, or dropped because a client or this node was too slow.',
    type: 'counter',
    unit: 'records',
    labels: ['fate'],
  },
  tailsCutOff: {
    name: 'weir_tails_cut_off_total',
    help: 'Live tails that were ended because their client did not read.',
    type: 'counter',
    unit: 'tails',
    labels: [],
  },
  tailFiltersFollowed: {
    name: 'weir_tail_filters',
    help: 'Different filters of live tails that the shards of this node are watched for.',
    type: 'gauge',
    unit: 'filters',
    labels: [],
  },
} as const satisfies Record<string, MetricSpec>
