import { ShardMap } from '../actors/shard-map.ts'
import type { Clock } from '../base/clock.ts'
import type { LaneId } from '../base/ids.ts'
import type { Turbulence } from '../cluster/membership.ts'
import type { NatsOptions } from '../cluster/nats-connection.ts'
import { NatsConnection } from '../cluster/nats-connection.ts'
import { openNatsJournal } from '../cluster/nats-journal.ts'
import { openNatsRegistry } from '../cluster/nats-registry.ts'
import { LaneStream } from '../cluster/nats-stream.ts'
import { openNatsTransport } from '../cluster/nats-transport.ts'
import type { Backbone, BackboneOptions, MainBackbone } from './backbone.ts'
import { agreeOnCluster, floorsOf } from './cluster-settings.ts'
import type { Settings } from './config.ts'
import { Opened } from './opened.ts'
import { recoverFromBucket } from './registry-recovery.ts'

/** Copies of the registry at most: as of the journal. */
const REPLICAS_MAX = 3

/** Journal, registry and transport of the NATS servers that the settings name. */
export function openNatsBackbone(options: BackboneOptions): Promise<MainBackbone> {
  return Opened.all(async (opened) => {
    const { connection, ...parts } = await openParts(options, opened)
    return {
      ...parts,
      memberTimes: {},
      turbulence: turbulenceOf(connection),
      natsServer: () => (connection.isConnected ? connection.server : null),
      share: () => ({ share: { kind: 'nats' }, transfer: [] }),
      close: () => opened.close(),
    }
  })
}

/** Each thread has a connection of its own (T1). */
export function joinNatsBackbone(options: BackboneOptions): Promise<Backbone> {
  return Opened.all(async (opened) => {
    const { connection: _, ...parts } = await openParts(options, opened)
    return { ...parts, close: () => opened.close() }
  })
}

async function openParts(options: BackboneOptions, opened: Opened) {
  const { settings, nodeId, thread, clock, logger, onLaneAlarm } = options
  const cluster = settings['cluster.name']
  const connection = opened.add(await NatsConnection.open(natsOptions(settings, `weir ${nodeId} ${thread}`), clock))
  connection.onEvent((event) => {
    if (event.kind === 'refused') logger.error('NATS refuses something', { reason: event.reason })
    else if (event.kind !== 'closed') logger.warn('the connection to NATS has changed', { ...event })
  })
  const replicas = settings['nats.replicas'] ?? undefined
  const copies = replicas ?? Math.min(REPLICAS_MAX, connection.serverCount)
  const registry = opened.add(
    await openNatsRegistry({
      connection,
      cluster,
      replicas: copies,
      clock,
      logger: logger.child('registry'),
    }),
  )
  await recoverFromBucket({
    registry,
    settings,
    clock,
    logger: logger.child('recovery'),
    hasJournal: () => hasFrames(connection, settings, clock),
  })
  await agreeOnCluster(registry, settings)
  const mapOptions = { registry, shardCount: settings.shards, clock, logger: logger.child('shard-map') }
  const shardMap = opened.add(await ShardMap.open(mapOptions))
  const journal = opened.add(
    await openNatsJournal({
      connection,
      registry,
      clock,
      logger: logger.child('journal'),
      cluster,
      laneCount: settings['journal.lanes'],
      bytesMax: settings['journal.bytesMax'],
      ...(replicas === undefined ? {} : { replicas }),
      reachedOf: floorsOf(shardMap, settings),
      onAlarm: onLaneAlarm,
    }),
  )
  const transport = opened.add(await openNatsTransport({ connection, clock, logger: logger.child('transport') }))
  const sectionCompression = copies > 1 ? ('zstd' as const) : ('none' as const)
  return { connection, registry, shardMap, journal, transport, sectionCompression }
}

/** True when a lane of the journal holds anything. */
async function hasFrames(connection: NatsConnection, settings: Settings, clock: Clock): Promise<boolean> {
  const options = {
    connection,
    clock,
    cluster: settings['cluster.name'],
    laneCount: settings['journal.lanes'],
    bytesMax: settings['journal.bytesMax'],
  }
  for (let lane = 0; lane < options.laneCount; lane++) {
    const facts = await (await LaneStream.of({ ...options, lane: lane as LaneId })).facts()
    if (facts !== undefined && facts.firstSequence <= facts.lastSequence) return true
  }
  return false
}

function natsOptions(settings: Settings, name: string): NatsOptions {
  const [user, password, token] = [settings['nats.user'], settings['nats.password'], settings['nats.token']]
  const [credentialsFile, nkeyFile] = [settings['nats.credentialsFile'], settings['nats.nkeyFile']]
  const [caFile, certFile, keyFile] = [settings['nats.caFile'], settings['nats.certFile'], settings['nats.keyFile']]
  const tls = given({ caFile, certFile, keyFile })
  return {
    servers: (settings['nats.url'] ?? '').split(',').map((server) => server.trim()),
    name,
    ...given({ user, password, token, credentialsFile, nkeyFile }),
    ...(Object.keys(tls).length === 0 ? {} : { tls }),
  }
}

function given<K extends string>(values: Record<K, string | null>): Partial<Record<K, string>> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null)) as Partial<Record<K, string>>
}

/** Whatever may have lost heartbeats of others, so that their silence says nothing for a while (C1). */
function turbulenceOf(connection: NatsConnection): Turbulence {
  return (onDisturbed) =>
    connection.onEvent((event) => {
      if (event.kind === 'disconnected') onDisturbed(`the connection to ${event.server} was lost`)
      if (event.kind === 'reconnected') onDisturbed(`connected to ${event.server}`)
      if (event.kind === 'serversChanged' && event.deleted.length > 0) onDisturbed('a NATS server has gone')
    })
}
