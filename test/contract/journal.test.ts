import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe } from 'node:test'
import { systemClock } from '../../base/clock.ts'
import type { LaneId } from '../../base/ids.ts'
import { silentLogger } from '../../base/logger.ts'
import type { Journal } from '../../cluster/journal.ts'
import { createLmdbJournal, openLmdbJournal } from '../../cluster/lmdb-journal.ts'
import { NatsConnection } from '../../cluster/nats-connection.ts'
import { openNatsJournal } from '../../cluster/nats-journal.ts'
import { laneStreamName } from '../../cluster/subjects.ts'
import { NatsServers } from '../harness/nats-server.ts'
import { NatsStreams } from '../harness/nats-streams.ts'
import { SimulatedJournal } from '../harness/simulated-journal.ts'
import { SimulatedRegistry } from '../harness/simulated-registry.ts'
import { CONTRACT_LANE_BYTES_MAX, CONTRACT_LANES, type JournalSubject, journalContract } from './journal.ts'

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

describe('Journal on one nats-server', () => {
  let servers: NatsServers
  before(async () => {
    servers = await NatsServers.start(1)
  })
  after(() => servers.stop())
  journalContract(() => openOnNats(servers))
})

describe('Journal on three nats-servers', () => {
  let servers: NatsServers
  before(async () => {
    servers = await NatsServers.start(3)
  })
  after(() => servers.stop())
  journalContract(() => openOnNats(servers))
})

let clusters = 0

/** A journal of its own on servers that others use too; at a restart a server that is alone is killed, others stay. */
async function openOnNats(servers: NatsServers): Promise<JournalSubject> {
  const cluster = `contract.${++clusters} of one`
  const registry = new SimulatedRegistry()
  let opened: { readonly connection: NatsConnection; readonly journal: Journal }[] = []
  const closeAll = async () => {
    for (const { connection, journal } of opened) {
      await journal.close()
      await connection.close()
    }
    opened = []
  }
  return {
    async connect() {
      const connection = await NatsConnection.open({ servers: servers.urls, name: cluster }, systemClock)
      const journal = await openNatsJournal({
        connection,
        registry: registry.connect(),
        clock: systemClock,
        logger: silentLogger,
        cluster,
        laneCount: CONTRACT_LANES,
        bytesMax: CONTRACT_LANE_BYTES_MAX,
      })
      opened.push({ connection, journal })
      return journal
    },
    async restart() {
      await closeAll()
      if (servers.count === 1) await servers.restart(0)
    },
    async release() {
      await closeAll()
      await new NatsStreams(servers).removeAll(laneStreamName(cluster, 0 as LaneId).slice(0, -1))
    },
  }
}
