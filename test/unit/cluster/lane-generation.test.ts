import assert from 'node:assert/strict'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { systemClock } from '../../../base/clock.ts'
import type { LaneId } from '../../../base/ids.ts'
import { type LaneAlarm, settleLaneGenerations } from '../../../cluster/lane-generation.ts'
import { createLmdbJournal, openLmdbJournal } from '../../../cluster/lmdb-journal.ts'
import { SimulatedRegistry } from '../../harness/simulated-registry.ts'

const LANE = 0 as LaneId

interface Start {
  readonly alarms: readonly LaneAlarm[]
  readonly generation: number
  /** `generation.sequence` of the frames that are there, and then of the appended ones. */
  readonly there: readonly string[]
  readonly appended: readonly string[]
}

/** Starts on a directory as a node does, appends, and stops. */
async function start(directory: string, registry: SimulatedRegistry, appends: number, reached = 0): Promise<Start> {
  const host = await createLmdbJournal({ directory, laneCount: 1, bytesMax: 1 << 20, clock: systemClock })
  const alarms = await settleLaneGenerations(host, registry.connect(), () => reached)
  const journal = openLmdbJournal(host.share(), systemClock)
  const { generation, firstSequence, lastSequence } = await journal.state(LANE)
  const there: string[] = []
  const reader = journal.read(LANE, 0)
  while (there.length < lastSequence - firstSequence + 1) {
    for (const { position } of await reader.next(1 << 20, AbortSignal.timeout(5000))) {
      there.push(`${position.generation}.${position.sequence}`)
    }
  }
  const appended: string[] = []
  for (let i = 0; i < appends; i++) {
    const position = await journal.append(
      LANE,
      Buffer.from(systemClock.randomBytes(8)).toString('hex'),
      new Uint8Array(9),
    )
    appended.push(`${position.generation}.${position.sequence}`)
  }
  await journal.close()
  await host.close()
  return { alarms, generation, there, appended }
}

it('J3: a lane keeps its generation while it is the same stream, and starts a new one when it is not', async () => {
  const root = await mkdtemp(join(tmpdir(), 'weir-generation-'))
  const directory = join(root, 'journal')
  const registry = new SimulatedRegistry()
  try {
    assert.deepEqual(await start(directory, registry, 2), {
      alarms: [],
      generation: 1,
      there: [],
      appended: ['1.1', '1.2'],
    })
    await cp(directory, join(root, 'copy'), { recursive: true })
    const second = await start(directory, registry, 1)
    assert.deepEqual(second, { alarms: [], generation: 1, there: ['1.1', '1.2'], appended: ['1.3'] })
    await start(directory, registry, 0)

    // An old copy: what is in it keeps its positions, what is new gets others than the lost frames had.
    await rm(directory, { recursive: true })
    await cp(join(root, 'copy'), directory, { recursive: true })
    const restored = await start(directory, registry, 1)
    assert.deepEqual(
      restored.alarms.map((alarm) => [alarm.reason, alarm.generation]),
      [['restored', 2]],
    )
    assert.deepEqual([restored.there, restored.appended], [['1.1', '1.2'], ['2.3']])
    const again = await start(directory, registry, 1)
    assert.deepEqual([again.alarms, again.there, again.appended], [[], ['1.1', '1.2', '2.3'], ['2.4']])

    await rm(directory, { recursive: true })
    const recreated = await start(directory, registry, 1)
    assert.deepEqual(
      recreated.alarms.map((alarm) => [alarm.reason, alarm.generation]),
      [['recreated', 3]],
    )
    assert.deepEqual([recreated.there, recreated.appended], [[], ['3.1']])

    const behind = await start(directory, registry, 0, 50)
    assert.deepEqual(
      behind.alarms.map((alarm) => alarm.reason),
      ['restored'],
      'less than what was applied',
    )
  } finally {
    await rm(root, { recursive: true })
  }
})
