import { conditionText } from '../alerts/condition.ts'
import { groupLabels, type PartialStamp, type RuleValues } from '../alerts/partial.ts'
import type { AlertRule } from '../alerts/rule.ts'
import type { RecordedValue, RuleState, Transition } from '../alerts/rule-evaluator.ts'
import { RuleEvaluator } from '../alerts/rule-evaluator.ts'
import type { Watermarks } from '../alerts/watermarks.ts'
import { Backoff } from '../base/backoff.ts'
import type { Clock } from '../base/clock.ts'
import type { ShardId, TenantId } from '../base/ids.ts'
import { ALERT_STATUS_GROUPS_MAX } from '../base/limits.ts'
import type { Logger } from '../base/logger.ts'
import type { Registry } from '../cluster/registry.ts'
import { type OutboxEntry, type Told, tell } from './alert-keeper-outbox.ts'
import { RuleStateEntry } from './alert-keeper-state.ts'
import type { AlertEvent, AlertGroupStatus } from './messages/alert.ts'

/** What the rules of a keeper have in common. */
export interface KeptRuleParts extends Told {
  readonly registry: Registry
  readonly watermarks: Watermarks
  readonly clock: Clock
  readonly logger: Logger
  /** A name that nobody else writes under. */
  readonly newWriter: () => string
  /** Ids of the silences that are in force for an event. */
  readonly silencesOf: (tenant: TenantId, event: AlertEvent) => readonly string[]
  /** Where people reach this node: `http://host:port`. */
  readonly linkBase: () => string
  readonly onTold?: (entry: OutboxEntry, tenant: TenantId) => void
  readonly onValue?: (rule: AlertRule, value: RecordedValue) => void
}

/**
 * One rule as its keeper has it. Decides by a RuleEvaluator; saves what was decided before it tells anybody (A4); one decision is told before the next is made.
 */
export class KeptRule {
  readonly epoch: number
  readonly tenant: TenantId
  readonly id: string
  readonly #parts: KeptRuleParts
  readonly #entry: RuleStateEntry
  #rule: AlertRule
  #evaluator: RuleEvaluator | undefined
  #savedVersion = -1
  /** Shards of which all values are known, by the epoch of who said them. */
  readonly #heard = new Map<ShardId, number>()
  readonly #lastValues = new Map<string, number | null>()
  readonly #groupOf = new Map<string, Readonly<Record<string, string>>>()
  #isBusy = false
  #isOver = false
  /** It was changed while it was busy: it begins anew when it no longer is. */
  #isOutdated = false

  constructor(rule: AlertRule, epoch: number, parts: KeptRuleParts) {
    this.#rule = rule
    this.tenant = rule.tenant
    this.id = rule.id
    this.epoch = epoch
    this.#parts = parts
    this.#entry = new RuleStateEntry(parts.registry, rule.tenant, rule.id, epoch, parts.newWriter())
  }

  get rule(): AlertRule {
    return this.#rule
  }

  /** Somebody else keeps the rule by now, or it is over: nothing is decided here any more. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Something of it is being read or written. */
  get isBusy(): boolean {
    return this.#isBusy
  }

  /** All windows that end up to here are decided; undefined before one was. */
  get decidedMs(): number | undefined {
    return this.#evaluator?.snapshot().decidedMs
  }

  /** Stops without a word: another keeper goes on. */
  stop(): void {
    this.#isOver = true
  }

  /** Whether all values of the shard are known, as the owner of this epoch counts them; 'before': as an earlier one did. */
  hears(shard: ShardId, epoch: number): 'all' | 'before' | 'nothing' {
    const heard = this.#heard.get(shard)
    if (heard === undefined) return 'nothing'
    return heard >= epoch ? 'all' : 'before'
  }

  accept(stamp: PartialStamp, values: RuleValues, isWhole: boolean): void {
    const evaluator = this.#evaluator
    if (evaluator === undefined || values.revision !== this.#rule.revision) return
    if (isWhole) this.#heard.set(stamp.shard, stamp.epoch)
    else if (this.hears(stamp.shard, stamp.epoch) !== 'all') return
    evaluator.accept(stamp, values)
  }

  /** Goes on with the rule in another revision, or switched off. */
  change(rule: AlertRule): void {
    this.#rule = rule
    this.#heard.clear()
    if (this.#isBusy) this.#isOutdated = true
    else this.#beginAnew()
  }

  /** Reads what a keeper before has decided, and tells what it has not told. Does not reject. */
  async load(): Promise<void> {
    await this.#exclusively(async () => {
      const loaded = await this.#persistently(() => this.#entry.load())
      if (loaded === undefined) {
        this.#isOver = true
        return
      }
      this.#begin(loaded.state)
      await this.#tell(loaded.outbox)
      // From now on windows are this rule's, whoever keeps it.
      await this.#save([])
    })
  }

