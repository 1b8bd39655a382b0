import assert from 'node:assert/strict'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'

export type ScheduleKind = 'durableCore' | 'handOver' | 'cluster'

export interface ScheduleOutcome {
  readonly seed: number
  readonly failure: string | undefined
}

const THREADS_MAX = 4

/** Runs the schedules of seeds 1 to `count` on all cores; fails with the first rule that does not hold and how to see it again. */
export async function runSchedules(kind: ScheduleKind, count: number, testFile: string): Promise<void> {
  const seeds = Array.from({ length: count }, (_, i) => i + 1)
  const threads = Math.min(availableParallelism(), THREADS_MAX)
  const outcomes = await Promise.all(
    Array.from({ length: threads }, (_, thread) =>
      runOn(
        kind,
        seeds.filter((seed) => seed % threads === thread),
      ),
    ),
  )
  const all = outcomes.flat()
  for (const { seed, failure } of all) {
    assert.equal(failure, undefined, `SEED=${seed} node --test ${testFile}\n${failure}`)
  }
  assert.equal(all.length, count, 'every schedule was run')
}

function runOn(kind: ScheduleKind, seeds: readonly number[]): Promise<ScheduleOutcome[]> {
  return new Promise((resolve, reject) => {
    const outcomes: ScheduleOutcome[] = []
    const worker = new Worker(new URL('./schedule-worker.ts', import.meta.url), { workerData: { kind, seeds } })
    worker.on('message', (outcome: ScheduleOutcome) => outcomes.push(outcome))
    worker.once('error', reject)
    worker.once('exit', () => resolve(outcomes))
  })
}
