import type { TenantId } from '../../base/ids.ts'

export type NotificationKind = 'fired' | 'resolved' | 'test'

/** One of the lines that made a rule fire. What it says is data: each channel escapes it for its medium. */
export interface MatchingLine {
  /** RFC 3339, as the record has it. */
  readonly timestamp: string
  readonly level: string
  readonly service: string
  readonly host: string
  readonly message: string
}

/**
 * What people are told of one firing (A4). `firingId` is the same in every attempt and on every node, also when the firing resolves; letters, digits,
 * `_` and `-`, at most 64.
 */
export interface AlertNotification {
  readonly firingId: string
  readonly kind: NotificationKind
  readonly tenant: TenantId
  readonly rule: {
    readonly id: string
    readonly name: string
    /** P0 to P2, or another word of the rule's author. */
    readonly severity: string
    readonly labels: Readonly<Record<string, string>>
    readonly runbook?: string
    readonly query: string
  }
  /** The values of `groupBy`, in its order; empty for a rule without groups. */
  readonly group: Readonly<Record<string, string>>
  /** null where there is none, as of an average of nothing. */
  readonly value: number | null
  /** For people, such as `count > 100 in 5m`. */
  readonly condition: string
  /** Event time of the window that decided, ms since the epoch; the end is exclusive. */
  readonly window: { readonly fromMs: number; readonly toMs: number }
  readonly samples: readonly MatchingLine[]
  /** Absolute URLs. */
  readonly links: { readonly search: string; readonly rule: string; readonly runbook?: string }
  /** Ids of channels. */
  readonly channels: readonly string[]
  readonly firedMs: number
  readonly resolvedMs?: number
  /** Shards that did not answer in time: the window was decided without them. */
  readonly missingShards?: readonly number[]
}

/** Tells people. */
export interface Notifier {
  /**
   * Resolves once each channel of the notification has a delivery in the registry, from where any node goes on with it. Again with the same firing id
   * and kind it changes nothing, so whoever does not know whether it was done does it again. Throws storage_unavailable.
   */
  submit(notification: AlertNotification): Promise<void>
}
