import type { AlertNotification } from '../alerts/notify/notification.ts'
import type { AlertRule } from '../alerts/rule.ts'
import type { RecordedValue } from '../alerts/rule-evaluator.ts'
import { windowOf } from '../alerts/rule-window.ts'
import { Watermarks } from '../alerts/watermarks.ts'
import type { Clock, Timer } from '../base/clock.ts'
import type { NodeId, ShardId, TenantId } from '../base/ids.ts'
import { ALERT_SAVES_AT_ONCE, SLICE_MAX_MS } from '../base/limits.ts'
import type { Logger } from '../base/logger.ts'
import type { Registry } from '../cluster/registry.ts'
import { AlertEventLedger } from './alert-keeper-events.ts'
import { type OutboxEntry, tell } from './alert-keeper-outbox.ts'
import { KeptRule, type KeptRuleParts } from './alert-keeper-rule.ts'
import { isInForce, isSilenced } from './alert-keeper-silences.ts'
import { RuleStateEntry, rulesWithState } from './alert-keeper-state.ts'
import { type AlertRuleSource, AlertRules, homeOfRule } from './alert-rules.ts'
import type {
  AlertEvent,
  AlertKeeperMessage,
  AlertRuleStatus,
  AlertSilence,
  DescribeRule,
  KeeperWants,
  ReportCounts,
  WantedRule,
} from './messages/alert.ts'
import type { Actor, MessageContext } from './runtime/actor.ts'
import type { ShardMap } from './shard-map.ts'

const PASS_MS = 200
const PRUNE_MS = 60_000
const LOADED_AT_ONCE = 16
/** Events of a tenant after which its history is looked at. */
const PRUNE_AFTER_EVENTS = 100
const PRUNE_AFTER_MS = 3600_000

export interface AlertKeeperOptions {
  readonly nodeId: NodeId
  readonly boot: string
  readonly shardCount: number
  readonly shardMap: Pick<ShardMap, 'get' | 'onChange'>
  readonly registry: Registry
  readonly rules: AlertRuleSource
  /** What nobody is to be notified of, of a tenant. */
  readonly silencesOf: (tenant: TenantId) => Iterable<{ readonly id: string; readonly value: AlertSilence }>
  readonly submit: (notification: AlertNotification) => Promise<void>
  readonly linkBase: () => string
  readonly clock: Clock
  readonly logger: Logger
  readonly onTold?: (kind: OutboxEntry['kind']) => void
  readonly onValue?: (rule: AlertRule, value: RecordedValue) => void
}

/**
 * Keeps the rules whose home shard this node owns, under the epoch of that shard: so there is one keeper of each rule, taken over as shards are. Hears from the
 * WindowAlerts of all nodes what they count, decides, saves, writes the history, and hands over to the notifier what people are to be told. On the main thread (T1).
 */
export class AlertKeeper implements Actor<AlertKeeperMessage> {
  readonly #options: AlertKeeperOptions
  readonly #watermarks: Watermarks
  readonly #ledger: AlertEventLedger
  readonly #kept = new Map<string, KeptRule>()
  readonly #waiting: (() => Promise<void>)[] = []
  #loading = 0
  #rules: AlertRules | undefined
  readonly #parts: KeptRuleParts
  #timers: Timer[] = []
  #endListening: (() => void) | undefined
  #isPassing = false
  #isDue = false
  #isStopped = false
  #writers = 0
  readonly #written = new Map<TenantId, { events: number; prunedMs: number }>()

