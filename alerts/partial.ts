import type { Position, ShardId, TenantId } from '../base/ids.ts'
import type { TallyState } from './tally.ts'

/** What a shard has counted for a rule: full values of buckets, never differences (A2). Plain data for msgpack and structured clone. */
export interface RuleValues {
  readonly tenant: TenantId
  readonly ruleId: string
  readonly revision: number
  /** Everything that is stored with a time from then on has been counted. */
  readonly fromMs: number
  readonly buckets: readonly BucketValue[]
  /** Matching records of groups, where they are others than before. */
  readonly samples: readonly GroupSamples[]
}

export interface BucketValue {
  /** `groupKey` of the values of the rule's groupBy. */
  readonly group: string
  readonly bucket: number
  readonly tally: TallyState
  /** Of the records that a ratio is to; null where there is none. */
  readonly base: TallyState
}

export interface GroupSamples {
  readonly group: string
  readonly samples: readonly AlertSample[]
}

/** A matching record, as a notification shows it. Texts are cut. */
export interface AlertSample {
  /** RFC 3339. */
  readonly timestamp: string
  readonly level: string | null
  readonly service: string | null
  readonly host: string | null
  readonly message: string | null
}

/** Who says it, and how far it had read: a value with a higher (epoch, through) takes the place of the other (A2). */
export interface PartialStamp {
  readonly shard: ShardId
  readonly epoch: number
  readonly through: Position
}

/** Stands for the groups beyond the limit, counted together. */
export const GROUP_OVERFLOW = '*'
/** The one group of a rule without groupBy. */
export const GROUP_ALL = '[]'

/** One text for the values of the groupBy fields, in their order; null: the record has none. */
export function groupKey(values: readonly (string | null)[]): string {
  return JSON.stringify(values)
}

/** The values of a group by field; fields that are absent, and the overflow group, have none. */
export function groupLabels(groupBy: readonly string[], key: string): Record<string, string> {
  if (key === GROUP_OVERFLOW) return {}
  const values = JSON.parse(key) as (string | null)[]
  const labels: Record<string, string> = {}
  groupBy.forEach((field, i) => {
    const value = values[i]
    if (typeof value === 'string') labels[field] = value
  })
  return labels
}
