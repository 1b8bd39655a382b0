import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { runSchedule } from './schedule.ts'
import { runSchedules } from './schedule-runs.ts'

/**
 * The durable core of a node (journal to segments, and back to a search) under random schedules; see schedule.ts for what happens in one and which
 * rules are checked. SEED runs one schedule and prints what happens in it, SCHEDULES another number of them than the default.
 */
const SCHEDULES = Number(process.env.SCHEDULES ?? 1000)

describe('the durable core', () => {
  const { SEED } = process.env
  if (SEED !== undefined) {
    it(`keeps every rule in schedule ${SEED}`, async () => {
      await runSchedule(Number(SEED), (line) => process.stdout.write(`${line}\n`))
    })
    return
  }

  it(`keeps every rule in ${SCHEDULES} random schedules`, async () => {
    await runSchedules('durableCore', SCHEDULES, 'test/simulator/durable-core.test.ts')
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