  constructor(options: AlertKeeperOptions) {
    const { registry, clock, logger, shardCount, boot, nodeId, submit, linkBase, onValue } = options
    this.#options = options
    this.#watermarks = new Watermarks(shardCount, clock.nowMs())
    this.#ledger = new AlertEventLedger(registry, () => clock.yieldTurn())
    this.#parts = {
      registry,
      ledger: this.#ledger,
      watermarks: this.#watermarks,
      clock,
      logger,
      submit,
      linkBase,
      newWriter: () => `${nodeId}/${boot}/${++this.#writers}`,
      silencesOf: (tenant, event) => this.#silencesOf(tenant, event),
      onTold: (entry, tenant) => this.#told(entry, tenant),
      ...(onValue === undefined ? {} : { onValue }),
    }
  }

  started(): void {
    const { rules, clock, logger, shardMap } = this.#options
    this.#rules = new AlertRules(rules, clock, logger, (tenant, id, rule) => this.#changed(tenant, id, rule))
    this.#endListening = shardMap.onChange((shard) => this.#moved(shard))
    for (const rule of this.#rules.all()) this.#look(rule)
    this.#timers = [
      clock.every(PASS_MS, () => void this.#pass()),
      // What fails is done the next time.
      clock.every(PRUNE_MS, () => void this.#tidyUp().catch(() => undefined)),
    ]
  }

  stopping(): void {
    this.#isStopped = true
    for (const timer of this.#timers) timer.cancel()
    this.#endListening?.()
    this.#rules?.close()
    for (const kept of this.#kept.values()) kept.stop()
    this.#kept.clear()
  }

  handle(message: AlertKeeperMessage, context: MessageContext): void {
    switch (message.kind) {
      case 'reportCounts':
        context.answer(message, this.#report(message))
        void this.#pass()
        return
      case 'describeRule':
        context.answer(message, this.#describe(message))
    }
  }

  observe(): Readonly<Record<string, unknown>> {
    return { rules: this.#kept.size }
  }

  /** Rules that are kept here, and for how long the decision of the one that is furthest behind has been waited for, ms. */
  get measures(): { readonly rules: number; readonly lagMs: number } {
    const nowMs = this.#options.clock.nowMs()
    let lagMs = 0
    for (const kept of this.#kept.values()) {
      const { windowMs, bucketCount } = windowOf(kept.rule)
      const step = kept.rule.condition.type === 'tumbling' ? windowMs : windowMs / bucketCount
      const dueMs = nowMs - kept.rule.condition.allowedLatenessMs - step
      if (kept.decidedMs !== undefined) lagMs = Math.max(lagMs, dueMs - kept.decidedMs)
    }
    return { rules: this.#kept.size, lagMs }
  }

  #report({ shards }: ReportCounts): KeeperWants {
    const lacking = new Map<KeptRule, ShardId[]>()
    for (const { shard, epoch, through, watermarkMs, whole, changed } of shards) {
      const stamp = { shard, epoch, through }
      for (const values of whole) this.#kept.get(`${values.tenant}/${values.ruleId}`)?.accept(stamp, values, true)
      for (const values of changed) this.#kept.get(`${values.tenant}/${values.ruleId}`)?.accept(stamp, values, false)
      let isWhole = true
      for (const kept of this.#kept.values()) {
        const heard = kept.hears(shard, epoch)
        if (heard === 'all') continue
        // Values of the owner before are not all that there is: nothing may be decided of them for later windows.
        if (heard === 'before') isWhole = false
        const lacks = lacking.get(kept)
        if (lacks === undefined) lacking.set(kept, [shard])
        else lacks.push(shard)
      }
      if (isWhole && watermarkMs !== null) this.#watermarks.note(shard, epoch, watermarkMs)
    }
    const rules = [...lacking].map(
      ([{ tenant, id, rule }, lacks]): WantedRule => ({ tenant, rule: id, revision: rule.revision, shards: lacks }),
    )
    return { rules }
  }

  #describe({ tenant, rule: id }: DescribeRule): AlertRuleStatus {
    const kept = this.#kept.get(`${tenant}/${id}`)
    const { clock, nodeId, shardCount } = this.#options
    if (kept === undefined) {
      const nothing = { keeper: null, evaluatedThroughMs: null, missingShards: [], groups: [], groupCount: 0 }
      return { revision: 0, ...nothing }
    }
    const { groups, count } = kept.groups()
    const missingShards: ShardId[] = []
    for (let shard = 0 as ShardId; shard < shardCount; shard++) {
      if (this.#watermarks.isStuck(shard, clock.nowMs())) missingShards.push(shard)
    }
    return {
      revision: kept.rule.revision,
      keeper: { node: nodeId, epoch: kept.epoch },
      evaluatedThroughMs: kept.decidedMs ?? null,
      missingShards,
      groups,
      groupCount: count,
    }
  }

  /** The owner of a home shard, or its epoch, is another one. */
  #moved(shard: ShardId): void {
    const { shardCount } = this.#options
    for (const rule of this.#rules?.all() ?? []) {
      if (homeOfRule(rule.tenant, rule.id, shardCount) === shard) this.#look(rule)
    }
  }

  #changed(tenant: TenantId, id: string, rule: AlertRule | undefined): void {
    if (rule !== undefined) {
      this.#look(rule)
      return
    }
    const kept = this.#kept.get(`${tenant}/${id}`)
    this.#kept.delete(`${tenant}/${id}`)
    if (kept !== undefined) void kept.end(true)
  }

  /** Begins to keep the rule, goes on with another revision of it, or leaves it to whoever keeps it now. */
  #look(rule: AlertRule): void {
    const { shardMap, shardCount, nodeId } = this.#options
    const key = `${rule.tenant}/${rule.id}`
    const entry = shardMap.get(homeOfRule(rule.tenant, rule.id, shardCount))
    let kept = this.#kept.get(key)
    if (kept !== undefined && (entry?.owner !== nodeId || entry.epoch !== kept.epoch || kept.isOver)) {
      kept.stop()
      this.#kept.delete(key)
      kept = undefined
    }
    if (entry?.owner !== nodeId) return
    if (!rule.enabled) {
      this.#kept.delete(key)
      // What fires although the rule is switched off is resolved.
      const ending = kept ?? new KeptRule(rule, entry.epoch, this.#parts)
      this.#load(() => ending.end(false))
      return
    }
    if (kept !== undefined) {
      if (kept.rule.revision !== rule.revision) kept.change(rule)
      return
    }
    const made = new KeptRule(rule, entry.epoch, this.#parts)
    this.#kept.set(key, made)
    this.#load(() => made.load())
  }

  /** States are read a few at a time. */
  #load(work: () => Promise<void>): void {
    this.#waiting.push(work)
    if (this.#loading >= LOADED_AT_ONCE) return
    this.#loading++
    const next = async (): Promise<void> => {
      for (let job = this.#waiting.shift(); job !== undefined; job = this.#waiting.shift()) await job()
      this.#loading--
    }
    void next()
  }

  /** Gives each rule its turn, in slices (T2). */
  async #pass(): Promise<void> {
    this.#isDue = true
    if (this.#isPassing) return
    this.#isPassing = true
    const { clock } = this.#options
    try {
      while (this.#isDue && !this.#isStopped) {
        this.#isDue = false
        this.#watermarks.observe(clock.nowMs())
        let sinceMs = clock.monotonicMs()
        const isTimeUp = () => clock.monotonicMs() - sinceMs > SLICE_MAX_MS / 2
        let saving = 0
        for (const [key, kept] of [...this.#kept]) {
          if (kept.isOver) this.#lost(key, kept)
          if (kept.isBusy) saving++
          // The rest has its turn when those are done.
          if (saving >= ALERT_SAVES_AT_ONCE + LOADED_AT_ONCE) break
          if (!this.#advance(kept, isTimeUp)) this.#isDue = true
          if (!isTimeUp()) continue
          await clock.yieldTurn()
          sinceMs = clock.monotonicMs()
        }
      }
    } finally {
      this.#isPassing = false
    }
  }

  /** What goes wrong with one rule holds up no other. */
  #advance(kept: KeptRule, isTimeUp: () => boolean): boolean {
    const { clock, logger } = this.#options
    try {
      return kept.advance(clock.nowMs(), isTimeUp)
    } catch (error) {
      logger.error('an alert rule cannot be decided', { tenant: kept.tenant, rule: kept.id, error })
      return true
    }
  }

  /** A keeper of a later epoch has written: this node will hear that it owns the home shard no more, or owns it again. */
  #lost(key: string, kept: KeptRule): void {
    if (this.#kept.get(key) === kept) this.#kept.delete(key)
  }

  #silencesOf(tenant: TenantId, event: AlertEvent): readonly string[] {
    const { silencesOf, clock } = this.#options
    const ids: string[] = []
    for (const { id, value } of silencesOf(tenant)) {
      if (isInForce(value, clock.nowMs()) && isSilenced(value, event)) ids.push(id)
    }
    return ids
  }

  #told(entry: OutboxEntry, tenant: TenantId): void {
    this.#options.onTold?.(entry.kind)
    const written = this.#written.get(tenant) ?? { events: 0, prunedMs: this.#options.clock.monotonicMs() }
    written.events++
    this.#written.set(tenant, written)
  }

  async #tidyUp(): Promise<void> {
    await this.#prune()
    const { registry, shardMap, shardCount, nodeId } = this.#options
    for (const { tenant, rule } of await rulesWithState(registry)) {
      const home = shardMap.get(homeOfRule(tenant, rule, shardCount))
      if (home?.owner !== nodeId || this.#rules?.get(tenant, rule) !== undefined) continue
      await this.#endOrphan(tenant, rule, home.epoch)
    }
  }

  /** A rule that was deleted while nobody kept it: what fires is resolved. */
  async #endOrphan(tenant: TenantId, rule: string, epoch: number): Promise<void> {
    const entry = new RuleStateEntry(this.#parts.registry, tenant, rule, epoch, this.#parts.newWriter())
    const loaded = await entry.load()
    if (loaded === undefined) return
    for (const waiting of loaded.outbox) await tell(tenant, waiting, this.#parts)
    for (const { firing } of loaded.state?.groups ?? []) {
      if (firing === null) continue
      const event = await this.#ledger.get(tenant, firing.id).catch(() => undefined)
      const resolvedMs = this.#options.clock.nowMs()
      if (event !== undefined) await tell(tenant, { kind: 'resolved', event: { ...event, resolvedMs } }, this.#parts)
    }
    await entry.remove()
  }

  async #prune(): Promise<void> {
    const { clock } = this.#options
    const nowMs = clock.monotonicMs()
    for (const [tenant, { events, prunedMs }] of this.#written) {
      if (events < PRUNE_AFTER_EVENTS && nowMs - prunedMs < PRUNE_AFTER_MS) continue
      this.#written.delete(tenant)
      await this.#ledger.prune(tenant, clock.nowMs())
    }
  }
}
