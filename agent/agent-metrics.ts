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
  }
}
