import type { Clock } from '../base/clock.ts'
import { settleLaneGenerations } from '../cluster/lane-generation.ts'
import type { LmdbJournalShared } from '../cluster/lmdb-journal.ts'
import { createLmdbJournal, openLmdbJournal } from '../cluster/lmdb-journal.ts'
import type { LmdbRegistryShared } from '../cluster/lmdb-registry.ts'
import { createLmdbRegistry } from '../cluster/lmdb-registry.ts'
import { openLmdbRegistry } from '../cluster/lmdb-registry-remote.ts'
import { localTransport } from '../cluster/local-transport.ts'
import type { Backbone, MainBackbone } from './backbone.ts'
import { floorsOf } from './cluster-settings.ts'
import type { Settings } from './config.ts'

export interface EmbeddedShare {
  readonly kind: 'embedded'
  readonly journal: LmdbJournalShared
  readonly registry: LmdbRegistryShared
}

/** Journal and registry in the data directory: a node that is a cluster of its own. */
export async function openEmbeddedBackbone(settings: Settings, clock: Clock): Promise<MainBackbone> {
  const dataDir = settings['data.dir']
  const registry = await createLmdbRegistry({ directory: `${dataDir}/registry` })
  try {
    const host = await createLmdbJournal({
      directory: `${dataDir}/journal`,
      laneCount: settings['journal.lanes'],
      bytesMax: settings['journal.bytesMax'],
      clock,
    })
    const journal = openLmdbJournal(host.share(), clock)
    const transport = localTransport(clock)
    return {
      journal,
      registry,
      transport,
      // There is nobody else to wait for.
      memberTimes: { silenceMs: 0, graceMs: 0, settleMs: 0 },
      turbulence: undefined,
      natsServer: () => null,
      settleGenerations: async () => settleLaneGenerations(host, registry, await floorsOf(registry)),
      share() {
        const share: EmbeddedShare = { kind: 'embedded', journal: host.share(), registry: registry.share() }
        return { share, transfer: [share.journal.port, share.registry.port] }
      },
      async close() {
        await transport.close()
        await journal.close()
        await host.close()
        await registry.close()
      },
    }
  } catch (error) {
    await registry.close()
    throw error
  }
}

export async function joinEmbeddedBackbone(share: EmbeddedShare, clock: Clock): Promise<Backbone> {
  const journal = openLmdbJournal(share.journal, clock)
  const registry = openLmdbRegistry(share.registry)
  const transport = localTransport(clock)
  return {
    journal,
    registry,
    transport,
    async close() {
      await transport.close()
      await journal.close()
      await registry.close()
    },
  }
}
