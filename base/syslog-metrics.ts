import type { MetricSpec } from './metric-catalogue.ts'

/** Metrics of the syslog listeners; a part of METRIC_CATALOGUE. */
export const SYSLOG_METRICS = {
  syslogConnections: {
    name: 'weir_syslog_connections',
    help: 'Open connections of syslog senders.',
    type: 'gauge',
    unit: 'connections',
    labels: [],
  },
  syslogMessagesLost: {
    name: 'weir_syslog_messages_lost_total',
    help: 'Syslog messages that could not be kept, by error code: of UDP what came too fast (overloaded), at the end what the node could no longer store.',
    type: 'counter',
    unit: 'messages',
    labels: ['code'],
  },
  syslogConnectionsRefused: {
    name: 'weir_syslog_connections_refused_total',
    help: 'Connections of syslog senders turned away (too_many) or closed because nothing came (idle).',
    type: 'counter',
    unit: 'connections',
    labels: ['reason'],
  },
} as const satisfies Record<string, MetricSpec>
