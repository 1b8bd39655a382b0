import assert from 'node:assert/strict'
import { availableParallelism } from 'node:os'
import { describe, it } from 'node:test'
import { Worker } from 'node:worker_threads'
import { runSchedule } from './schedule.ts'
import type { ScheduleOutcome } from './schedule-worker.ts'

/**
 * The durable core of a node (journal to segments, and back to a search) under random schedules; see schedule.ts for what happens in one and which
 * rules are checked. SEED runs one schedule and prints what happens in it, SCHEDULES another number of them than the default.
 */
const SCHEDULES = Number(process.env.SCHEDULES ?? 1000)
const FIRST_SEED = 1

describe('the durable core', () => {
  const { SEED } = process.env
  if (SEED !== undefined) {
    it(`keeps every rule in schedule ${SEED}`, async () => {
      await runSchedule(Number(SEED), (line) => process.stdout.write(`${line}\n`))
    })
    return
  }

  it(`keeps every rule in ${SCHEDULES} random schedules`, async () => {
    const seeds = Array.from({ length: SCHEDULES }, (_, i) => FIRST_SEED + i)
    const threads = Math.min(availableParallelism(), 4)
    const outcomes = await Promise.all(
      Array.from({ length: threads }, (_, thread) => runOn(seeds.filter((seed) => seed % threads === thread))),
    )
    const all = outcomes.flat()
    for (const { seed, failure } of all) {
      assert.equal(failure, undefined, `SEED=${seed} node --test test/simulator/durable-core.test.ts\n${failure}`)
    }
    assert.equal(all.length, SCHEDULES, 'every schedule was run')
  })

  it('runs a schedule alike each time', async () => {
    const trace = async () => {
      const lines: string[] = []
      await runSchedule(11, (line) => lines.push(line))
      return lines
    }
    assert.deepEqual(await trace(), await trace())
  })
})

function runOn(seeds: readonly number[]): Promise<ScheduleOutcome[]> {
  return new Promise((resolve, reject) => {
    const outcomes: ScheduleOutcome[] = []
    const worker = new Worker(new URL('./schedule-worker.ts', import.meta.url), { workerData: seeds })
    worker.on('message', (outcome: ScheduleOutcome) => outcomes.push(outcome))
    worker.once('error', reject)
    worker.once('exit', () => resolve(outcomes))
  })
}
