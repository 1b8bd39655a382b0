import { ShardMap } from '../actors/shard-map.ts'
import { settleLaneGenerations } from '../cluster/lane-generation.ts'
import type { LmdbJournalShared } from '../cluster/lmdb-journal.ts'
import { createLmdbJournal, openLmdbJournal } from '../cluster/lmdb-journal.ts'
import type { LmdbRegistryHost, LmdbRegistryShared } from '../cluster/lmdb-registry.ts'
import { createLmdbRegistry } from '../cluster/lmdb-registry.ts'
import { openLmdbRegistry } from '../cluster/lmdb-registry-remote.ts'
import { localTransport } from '../cluster/local-transport.ts'
import type { Backbone, BackboneOptions, MainBackbone, MainBackboneOptions, RegistryOptions } from './backbone.ts'
import { agreeOnCluster, floorsOf } from './cluster-settings.ts'
import { Opened } from './opened.ts'

export interface EmbeddedShare {
  readonly kind: 'embedded'
  readonly journal: LmdbJournalShared
  readonly registry: LmdbRegistryShared
}

export function openEmbeddedRegistry({ settings }: RegistryOptions): Promise<LmdbRegistryHost> {
  return createLmdbRegistry({ directory: `${settings['data.dir']}/registry` })
}

/** Journal and registry in the data directory: a node that is a cluster of its own. */
export function openEmbeddedBackbone(options: MainBackboneOptions): Promise<MainBackbone> {
  return Opened.all(async (opened) => {
    const { settings, clock, logger, onLaneAlarm, mayCreate } = options
    const registry = opened.add(await openEmbeddedRegistry(options))
    await agreeOnCluster(registry, settings, mayCreate)
    const mapOptions = { registry, shardCount: settings.shards, clock, logger: logger.child('shard-map') }
    const shardMap = opened.add(await ShardMap.open(mapOptions))
    const host = opened.add(
      await createLmdbJournal({
        directory: `${settings['data.dir']}/journal`,
        laneCount: settings['journal.lanes'],
        bytesMax: settings['journal.bytesMax'],
        clock,
      }),
    )
    for (const alarm of await settleLaneGenerations(host, registry, floorsOf(shardMap, settings))) onLaneAlarm(alarm)
    const journal = opened.add(openLmdbJournal(host.share(), clock))
    const transport = opened.add(localTransport(clock))
    return {
      journal,
      registry,
      shardMap,
      transport,
      // There is nobody else to wait for.
      sectionCompression: 'none',
      memberTimes: { silenceMs: 0, graceMs: 0, settleMs: 0 },
      turbulence: undefined,
      natsServer: () => null,
      share() {
        const share: EmbeddedShare = { kind: 'embedded', journal: host.share(), registry: registry.share() }
        return { share, transfer: [share.journal.port, share.registry.port] }
      },
      close: () => opened.close(),
    }
  })
}

export function joinEmbeddedBackbone(share: EmbeddedShare, options: BackboneOptions): Promise<Backbone> {
  return Opened.all(async (opened) => {
    const { settings, clock, logger } = options
    const registry = opened.add(openLmdbRegistry(share.registry))
    const mapOptions = { registry, shardCount: settings.shards, clock, logger: logger.child('shard-map') }
    return {
      registry,
      shardMap: opened.add(await ShardMap.open(mapOptions)),
      journal: opened.add(openLmdbJournal(share.journal, clock)),
      transport: opened.add(localTransport(clock)),
      sectionCompression: 'none',
      close: () => opened.close(),
    }
  })
}
