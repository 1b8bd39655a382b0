/** What the shipper counts, since its start. */
export interface AgentCounts {
  linesRead: number
  bytesRead: number
  recordsDelivered: number
  recordsRejected: number
  /** As sent, compressed. */
  bytesSent: number
  requests: number
  failedRequests: number
  /** Of answered requests, all together. */
  requestMs: number
  linesTruncated: number
  filesLost: number
  /** What went wrong last; empty: nothing. */
  lastError: string
}

export function newCounts(): AgentCounts {
  return {
    linesRead: 0,
    bytesRead: 0,
    recordsDelivered: 0,
    recordsRejected: 0,
    bytesSent: 0,
    requests: 0,
    failedRequests: 0,
    requestMs: 0,
    linesTruncated: 0,
    filesLost: 0,
    lastError: '',
  }
}

interface Shown {
  readonly name: string
  readonly type: 'counter' | 'gauge'
  readonly help: string
  readonly value: number
}

/** The Prometheus text exposition format (version 0.0.4). */
export function renderCounts(counts: AgentCounts, spool: { readonly bytes: number; readonly length: number }): string {
  const counter = (name: string, help: string, value: number): Shown => ({ name, type: 'counter', help, value })
  const gauge = (name: string, help: string, value: number): Shown => ({ name, type: 'gauge', help, value })
  const shown: readonly Shown[] = [
    counter('lines_read_total', 'Lines read from inputs.', counts.linesRead),
    counter('bytes_read_total', 'Bytes read from inputs.', counts.bytesRead),
    counter('lines_truncated_total', 'Lines that were longer than a line may be.', counts.linesTruncated),
    counter('records_delivered_total', 'Records that a node has stored.', counts.recordsDelivered),
    counter('records_rejected_total', 'Records that a node has refused for good.', counts.recordsRejected),
    counter('sent_bytes_total', 'Bytes of batches that a node has taken, compressed.', counts.bytesSent),
    counter('requests_total', 'Requests that a node has answered.', counts.requests),
    counter(
      'failed_requests_total',
      'Requests that were not answered, or by a node that could not take them.',
      counts.failedRequests,
    ),
    counter('request_seconds_total', 'Time of answered requests, all together.', counts.requestMs / 1000),
    counter('files_lost_total', 'Rotated files whose rest was not found.', counts.filesLost),
    gauge('spool_bytes', 'Bytes of batches on the disk.', spool.bytes),
    gauge('spool_batches', 'Batches that are not delivered.', spool.length),
    gauge('resident_bytes', 'Resident memory.', process.memoryUsage.rss()),
  ]
  const lines = shown.map(
    ({ name, type, help, value }) =>
      `# HELP weir_agent_${name} ${help}\n# TYPE weir_agent_${name} ${type}\nweir_agent_${name} ${value}\n`,
  )
  return lines.join('')
}
