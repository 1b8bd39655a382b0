import { parentPort, workerData } from 'node:worker_threads'
import { present } from '../../base/assert.ts'
import { runCluster } from './cluster-schedule.ts'
import { runHandOver } from './hand-over-schedule.ts'
import { runSchedule } from './schedule.ts'
import type { ScheduleKind, ScheduleOutcome } from './schedule-runs.ts'

/** Runs the schedules of the seeds that it is sent, one after the other, and says what came of each. */
const port = present(parentPort, 'the port of the worker')
const RUNS: Readonly<Record<ScheduleKind, (seed: number) => Promise<unknown>>> = {
  durableCore: runSchedule,
  handOver: runHandOver,
  cluster: runCluster,
}
const { kind, seeds } = workerData as { readonly kind: ScheduleKind; readonly seeds: readonly number[] }

for (const seed of seeds) {
  let failure: string | undefined
  try {
    await RUNS[kind](seed)
  } catch (error) {
    failure = error instanceof Error ? (error.stack ?? error.message) : String(error)
  }
  const outcome: ScheduleOutcome = { seed, failure }
  port.postMessage(outcome)
  if (failure !== undefined) break
}
port.close()
