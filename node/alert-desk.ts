import { AlertEventLedger } from '../actors/alert-keeper-events.ts'
import { isInForce } from '../actors/alert-keeper-silences.ts'
import type {
  AlertEvent,
  AlertEventQuery,
  AlertEvents,
  AlertRuleStatus,
  AlertSilence,
  BacktestAnswer,
  BacktestRequest,
  DescribeRule,
} from '../actors/messages/alert.ts'
import type { TimeRange } from '../actors/messages/search.ts'
import type { ActorRef } from '../actors/runtime/actor-ref.ts'
import { normaliseRule } from '../alerts/rule.ts'
import type { AlertBackend } from '../api/backend.ts'
import type { Clock } from '../base/clock.ts'
import { WeirError } from '../base/errors.ts'
import type { TenantId } from '../base/ids.ts'
import {
  ALERT_RULE_BYTES_MAX,
  ALERT_RULES_PER_TENANT_MAX,
  ALERT_SILENCE_BYTES_MAX,
  ALERT_SILENCES_PER_TENANT_MAX,
} from '../base/limits.ts'
import type { Logger } from '../base/logger.ts'
import type { Registry } from '../cluster/registry.ts'
import { AlertDocuments } from './alert-documents.ts'

const RULE_PREFIX = 'alert-rule/'
const SILENCE_PREFIX = 'alert-silence/'
const STATUS_DEADLINE_MS = 5000

export type RuleDefinition = Readonly<Record<string, unknown>>
export type AlertRules = AlertDocuments<RuleDefinition>
export type AlertSilences = AlertDocuments<AlertSilence>

interface StoreOptions {
  readonly registry: Registry
  readonly clock: Clock
  readonly logger: Logger
}

export function openAlertRules(options: StoreOptions): Promise<AlertRules> {
  return AlertDocuments.open<RuleDefinition>({
    ...options,
    prefix: RULE_PREFIX,
    noun: 'rule',
    perTenantMax: ALERT_RULES_PER_TENANT_MAX,
    bytesMax: ALERT_RULE_BYTES_MAX,
    check: (tenant, id, revision, value) => normaliseRule(tenant, id, revision, value, options.clock.nowMs()),
  })
}

export function openAlertSilences(options: StoreOptions): Promise<AlertSilences> {
  return AlertDocuments.open<AlertSilence>({
    ...options,
    prefix: SILENCE_PREFIX,
    noun: 'silence',
    perTenantMax: ALERT_SILENCES_PER_TENANT_MAX,
    bytesMax: ALERT_SILENCE_BYTES_MAX,
    check: () => undefined,
  })
}

export interface AlertDeskOptions {
  readonly rules: AlertRules
  readonly silences: AlertSilences
  readonly registry: Registry
  readonly clock: Clock
  readonly backtest: (request: BacktestRequest, signal: AbortSignal) => Promise<BacktestAnswer>
  /** The AlertKeeper of the node that keeps a rule; undefined while nobody owns its home shard. */
  readonly keeperOf: (tenant: TenantId, rule: string) => ActorRef<DescribeRule> | undefined
}

/** What the API asks of alerts. */
export class AlertDesk implements AlertBackend {
  readonly rules: AlertRules
  readonly silences: AlertSilences
  readonly #events: AlertEventLedger
  readonly #options: AlertDeskOptions

  constructor(options: AlertDeskOptions) {
    this.rules = options.rules
    this.silences = options.silences
    this.#events = new AlertEventLedger(options.registry, () => options.clock.yieldTurn())
    this.#options = options
  }

  isInForce(silence: AlertSilence): boolean {
    return isInForce(silence, this.#options.clock.nowMs())
  }

  async backtest(
    tenant: TenantId,
    what: { readonly rule?: string; readonly definition?: RuleDefinition },
    { fromMs, toMs }: TimeRange,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<BacktestAnswer> {
    const { clock, backtest } = this.#options
    const stored = what.rule === undefined ? undefined : await this.rules.get(tenant, what.rule)
    const id = what.rule ?? 'backtest'
    const definition = what.definition ?? stored?.value
    const rule = normaliseRule(tenant, id, stored?.revision ?? 1, definition, clock.nowMs())
    return backtest({ rule, fromMs, toMs, timeoutMs }, signal)
  }

  async status(tenant: TenantId, rule: string, signal: AbortSignal): Promise<AlertRuleStatus> {
    await this.rules.get(tenant, rule)
    const keeper = this.#options.keeperOf(tenant, rule)
    if (keeper === undefined) throw new WeirError('shard_unavailable', 'no node keeps the rule at this moment')
    return keeper.ask({ kind: 'describeRule', tenant, rule }, { deadlineMs: STATUS_DEADLINE_MS, signal })
  }

  events(tenant: TenantId, query: AlertEventQuery): Promise<AlertEvents> {
    return this.#events.list(tenant, query)
  }

  event(tenant: TenantId, id: string): Promise<AlertEvent> {
    return this.#events.get(tenant, id)
  }

  acknowledge(tenant: TenantId, id: string, by: string, comment?: string): Promise<AlertEvent> {
    const ack = { by, atMs: this.#options.clock.nowMs(), ...(comment === undefined ? {} : { comment }) }
    return this.#events.change(tenant, id, (event) => (event.ack === null ? { ...event, ack } : event))
  }
}
