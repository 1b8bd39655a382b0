import type { Clock, Timer } from '../base/clock.ts'
import { WeirError } from '../base/errors.ts'
import type { NodeId } from '../base/ids.ts'
import { DISTURBANCE_GRACE_MS, HEARTBEAT_EVERY_MS, SETTLE_MS, SILENCE_MAX_MS } from '../base/limits.ts'
import type { Logger } from '../base/logger.ts'
import { decodeHeartbeat, encodeHeartbeat, type Heartbeat, type Member, NO_LOAD, type NodeLoad } from './heartbeat.ts'
import { MemberTable, type MemberTableTimes } from './member-table.ts'
import type { RingNode } from './ring.ts'
import { heartbeatSubject } from './subjects.ts'
import type { Transport } from './transport.ts'
import { type WorkerProgress, WorkerWatch } from './worker-watch.ts'

/** What of a node changes while it runs. */
export type Announcement = Partial<Pick<Member, 'state' | 'url' | 'weight'>>

/** What the cluster looks like to this node. */
export interface MembersView {
  /** Rises with every change; the load changes without. */
  readonly revision: number
  /** Those that live, this node among them, in the order of their ids. */
  readonly members: readonly Member[]
  /** This node has listened long enough to have heard everybody. */
  readonly settled: boolean
  /** C1: whoever is not among the members has been silent for long enough to be dead. False at first and while the messaging is disturbed. */
  readonly absentAreDead: boolean
}

/**
 * Tells `onDisturbed` when messages may have been lost or held up: a connection was lost or found again, a server left the NATS cluster. The
 * result ends it.
 */
export type Turbulence = (onDisturbed: (reason: string) => void) => () => void

export interface MembershipOptions {
  readonly cluster: string
  readonly transport: Transport
  readonly clock: Clock
  readonly logger: Logger
  readonly self: Pick<Member, 'nodeId' | 'boot' | 'version' | 'featureLevels' | 'weight' | 'workers'>
  readonly turbulence?: Turbulence
  /** Asked for every heartbeat. */
  readonly load?: () => NodeLoad
  readonly natsServer?: () => string | null
  readonly progress?: () => readonly WorkerProgress[]
  /** Default those of base/limits.ts. A node that is alone has nobody to wait for: all 0. */
  readonly times?: Partial<MemberTableTimes>
  /** A newer process bears this node's id: this one must stop, and has no shard any more. Called once. */
  readonly onDisplaced: (boot: number) => void
  readonly onMalformed?: () => void
  readonly onDisturbed?: () => void
}

const TIMES: MemberTableTimes = { silenceMs: SILENCE_MAX_MS, graceMs: DISTURBANCE_GRACE_MS, settleMs: SETTLE_MS }
/** The silence of the others is looked at between heartbeats too. */
const LOOKS_PER_BEAT = 2
/** Of the heartbeats that cannot be read one in so many is logged. */
const MALFORMED_LOGGED_EVERY = 1000

/**
 * C1: says twice a second that this node lives, and hears who else does. Lives on the main thread, which is never in a record's way, and speaks
 * for the workers as well.
 */
export class Membership {
  readonly #options: MembershipOptions
  readonly #subject: string
  readonly #table: MemberTable
  readonly #workers: WorkerWatch
  readonly #listeners = new Set<(view: MembersView) => void>()
  #self: Member
  /** Rises with every announcement that others act on. */
  #announcements = 0
  #toldRevision = 0
  #beat = 0
  #looks = 0
  #malformed = 0
  #isDisplaced = false
  #isPublishing = true
  #timer: Timer | undefined
  #endSubscription: (() => void) | undefined
  #endTurbulence: (() => void) | undefined

