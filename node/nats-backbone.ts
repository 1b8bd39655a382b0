import { ShardMap } from '../actors/shard-map.ts'
import type { Turbulence } from '../cluster/membership.ts'
import type { NatsOptions } from '../cluster/nats-connection.ts'
import { NatsConnection } from '../cluster/nats-connection.ts'
import { openNatsJournal } from '../cluster/nats-journal.ts'
import { openNatsRegistry } from '../cluster/nats-registry.ts'
import { openNatsTransport } from '../cluster/nats-transport.ts'
import type { Registry } from '../cluster/registry.ts'
import type { Backbone, BackboneOptions, MainBackbone, MainBackboneOptions, RegistryOptions } from './backbone.ts'
import { agreeOnCluster, floorsOf } from './cluster-settings.ts'
import type { Settings } from './config.ts'
import { Opened } from './opened.ts'

/** Copies of the registry at most: as of the journal. */
const REPLICAS_MAX = 3

/** Journal, registry and transport of the NATS servers that the settings name. */
export function openNatsBackbone(options: MainBackboneOptions): Promise<MainBackbone> {
  return Opened.all(async (opened) => {
    const connected = await openConnected(options, opened)
    const { connection } = connected
    await agreeOnCluster(connected.registry, options.settings, options.mayCreate)
    return {
      ...(await openParts(options, connected, opened)),
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
    const connected = await openConnected(options, opened)
    return { ...(await openParts(options, connected, opened)), close: () => opened.close() }
  })
}

/** Closing it ends its connection. */
export function openNatsRegistryOnly(options: RegistryOptions): Promise<Registry> {
  return Opened.all(async (opened) => {
    const { registry } = await openConnected(options, opened)
    const { get, put, delete: remove, list, watch } = registry
    return {
      get: get.bind(registry),
      put: put.bind(registry),
      delete: remove.bind(registry),
      list: list.bind(registry),
      watch: watch.bind(registry),
      close: () => opened.close(),
    }
  })
}

interface Connected {
  readonly connection: NatsConnection
  readonly registry: Registry
  /** Of the registry and of the journal. */
  readonly copies: number
}

async function openConnected(options: RegistryOptions, opened: Opened): Promise<Connected> {
  const { settings, nodeId, thread, clock, logger } = options
  const connection = opened.add(await NatsConnection.open(natsOptions(settings, `weir ${nodeId} ${thread}`), clock))
  connection.onEvent((event) => {
    if (event.kind === 'refused') logger.error('NATS refuses something', { reason: event.reason })
    else if (event.kind !== 'closed') logger.warn('the connection to NATS has changed', { ...event })
  })
  const copies = settings['nats.replicas'] ?? Math.min(REPLICAS_MAX, connection.serverCount)
  const registry = opened.add(
    await openNatsRegistry({
      connection,
      cluster: settings['cluster.name'],
      replicas: copies,
      clock,
      logger: logger.child('registry'),
    }),
  )
  return { connection, registry, copies }
}

async function openParts(options: BackboneOptions, { connection, registry, copies }: Connected, opened: Opened) {
  const { settings, clock, logger, onLaneAlarm } = options
  const mapOptions = { registry, shardCount: settings.shards, clock, logger: logger.child('shard-map') }
  const shardMap = opened.add(await ShardMap.open(mapOptions))
  const replicas = settings['nats.replicas']
  const journal = opened.add(
    await openNatsJournal({
      connection,
      registry,
      clock,
      logger: logger.child('journal'),
      cluster: settings['cluster.name'],
      laneCount: settings['journal.lanes'],
      bytesMax: settings['journal.bytesMax'],
      ...(replicas === null ? {} : { replicas }),
      reachedOf: floorsOf(shardMap, settings),
      onAlarm: onLaneAlarm,
    }),
  )
  const transport = opened.add(await openNatsTransport({ connection, clock, logger: logger.child('transport') }))
  const sectionCompression = copies > 1 ? ('zstd' as const) : ('none' as const)
  return { registry, shardMap, journal, transport, sectionCompression }
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
