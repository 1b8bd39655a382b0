import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { runCluster } from './cluster-schedule.ts'
import { runSchedules } from './schedule-runs.ts'

/**
 * Three nodes under random schedules; see cluster-schedule.ts for what happens in one and which
 * rules are checked. SEED runs one schedule and prints what happens in it, SCHEDULES another number of them than the default.
 */
const SCHEDULES = Number(process.env.SCHEDULES ?? 12)

describe('a cluster', () => {
  const { SEED } = process.env
  if (SEED !== undefined) {
    it(`keeps every rule in schedule ${SEED}`, async () => {
      await runCluster(Number(SEED), (line) => process.stdout.write(`${line}\n`))
    })
    return
  }

  it(`keeps every rule in ${SCHEDULES} random schedules`, async () => {
    await runSchedules('cluster', SCHEDULES, 'test/simulator/cluster.test.ts')
  })

  it('runs a schedule alike each time', async () => {
    const trace = async () => {
      const lines: string[] = []
      await runCluster(3, (line) => lines.push(line))
      return lines
    }
    assert.deepEqual(await trace(), await trace())
  })
})