  /** Joins as `joining`, without a URL; `announce` says more. */
  constructor(options: MembershipOptions) {
    const { clock, logger, self } = options
    this.#options = options
    this.#subject = heartbeatSubject(options.cluster)
    this.#table = new MemberTable(self, { ...TIMES, ...options.times }, clock.monotonicMs())
    this.#workers = new WorkerWatch(clock, logger)
    this.#self = {
      ...self,
      url: null,
      state: 'joining',
      startedMs: clock.nowMs(),
      load: NO_LOAD,
      natsServer: null,
      stuck: [],
    }
  }

  /** Begins to speak and to listen. */
  start(): void {
    const { transport, clock, turbulence } = this.#options
    this.#endSubscription = transport.subscribe(this.#subject, async (payload) => {
      this.#hear(payload)
      return undefined
    })
    this.#endTurbulence = turbulence?.((reason) => this.#disturbed(reason))
    this.#publish(false)
    this.#timer = clock.every(HEARTBEAT_EVERY_MS / LOOKS_PER_BEAT, () => this.#look())
  }

  members(): readonly Member[] {
    return [...this.#table.peers(), this.#self].sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1))
  }

  view(): MembersView {
    return {
      revision: this.#revision(),
      members: this.members(),
      settled: this.#table.isSettled,
      absentAreDead: this.#table.absentAreDead,
    }
  }

  /** May what the node owned be taken over? See MemberTable.isDead. */
  isDead(nodeId: NodeId, boot?: number): boolean {
    return this.#table.isDead(nodeId, boot)
  }

  /** Heartbeats that could not be read. */
  get malformed(): number {
    return this.#malformed
  }

  /** Calls `listener` after every change but those of the load; the result ends it. */
  onChange(listener: (view: MembersView) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Changes what this node says of itself, and says it at once. */
  announce(announcement: Announcement): void {
    this.#self = { ...this.#self, ...announcement }
    this.#announcements++
    this.#publish(false)
    this.#tell()
  }

  /** Says goodbye: the others need not wait for silence. To be called when this node owns nothing any more; ends its heartbeats. */
  leave(): void {
    this.#publish(true)
    this.stop()
  }

  /** Falls silent, without a word. */
  stop(): void {
    this.#isPublishing = false
    this.#timer?.cancel()
    this.#endTurbulence?.()
    this.#endSubscription?.()
    this.#endSubscription = undefined
    this.#listeners.clear()
  }

  #look(): void {
    this.#looks++
    if (this.#looks % LOOKS_PER_BEAT === 0) this.#sample()
    const { clock, logger } = this.#options
    for (const { nodeId, boot } of this.#table.advance(clock.monotonicMs())) {
      logger.warn('a node has fallen silent and is taken for dead', { peer: nodeId, boot })
    }
    this.#tell()
  }

  #sample(): void {
    const { load, natsServer, progress } = this.#options
    const stuck = this.#workers.look(progress?.() ?? [])
    if (stuck.join() !== this.#self.stuck.join()) this.#announcements++
    this.#self = { ...this.#self, load: load?.() ?? NO_LOAD, natsServer: natsServer?.() ?? null, stuck }
    this.#publish(false)
  }

  /** What cannot be sent is not missed: this node notices that it does not hear itself. */
  #publish(isGoodbye: boolean): void {
    if (!this.#isPublishing || this.#isDisplaced) return
    const heartbeat: Heartbeat = { member: this.#self, beat: ++this.#beat, isGoodbye }
    try {
      this.#options.transport.publish(this.#subject, encodeHeartbeat(heartbeat))
    } catch (error) {
      this.#options.logger.debug('a heartbeat could not be sent', { error })
    }
  }

  #hear(payload: Uint8Array): void {
    const { clock, logger, onMalformed } = this.#options
    if (this.#endSubscription === undefined) return
    let heartbeat: Heartbeat
    try {
      heartbeat = decodeHeartbeat(payload)
    } catch (error) {
      if (!(error instanceof WeirError)) throw error
      if (this.#malformed++ % MALFORMED_LOGGED_EVERY === 0) logger.warn('a heartbeat cannot be read', { error })
      onMalformed?.()
      return
    }
    const { nodeId, boot } = heartbeat.member
    const heard = this.#table.hear(heartbeat, clock.monotonicMs())
    if (heard === 'displaced') this.#displaced(boot)
    if (heard === 'came') logger.info('a node has come', { peer: nodeId, boot })
    if (heard === 'left') logger.info('a node has left', { peer: nodeId, boot })
    this.#tell()
  }

  #displaced(boot: number): void {
    if (this.#isDisplaced) return
    this.#isDisplaced = true
    const { logger, self, onDisplaced } = this.#options
    logger.error('a newer process has the id of this node, which must stop', { boot: self.boot, newerBoot: boot })
    onDisplaced(boot)
  }

  #disturbed(reason: string): void {
    const { clock, logger, onDisturbed } = this.#options
    logger.info('messaging was disturbed: nobody is judged by silence for a while', { reason })
    this.#table.disturb(clock.monotonicMs())
    onDisturbed?.()
    this.#tell()
  }

  #revision(): number {
    return this.#table.revision + this.#announcements
  }

  #tell(): void {
    if (this.#revision() === this.#toldRevision) return
    this.#toldRevision = this.#revision()
    const view = this.view()
    for (const listener of [...this.#listeners]) listener(view)
  }
}

/** The members that shards are placed on: not those that are still starting, and not those that drain. */
export function takersOf(members: readonly Member[]): readonly RingNode[] {
  return members.filter(({ state }) => state === 'active').map(({ nodeId, weight }) => ({ id: nodeId, weight }))
}
