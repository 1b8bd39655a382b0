import { parentPort, workerData } from 'node:worker_threads'
import { present } from '../../base/assert.ts'
import { runSchedule } from './schedule.ts'

/** Runs the schedules of the seeds that it is sent, one after the other, and says what came of each. */
const port = present(parentPort, 'the port of the worker')

export interface ScheduleOutcome {
  readonly seed: number
  readonly failure: string | undefined
}

for (const seed of workerData as readonly number[]) {
  let failure: string | undefined
  try {
    await runSchedule(seed)
  } catch (error) {
    failure = error instanceof Error ? (error.stack ?? error.message) : String(error)
  }
  const outcome: ScheduleOutcome = { seed, failure }
  port.postMessage(outcome)
  if (failure !== undefined) break
}
port.close()
