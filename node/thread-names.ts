/** Of the main thread and its actor system. */
export const MAIN_THREAD = 'main'

/** Of a worker thread and its actor system; `index` from 0. */
export function workerName(index: number): string {
  return `worker-${index}`
}
