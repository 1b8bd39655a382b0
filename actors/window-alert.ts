import { RuleBuckets } from '../alerts/bucket-store.ts'
import type { AlertRule } from '../alerts/rule.ts'
import { RuleSet } from '../alerts/rule-set.ts'
import { retainMs } from '../alerts/rule-window.ts'
import type { Clock, Timer } from '../base/clock.ts'
import type { NodeId, ShardId, TenantId } from '../base/ids.ts'
import type { Logger } from '../base/logger.ts'
import type { AppliedRows } from '../storage/applied-rows.ts'
import type { ShardStore } from '../storage/shard-store.ts'
import type { AlertRuleSource } from './alert-rules.ts'
import { AlertRules, homeOfRule, ruleKey } from './alert-rules.ts'
import type { AlertKeeperMessage } from './messages/alert.ts'
import type { ActorRef } from './runtime/actor-ref.ts'
import type { ShardMap } from './shard-map.ts'
import { WindowAlertLink } from './window-alert-link.ts'
import { Rebuild, type RebuildParts } from './window-alert-rebuild.ts'

const ROUND_MS = 200
const EXPIRE_EVERY_ROUNDS = 5
/** A shard that has not caught up with the journal when it is claimed is waited for this long before what it holds is counted. */
const CATCH_UP_WAIT_MS = 5000
/** The age of what is known of how far a lane has been read, at most; see node/lane-watch.ts. */
const LANE_LOOK_MS = 1100
const REBUILD_AGAIN_MS = 1000

/** What must be known of a shard that the worker holds. */
interface CountedShard {
  readonly store: ShardStore
  readonly role: 'owner' | 'follower'
  readonly epoch: number
  readonly isCaughtUp: boolean
  readonly pace: { readonly appliedMs: number | null }
}

export interface WindowAlertOptions extends RebuildParts {
  /** The shards of this worker. */
  readonly shards: ReadonlyMap<ShardId, CountedShard>
  readonly shardCount: number
  readonly rules: AlertRuleSource
  readonly shardMap: Pick<ShardMap, 'get'>
  /** The AlertKeeper of a node. */
  readonly keeperOf: (node: NodeId) => ActorRef<AlertKeeperMessage>
  /** For how long the index of the shard's lane has been behind the journal on this node, ms. */
  readonly behindMs: (shard: ShardId) => number
  readonly clock: Clock
  readonly logger: Logger
  readonly onReported?: (bytes: number) => void
  readonly onRebuilt?: (tookMs: number) => void
}

/** A shard under one claim of this node. */
interface Owned {
  readonly epoch: number
  readonly claimedMs: number
  readonly buckets: RuleBuckets
  /** Keys of the rules of which all that is stored has been counted. */
  readonly ready: Set<string>
  /** Of the rules as they were when what is stored was last planned. */
  version: number
  notBeforeMs: number
  isReady: boolean
}

/**
 * Counts, on one worker, the rows of the shards that it owns for the alert rules of their tenants, as they are stored, and says every 200 ms to the keepers
 * of the rules what has changed. Followers count nothing: what a new owner, or a new rule, has to know of the windows that are running is counted anew from
 * stored rows (window-alert-rebuild.ts), so counts depend on nothing but what is stored. It has no mailbox: rows come within the step that stores them.
 */
export class WindowAlert {
  readonly #options: WindowAlertOptions
  readonly #rules: AlertRules
  readonly #owned = new Map<ShardId, Owned>()
  readonly #sets = new Map<TenantId, RuleSet>()
  /** Tenants of which rules have changed since they were compiled. */
  readonly #stale = new Set<TenantId>()
  readonly #links = new Map<NodeId, WindowAlertLink>()
  /** The journal's time of the newest frame that brought rows to a shard: that of its pace follows only when its run is over. */
  readonly #appendedMs = new Map<ShardId, number>()
  #version = 1
  #rounds = 0
  #rebuilding = false
  #isClosed = false
  readonly #ticking: Timer

