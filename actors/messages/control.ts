import type { MetricsSnapshot } from '../../base/metrics.ts'
import type { Question } from '../runtime/actor.ts'

/** To the MetricsKeeper of a thread. */
export interface TakeSnapshot extends Question<MetricsSnapshot> {
  readonly kind: 'takeSnapshot'
}

/** To a worker's HTTP side: refuse ingest, let searches end. Answered at once. */
export interface StopAdmitting extends Question<void> {
  readonly kind: 'stopAdmitting'
}

/** To a worker: listen for syslog no more, and store what senders have sent. Answered when that is done, or given up. */
export interface CloseSockets extends Question<void> {
  readonly kind: 'closeSockets'
  readonly withinMs: number
}

export type ThreadMessage = TakeSnapshot | StopAdmitting | CloseSockets