  /** Decides what can be decided; false when there was not time enough for all of it. */
  advance(nowMs: number, isTimeUp: () => boolean): boolean {
    const evaluator = this.#evaluator
    if (this.#isBusy || this.#isOver || evaluator === undefined || !this.#rule.enabled) return true
    const transitions = evaluator.advance(nowMs, isTimeUp)
    if (evaluator.stateVersion !== this.#savedVersion || transitions.length > 0) void this.#commit(transitions)
    return !evaluator.isBehind
  }

  /** Resolves all that fires, since the rule was deleted or switched off, and forgets it. Does not reject. */
  async end(isDeleted: boolean): Promise<void> {
    await this.#exclusively(async () => {
      if (this.#evaluator === undefined) {
        const loaded = await this.#persistently(() => this.#entry.load())
        if (loaded === undefined) return
        this.#begin(loaded.state)
        await this.#tell(loaded.outbox)
      }
      let outbox = this.#outboxOf(this.#evaluator!.end())
      // Where somebody else has written meanwhile, what fires by that is ended.
      while (outbox.length > 0 && !(await this.#save(outbox))) {
        if (this.#isOver) return
        outbox = this.#outboxOf(this.#evaluator!.end())
      }
      await this.#tell(outbox)
      if (isDeleted) await this.#entry.remove()
      else if (outbox.length > 0) await this.#save([])
    })
    this.#isOver = true
  }

  groups(): { readonly groups: readonly AlertGroupStatus[]; readonly count: number } {
    const state = this.#evaluator?.snapshot()
    if (state === undefined) return { groups: [], count: 0 }
    const groups = state.groups.map(({ group: key, sinceMs, firing, quietUntilMs }): AlertGroupStatus => {
      const isQuiet = quietUntilMs > state.decidedMs
      return {
        group: this.#groupOf.get(key) ?? groupLabels(state.groupBy, key),
        state: firing !== null ? 'firing' : sinceMs !== null ? 'pending' : isQuiet ? 'cooldown' : 'ok',
        sinceMs: firing?.atMs ?? sinceMs,
        value: this.#lastValues.get(key) ?? null,
        eventId: firing?.id ?? null,
      }
    })
    groups.sort((a, b) => STATE_ORDER[a.state] - STATE_ORDER[b.state])
    return { groups: groups.slice(0, ALERT_STATUS_GROUPS_MAX), count: groups.length }
  }

  /** One that was not read yet begins when it has been. */
  #beginAnew(): void {
    if (this.#evaluator !== undefined) this.#begin(this.#evaluator.snapshot())
  }

  #begin(state: RuleState | undefined): void {
    const { watermarks, clock, onValue } = this.#parts
    const rule = this.#rule
    this.#heard.clear()
    this.#evaluator = new RuleEvaluator({
      rule,
      watermarks,
      nowMs: clock.nowMs(),
      ...(state === undefined ? {} : { state }),
      ...(onValue === undefined ? {} : { onValue: (value) => onValue(rule, value) }),
    })
    this.#savedVersion = -1
  }

  async #commit(transitions: readonly Transition[]): Promise<void> {
    await this.#exclusively(async () => {
      const outbox = this.#outboxOf(transitions)
      if (!(await this.#save(outbox))) return
      if (outbox.length === 0) return
      await this.#tell(outbox)
      await this.#save([])
    })
  }

  /** False when somebody else has written: then what was decided here does not count. */
  async #save(outbox: readonly OutboxEntry[]): Promise<boolean> {
    const evaluator = this.#evaluator
    if (evaluator === undefined) return false
    const version = evaluator.stateVersion
    const state = evaluator.snapshot()
    if ((await this.#persistently(() => this.#entry.save(state, outbox))) === 'saved') {
      this.#savedVersion = version
      return true
    }
    const loaded = await this.#persistently(() => this.#entry.load())
    if (loaded === undefined) this.#isOver = true
    else {
      // A keeper of an earlier epoch was not done yet: its decisions stand.
      this.#begin(loaded.state)
      await this.#tell(loaded.outbox)
    }
    return false
  }

  async #tell(outbox: readonly OutboxEntry[]): Promise<void> {
    const { onTold } = this.#parts
    for (const entry of outbox) {
      await this.#persistently(() => tell(this.tenant, entry, this.#parts))
      onTold?.(entry, this.tenant)
    }
  }

  #outboxOf(transitions: readonly Transition[]): OutboxEntry[] {
    const outbox: OutboxEntry[] = []
    for (const transition of transitions) {
      const { kind, groupKey, group, value, firingId } = transition
      if (kind === 'ended' || (kind === 'resolved' && value === null)) this.#lastValues.delete(groupKey)
      else this.#lastValues.set(groupKey, value)
      this.#groupOf.set(groupKey, group)
      if (firingId === null || kind === 'pending' || kind === 'ended') continue
      outbox.push({ kind, event: this.#eventOf(kind, firingId, transition) })
    }
    if (this.#lastValues.size > ALERT_STATUS_GROUPS_MAX) this.#lastValues.clear()
    if (this.#groupOf.size > ALERT_STATUS_GROUPS_MAX) this.#groupOf.clear()
    return outbox
  }

  #eventOf(kind: 'fired' | 'resolved', id: string, transition: Transition): AlertEvent {
    const { clock, linkBase, silencesOf } = this.#parts
    const { group, value, fromMs, toMs, samples, missingShards } = transition
    const { revision, name, severity, labels, query, runbook, condition, channels } = this.#rule
    const nowMs = clock.nowMs()
    const base = linkBase()
    const parameters = new URLSearchParams({
      query: searchText(this.#rule, group),
      from: String(fromMs),
      to: String(toMs),
    })
    const event: AlertEvent = {
      id,
      rule: { id: this.id, revision, name, severity, labels, query, ...(runbook === null ? {} : { runbook }) },
      group,
      value,
      condition: conditionText(condition),
      window: { fromMs, toMs },
      samples: samples.map(({ timestamp, level, service, host, message }) => ({
        timestamp,
        level: level ?? '',
        service: service ?? '',
        host: host ?? '',
        message: message ?? '',
      })),
      links: {
        search: `${base}/v1/logs/search?${parameters}`,
        rule: `${base}/v1/alerts/rules/${encodeURIComponent(this.id)}`,
        ...(runbook === null ? {} : { runbook }),
      },
      channels,
      state: kind === 'fired' ? 'firing' : 'resolved',
      firedMs: nowMs,
      resolvedMs: kind === 'fired' ? null : nowMs,
      silencedBy: [],
      ack: null,
      missingShards: [...missingShards],
    }
    return kind === 'fired' ? { ...event, silencedBy: silencesOf(this.tenant, event) } : event
  }

  /** One thing at a time is done of a rule. */
  async #exclusively(work: () => Promise<void>): Promise<void> {
    const { clock, logger } = this.#parts
    while (this.#isBusy && !this.#isOver) await clock.sleep(BUSY_LOOK_MS)
    if (this.#isOver) return
    this.#isBusy = true
    try {
      await work()
    } catch (error) {
      if (!(error instanceof Over))
        logger.error('an alert rule cannot be kept', { tenant: this.tenant, rule: this.id, error })
    } finally {
      this.#isBusy = false
      if (this.#isOutdated && !this.#isOver) {
        this.#isOutdated = false
        this.#beginAnew()
      }
    }
  }

  /** Until it is done: what was decided must be told, however long the registry is away. */
  async #persistently<T>(work: () => Promise<T>): Promise<T> {
    const { clock, logger } = this.#parts
    const backoff = new Backoff(clock, RETRY)
    for (;;) {
      if (this.#isOver) throw new Over()
      try {
        return await work()
      } catch (error) {
        logger.warn('what an alert rule decided cannot be written yet', { tenant: this.tenant, rule: this.id, error })
        await clock.sleep(backoff.nextMs())
      }
    }
  }
}

/** The rule is somebody else's by now. */
class Over extends Error {}

const RETRY = { firstMs: 100, maxMs: 5000, factor: 2 }
const BUSY_LOOK_MS = 20
const STATE_ORDER = { firing: 0, pending: 1, cooldown: 2, ok: 3 } as const

/** The query that finds what was counted. */
function searchText({ query, services, levels }: AlertRule, group: Readonly<Record<string, string>>): string {
  const parts = query === '' ? [] : [`(${query})`]
  if (services.length > 0) parts.push(`service:(${services.map(quoted).join(' OR ')})`)
  if (levels.length > 0) parts.push(`level:(${levels.map(quoted).join(' OR ')})`)
  for (const [field, value] of Object.entries(group)) parts.push(`${field}:${quoted(value)}`)
  return parts.join(' ')
}

function quoted(text: string): string {
  return JSON.stringify(text)
}
