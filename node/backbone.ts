import type { MessagePort } from 'node:worker_threads'
import type { ShardMap } from '../actors/shard-map.ts'
import type { Clock } from '../base/clock.ts'
import type { NodeId } from '../base/ids.ts'
import type { Logger } from '../base/logger.ts'
import type { Journal } from '../cluster/journal.ts'
import type { LaneAlarm } from '../cluster/lane-generation.ts'
import type { MemberTableTimes } from '../cluster/member-table.ts'
import type { Turbulence } from '../cluster/membership.ts'
import type { Registry } from '../cluster/registry.ts'
import type { Transport } from '../cluster/transport.ts'
import type { Settings } from './config.ts'
import type { EmbeddedShare } from './embedded-backbone.ts'

/** What a thread of a node stands on: the durable log, the registry and what it says of the shards, the way to other nodes. */
export interface Backbone {
  readonly journal: Journal
  readonly registry: Registry
  readonly shardMap: ShardMap
  readonly transport: Transport
  /** Of what goes into the journal: worth its CPU where every byte is kept by several servers (ADR 0012, 0016). */
  readonly sectionCompression: 'none' | 'zstd'
  close(): Promise<void>
}

/** The main thread's, made first; the workers join it. */
export interface MainBackbone extends Backbone {
  /** Lets a worker join, once. */
  share(): { readonly share: BackboneShare; readonly transfer: readonly MessagePort[] }
  readonly memberTimes: Partial<MemberTableTimes>
  readonly turbulence: Turbulence | undefined
  natsServer(): string | null
}

/** Plain data for a worker thread. */
export type BackboneShare = EmbeddedShare | { readonly kind: 'nats' }

export interface RegistryOptions {
  readonly settings: Settings
  readonly nodeId: NodeId
  /** Name of the thread. */
  readonly thread: string
  readonly clock: Clock
  readonly logger: Logger
}

export interface BackboneOptions extends RegistryOptions {
  /** J3: hears, in the thread that found it, that a lane of the journal is not what it was. */
  readonly onLaneAlarm: (alarm: LaneAlarm) => void
}

export interface MainBackboneOptions extends BackboneOptions {
  /** Asked before a cluster is created; throws when it must not be. */
  readonly mayCreate: () => Promise<void>
}

/** NATS where the settings name its servers, else what the data directory holds. */
export async function openBackbone(options: MainBackboneOptions): Promise<MainBackbone> {
  if (options.settings['nats.url'] === null)
    return (await import('./embedded-backbone.ts')).openEmbeddedBackbone(options)
  return (await import('./nats-backbone.ts')).openNatsBackbone(options)
}

export async function joinBackbone(share: BackboneShare, options: BackboneOptions): Promise<Backbone> {
  if (share.kind === 'nats') return (await import('./nats-backbone.ts')).joinNatsBackbone(options)
  return (await import('./embedded-backbone.ts')).joinEmbeddedBackbone(share, options)
}

/** The registry alone, for who mends it while no node runs. */
export async function openRegistry(options: RegistryOptions): Promise<Registry> {
  if (options.settings['nats.url'] === null)
    return (await import('./embedded-backbone.ts')).openEmbeddedRegistry(options)
  return (await import('./nats-backbone.ts')).openNatsRegistryOnly(options)
}
