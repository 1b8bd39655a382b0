import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe } from 'node:test'
import { systemClock } from '../../base/clock.ts'
import type { Journal } from '../../cluster/journal.ts'
import { createLmdbJournal, openLmdbJournal } from '../../cluster/lmdb-journal.ts'
import { SimulatedJournal } from '../harness/simulated-journal.ts'
import { CONTRACT_LANE_BYTES_MAX, CONTRACT_LANES, journalContract } from './journal.ts'

describe('Journal on LMDB', () => {
  journalContract(async () => {
    const directory = await mkdtemp(join(tmpdir(), 'weir-journal-'))
    const options = { directory, laneCount: CONTRACT_LANES, bytesMax: CONTRACT_LANE_BYTES_MAX, clock: systemClock }
    let host = await createLmdbJournal(options)
    let journals: Journal[] = []
    const closeAll = async () => {
      for (const journal of journals) await journal.close()
      journals = []
      await host.close()
    }
    return {
      async connect() {
        const journal = openLmdbJournal(host.share(), systemClock)
        journals.push(journal)
        return journal
      },
      async restart() {
        await closeAll()
        host = await createLmdbJournal(options)
      },
      async release() {
        await closeAll()
        await rm(directory, { recursive: true })
      },
    }
  })
})

describe('Journal, simulated', () => {
  journalContract(async () => {
    const options = { laneCount: CONTRACT_LANES, bytesMax: CONTRACT_LANE_BYTES_MAX, nowMs: systemClock.nowMs }
    const journal = new SimulatedJournal(options)
    return {
      connect: async () => journal.connect(),
      restart: async () => journal.crash(),
      release: async () => {},
    }
  })
})
