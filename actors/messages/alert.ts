import type { BacktestFiring } from '../../alerts/backtest.ts'
import type { RuleValues } from '../../alerts/partial.ts'
import type { AlertRule } from '../../alerts/rule.ts'
import type { Position, ShardId, TenantId } from '../../base/ids.ts'
import type { Question } from '../runtime/actor.ts'
import type { Coverage } from './search.ts'

/** Values of the fields that a rule groups by, by field; empty where it has none. */
export type AlertGroup = Readonly<Record<string, string>>

/** What of a rule its events keep, whatever becomes of it. */
export interface AlertEventRule {
  readonly id: string
  readonly revision: number
  readonly name: string
  readonly severity: string
  readonly labels: Readonly<Record<string, string>>
  readonly query: string
  readonly runbook?: string
}

/** A line that matched, cut to a length at which it can be shown. */
export interface AlertSample {
  readonly timestamp: string
  readonly level: string
  readonly service: string
  readonly host: string
  readonly message: string
}

/** One episode of one group of a rule: from the moment it fires until it resolves. */
export interface AlertEvent {
  /** The id of the firing: the same whoever decides it (A4). */
  readonly id: string
  readonly rule: AlertEventRule
  readonly group: AlertGroup
  /** What the condition was held against; null where there was nothing to hold it against (absence). */
  readonly value: number | null
  readonly condition: string
  readonly window: { readonly fromMs: number; readonly toMs: number }
  readonly samples: readonly AlertSample[]
  readonly links: { readonly search: string; readonly rule: string; readonly runbook?: string }
  readonly channels: readonly string[]
  readonly state: 'firing' | 'resolved'
  readonly firedMs: number
  readonly resolvedMs: number | null
  /** Ids of the silences because of which nobody was notified of it. */
  readonly silencedBy: readonly string[]
  /** Who has taken note of it. */
  readonly ack: { readonly by: string; readonly atMs: number; readonly comment?: string } | null
  /** Shards without which it was decided. */
  readonly missingShards: readonly number[]
}

export interface AlertEventQuery {
  readonly rule?: string
  readonly state?: 'firing' | 'resolved'
  /** Of the moment it fired: from inclusive, to exclusive. */
  readonly fromMs?: number
  readonly toMs?: number
  readonly limit: number
  readonly cursor?: string
}

export interface AlertEvents {
  /** Newest first. */
  readonly events: readonly AlertEvent[]
  readonly nextCursor: string | null
}

/** While one is in force, nobody is notified of what it matches; the event is kept. */
export interface AlertSilence {
  /** All of them must match. */
  readonly matchers: readonly AlertMatcher[]
  readonly startsMs: number
  readonly endsMs: number
  /** A maintenance window: it comes again each time so long after its start. */
  readonly everyMs?: number
  readonly comment?: string
  readonly by?: string
}

export interface AlertMatcher {
  /** `rule` (its id), `name`, `severity`, `labels.<name>`, or a field that the rule groups by. */
  readonly field: string
  /** `*` stands for any characters. */
  readonly value: string
  readonly not?: boolean
}

/** To the AlertKeeper of the node that keeps a rule: how it stands with it now. */
export interface DescribeRule extends Question<AlertRuleStatus> {
  readonly kind: 'describeRule'
  readonly tenant: TenantId
  readonly rule: string
}

export interface AlertRuleStatus {
  /** The revision that is evaluated; 0: the rule is not evaluated. */
  readonly revision: number
  readonly keeper: { readonly node: string; readonly epoch: number } | null
  /** All windows that end up to here have been decided; null before one was. */
  readonly evaluatedThroughMs: number | null
  /** Shards that are not heard from, and without which windows are decided when they have waited for long enough. */
  readonly missingShards: readonly number[]
  /** Those that are not at rest, and so many more of those that are. */
  readonly groups: readonly AlertGroupStatus[]
  readonly groupCount: number
}

export interface AlertGroupStatus {
  readonly group: AlertGroup
  readonly state: 'ok' | 'pending' | 'firing' | 'cooldown'
  readonly sinceMs: number | null
  readonly value: number | null
  /** Of one that fires. */
  readonly eventId: string | null
}

/** To the AlertKeeper of a node: what the shards of a worker have counted for the rules that it keeps. The answer says what it lacks. */
export interface ReportCounts extends Question<KeeperWants> {
  readonly kind: 'reportCounts'
  readonly shards: readonly ShardCounts[]
}

export interface ShardCounts {
  readonly shard: ShardId
  /** Of its owner, and what is in the counts: later ones take the place of earlier ones (A2). */
  readonly epoch: number
  readonly through: Position
  /** Everything that was in the journal before this time is counted; null: not everything that is counted has been said. */
  readonly watermarkMs: number | null
  /** All values of these rules. */
  readonly whole: readonly RuleValues[]
  /** Values that are others than before. */
  readonly changed: readonly RuleValues[]
}

export interface KeeperWants {
  readonly rules: readonly WantedRule[]
}

/** A rule of which a keeper has not all values of these shards. */
export interface WantedRule {
  readonly tenant: TenantId
  readonly rule: string
  readonly revision: number
  readonly shards: readonly ShardId[]
}

export type AlertKeeperMessage = ReportCounts | DescribeRule

/** Every kind of question that an AlertKeeper may be asked by other nodes. */
export const ALERT_KEEPER_KINDS = [
  'reportCounts',
  'describeRule',
] as const satisfies readonly AlertKeeperMessage['kind'][]

export interface BacktestRequest {
  readonly rule: AlertRule
  /** Windows that end in this range are decided. */
  readonly fromMs: number
  readonly toMs: number
  readonly timeoutMs: number
}

export interface BacktestAnswer {
  /** In order of the moments at which they would have been noticed. */
  readonly firings: readonly BacktestFiring[]
  /** True where there were more of them. */
  readonly firingsLeftOut: boolean
  readonly coverage: Coverage
  readonly tookMs: number
}
