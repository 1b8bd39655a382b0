import type { MessagePort } from 'node:worker_threads'
import type { Clock } from '../base/clock.ts'
import type { Journal } from '../cluster/journal.ts'
import type { LaneAlarm } from '../cluster/lane-generation.ts'
import type { MemberTableTimes } from '../cluster/member-table.ts'
import type { Turbulence } from '../cluster/membership.ts'
import type { Registry } from '../cluster/registry.ts'
import type { Transport } from '../cluster/transport.ts'
import type { Settings } from './config.ts'
import type { EmbeddedShare } from './embedded-backbone.ts'
import { joinEmbeddedBackbone, openEmbeddedBackbone } from './embedded-backbone.ts'

/** What a thread of a node stands on: the durable log, the registry, the way to other nodes. */
export interface Backbone {
  readonly journal: Journal
  readonly registry: Registry
  readonly transport: Transport
  close(): Promise<void>
}

/** The main thread's, made first; the workers join it. */
export interface MainBackbone extends Backbone {
  /** Lets a worker join, once. */
  share(): { readonly share: BackboneShare; readonly transfer: readonly MessagePort[] }
  readonly memberTimes: Partial<MemberTableTimes>
  readonly turbulence: Turbulence | undefined
  natsServer(): string | null
  /** J3: settles the generations of the lanes before anything is read or appended. Returns what an operator must hear of. */
  settleGenerations(): Promise<readonly LaneAlarm[]>
}

/** Plain data for a worker thread. */
export type BackboneShare = EmbeddedShare

export function openBackbone(settings: Settings, clock: Clock): Promise<MainBackbone> {
  return openEmbeddedBackbone(settings, clock)
}

export function joinBackbone(share: BackboneShare, clock: Clock): Promise<Backbone> {
  return joinEmbeddedBackbone(share, clock)
}
