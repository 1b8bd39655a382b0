import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { runHandOver } from './hand-over-schedule.ts'
import { runSchedules } from './schedule-runs.ts'

/**
 * A shard whose owner changes, by choice and by death, under random schedules; see hand-over-schedule.ts for what happens in one and which
 * rules are checked. SEED runs one schedule and prints what happens in it, SCHEDULES another number of them than the default.
 */
const SCHEDULES = Number(process.env.SCHEDULES ?? 120)

describe('a shard that changes its owner', () => {
  const { SEED } = process.env
  if (SEED !== undefined) {
    it(`keeps every rule in schedule ${SEED}`, async () => {
      await runHandOver(Number(SEED), (line) => process.stdout.write(`${line}\n`))
    })
    return
  }

  it(`keeps every rule in ${SCHEDULES} random schedules`, async () => {
    await runSchedules('handOver', SCHEDULES, 'test/simulator/hand-over.test.ts')
  })

  it('runs a schedule alike each time', async () => {
    const trace = async () => {
      const lines: string[] = []
      await runHandOver(11, (line) => lines.push(line))
      return lines
    }
    assert.deepEqual(await trace(), await trace())
  })
})
