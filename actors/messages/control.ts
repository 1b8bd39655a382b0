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

export type ThreadMessage = TakeSnapshot | StopAdmitting
