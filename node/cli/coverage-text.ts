import type { Coverage } from '../../api/contract/common.ts'
import { printable } from './printable.ts'

const REASONS_MAX = 3

/** What an incomplete answer lacks, in a line; undefined when it is whole. */
export function missingText({ complete, shards, answered, missing }: Coverage): string | undefined {
  if (complete) return undefined
  const byReason = new Map<string, number[]>()
  for (const { shard, reason } of missing) byReason.set(reason, [...(byReason.get(reason) ?? []), shard])
  const reasons = [...byReason].slice(0, REASONS_MAX).map(([reason, of]) => {
    const named = of.length > 8 ? `${of.length} shards` : `${of.length === 1 ? 'shard' : 'shards'} ${of.join(', ')}`
    return `${named}: ${printable(reason)}`
  })
  const more = byReason.size > REASONS_MAX ? [`${byReason.size - REASONS_MAX} reasons more`] : []
  return `the answer is incomplete, ${answered} of ${shards} shards answered (${[...reasons, ...more].join('; ')})`
}
