/** Why a message was not delivered. */
export type FailureReason =
  | 'connection'
  | 'timeout'
  | 'tls'
  | 'dns'
  | 'redirect'
  | 'status'
  | 'rateLimited'
  | 'refusedTarget'
  | 'rejected'
  | 'template'
  | 'channelMissing'
  | 'channelDisabled'
  | 'tooManyWaiting'
  | 'internal'

/** What became of one attempt to deliver. */
export type AttemptResult =
  | { readonly delivered: true; readonly status?: number; readonly detail?: string; readonly tookMs: number }
  | AttemptFailure

export interface AttemptFailure {
  readonly delivered: false
  readonly reason: FailureReason
  /** For people; without secrets. */
  readonly detail: string
  /** Of HTTP or SMTP. */
  readonly status?: number
  /** As the receiver asks. */
  readonly retryAfterMs?: number
  /** The same message will never be taken. */
  readonly isFinal: boolean
  readonly tookMs: number
}

/** Statuses of HTTP that say of the message itself that it is wrong; all others may pass: keys are renewed, proxies come back. */
const FINAL_STATUSES: ReadonlySet<number> = new Set([400, 405, 410, 411, 413, 414, 415, 422, 431])

export function isFinalStatus(status: number): boolean {
  return FINAL_STATUSES.has(status)
}