  constructor(options: WindowAlertOptions) {
    this.#options = options
    const { rules, clock, logger } = options
    this.#rules = new AlertRules(rules, clock, logger, (tenant) => {
      this.#stale.add(tenant)
      this.#version++
    })
    for (const tenant of this.#rules.tenants()) this.#stale.add(tenant)
    this.#ticking = clock.every(ROUND_MS, () => this.#round())
  }

  close(): void {
    this.#isClosed = true
    this.#ticking.cancel()
    this.#rules.close()
  }

  /** Hears what a frame brings, within the step that applies it. */
  readonly onRows = ({ shard, tenant, source, rows, appendedMs, isNew }: AppliedRows): void => {
    this.#appendedMs.set(shard, appendedMs)
    const set = this.#sets.get(tenant)
    if (set === undefined || !isNew) return
    const owned = this.#owned.get(shard)
    if (owned === undefined) return
    try {
      set.count(source, rows, tenant, ({ rule, side }, found) =>
        owned.buckets.add(rule, side, source, found, appendedMs),
      )
    } catch (error) {
      // What is counted is not whole any more: the shard begins anew.
      this.#options.logger.error('rows could not be counted for alerts', { shard, tenant, error })
      this.#owned.delete(shard)
    }
  }

  #round(): void {
    this.#rounds++
    this.#follow()
    if (this.#owned.size === 0) return
    void this.#rebuildNext()
    const nodes = this.#keepers()
    if (nodes.size === 0) return
    for (const [shard, owned] of this.#owned) this.#report(shard, owned, nodes)
    for (const [, link] of nodes) if (!link.isBusy) void link.send()
  }

  /** Takes note of shards that were claimed and given away. */
  #follow(): void {
    const { shards, clock } = this.#options
    if (this.#rules.size === 0) {
      this.#owned.clear()
      return
    }
    for (const [shard, { epoch }] of this.#owned) {
      const hosted = shards.get(shard)
      if (hosted?.role === 'owner' && hosted.epoch === epoch) continue
      this.#owned.delete(shard)
      for (const link of this.#links.values()) link.forget(shard)
    }
    for (const [shard, { role, epoch }] of shards) {
      if (role !== 'owner' || this.#owned.has(shard)) continue
      const claimedMs = clock.monotonicMs()
      const buckets = new RuleBuckets()
      const state = { version: 0, notBeforeMs: 0, isReady: false }
      this.#owned.set(shard, { epoch, claimedMs, buckets, ready: new Set(), ...state })
    }
  }

  /** Nodes that keep rules, and the ways to them. */
  #keepers(): Map<NodeId, WindowAlertLink> {
    const { shardMap, shardCount, keeperOf, onReported } = this.#options
    const keepers = new Map<NodeId, WindowAlertLink>()
    for (const rule of this.#rules.all()) {
      if (!rule.enabled) continue
      const node = shardMap.get(homeOfRule(rule.tenant, rule.id, shardCount))?.owner
      if (node === undefined || keepers.has(node)) continue
      const link = this.#links.get(node) ?? new WindowAlertLink(keeperOf(node), (bytes) => onReported?.(bytes))
      keepers.set(node, link)
      this.#links.set(node, link)
    }
    for (const node of this.#links.keys()) if (!keepers.has(node)) this.#links.delete(node)
    return keepers
  }

  #report(shard: ShardId, owned: Owned, keepers: ReadonlyMap<NodeId, WindowAlertLink>): void {
    const { shardMap, shardCount, shards } = this.#options
    const hosted = shards.get(shard)
    if (!owned.isReady || hosted === undefined) return
    const watermarkMs = this.#watermarkMs(shard, hosted)
    if (this.#rounds % EXPIRE_EVERY_ROUNDS === 0) owned.buckets.expire(watermarkMs)
    for (const [, link] of keepers) {
      if (!link.isBusy) link.begin(shard, owned.epoch, hosted.store.applied, watermarkMs)
    }
    for (const values of owned.buckets.changed()) {
      const { tenant, ruleId, revision } = values
      const key = ruleKey(tenant, ruleId, revision)
      if (!owned.ready.has(key)) continue
      const node = shardMap.get(homeOfRule(tenant, ruleId, shardCount))?.owner
      const link = node === undefined ? undefined : keepers.get(node)
      // Who is to keep the rule next asks for all of it.
      if (link === undefined || link.owed(shard).has(key)) continue
      if (link.isBusy) link.owe(shard, key)
      else link.add(shard, 'changed', values)
    }
    for (const [, link] of keepers) {
      if (!link.isBusy) this.#sayOwed(shard, owned, link)
    }
  }

  #sayOwed(shard: ShardId, { ready, buckets }: Owned, link: WindowAlertLink): void {
    const keys = link.owed(shard)
    if (keys.size === 0) return
    for (const rule of this.#rules.all()) {
      const key = ruleKey(rule.tenant, rule.id, rule.revision)
      if (!keys.has(key) || !ready.has(key)) continue
      // What cannot be said now is not made ready either (T2).
      if (!link.hasRoom) {
        link.holdBack(shard)
        break
      }
      for (const values of buckets.all([rule])) link.add(shard, 'whole', values)
    }
    link.forgetOthers(shard, (key) => this.#isKnown(key))
  }

  #isKnown(key: string): boolean {
    const [path = '', revision] = key.split('@')
    const [tenant = '', id = ''] = path.split('/')
    return this.#rules.get(tenant as TenantId, id)?.revision === Number(revision)
  }

  /** All that was in the journal before this time has been counted. */
  #watermarkMs(shard: ShardId, { isCaughtUp, pace }: CountedShard): number {
    const { behindMs, clock } = this.#options
    const appliedMs = pace.appliedMs ?? Number.NEGATIVE_INFINITY
    if (!isCaughtUp) return appliedMs
    return Math.max(appliedMs, clock.nowMs() - behindMs(shard) - LANE_LOOK_MS)
  }

  /** One shard at a time: those that were claimed first, then those that lack rules. */
  async #rebuildNext(): Promise<void> {
    if (this.#rebuilding) return
    this.#rebuilding = true
    try {
      for (let next = this.#dueForRebuild(); next !== undefined && !this.#isClosed; next = this.#dueForRebuild()) {
        await this.#rebuild(...next)
      }
    } finally {
      this.#rebuilding = false
    }
  }

  #dueForRebuild(): [ShardId, Owned] | undefined {
    const { clock, shards } = this.#options
    const nowMs = clock.monotonicMs()
    let due: [ShardId, Owned] | undefined
    for (const [shard, owned] of this.#owned) {
      if (owned.version === this.#version || nowMs < owned.notBeforeMs) continue
      const isWaitedFor = shards.get(shard)?.isCaughtUp === false && nowMs < owned.claimedMs + CATCH_UP_WAIT_MS
      if (isWaitedFor) continue
      if (!owned.isReady) return [shard, owned]
      due ??= [shard, owned]
    }
    return due
  }

  async #rebuild(shard: ShardId, owned: Owned): Promise<void> {
    const { clock, shards, logger, onRebuilt } = this.#options
    const hosted = shards.get(shard)
    if (hosted === undefined || hosted.epoch !== owned.epoch) return
    const startedMs = clock.monotonicMs()
    // From here until the plan is made nothing waits: all that is appended later is counted as it comes.
    this.#compile()
    const rules = [...this.#rules.all()].filter((rule) => rule.enabled)
    const keys = new Set(rules.map(keyOf))
    for (const key of owned.ready) if (!keys.has(key)) owned.ready.delete(key)
    const fresh = rules.filter((rule) => !owned.ready.has(keyOf(rule)))
    // A journal that is read late, or was not written for a while, has windows that are older than the clock.
    const nowMs = Math.min(clock.nowMs(), this.#appliedMs(shard, hosted) ?? Number.POSITIVE_INFINITY)
    owned.version = this.#version
    owned.buckets.setRules(rules, (rule) => nowMs - retainMs(rule))
    try {
      const isWanted = () => !this.#isClosed && this.#owned.get(shard) === owned
      if (fresh.length > 0) {
        await new Rebuild(hosted.store, fresh, nowMs, this.#options).count(owned.buckets, isWanted)
      }
      for (const rule of fresh) this.#becomeReady(shard, owned, rule)
      owned.isReady = true
      onRebuilt?.(clock.monotonicMs() - startedMs)
    } catch (error) {
      logger.warn('stored rows could not be counted for alerts; it is tried again', { shard, error })
      // Half of them may be counted: what was counted of these rules is thrown away.
      owned.buckets.setRules(
        rules.filter((rule) => owned.ready.has(keyOf(rule))),
        () => nowMs,
      )
      owned.version = 0
      owned.notBeforeMs = clock.monotonicMs() + REBUILD_AGAIN_MS
    }
  }

  #appliedMs(shard: ShardId, { pace }: CountedShard): number | null {
    const heardMs = this.#appendedMs.get(shard) ?? null
    return pace.appliedMs === null || heardMs === null ? (pace.appliedMs ?? heardMs) : Math.max(pace.appliedMs, heardMs)
  }

  /** What was counted before is said in full, also to a keeper that knows of an earlier count under this epoch. */
  #becomeReady(shard: ShardId, owned: Owned, rule: AlertRule): void {
    const { shardMap, shardCount } = this.#options
    owned.ready.add(keyOf(rule))
    const node = shardMap.get(homeOfRule(rule.tenant, rule.id, shardCount))?.owner
    if (node !== undefined) this.#links.get(node)?.owe(shard, keyOf(rule))
  }

  #compile(): void {
    for (const tenant of this.#stale) {
      const rules = [...this.#rules.of(tenant)].filter((rule) => rule.enabled)
      if (rules.length === 0) this.#sets.delete(tenant)
      else this.#sets.set(tenant, new RuleSet(rules))
    }
    this.#stale.clear()
  }
}

function keyOf({ tenant, id, revision }: AlertRule): string {
  return ruleKey(tenant, id, revision)
}
