import { FIELD_SERVICE } from '../base/columns.ts'
import { shardOf } from '../base/hash.ts'
import type { ShardId, TenantId } from '../base/ids.ts'
import type { Filter } from '../query/ast.ts'
import { FIELD_TIMESTAMP, normalisedLevel } from '../query/fields.ts'
import { timeBoundsOf } from '../query/prune.ts'
import type { QueryScope } from './messages/leaf.ts'
import type { QueryBase } from './messages/search.ts'

/** ANDs the narrowing parameters of a request to its filter. */
export function narrowed(filter: Filter, request: Pick<QueryBase, 'service' | 'level' | 'host' | 'traceId'>): Filter {
  const parts: Filter[] = [filter]
  for (const field of ['service', 'level', 'host', 'traceId'] as const) {
    const text = request[field]
    if (text !== undefined) parts.push(fieldIs(field, field === 'level' ? normalisedLevel(text) : text))
  }
  const real = parts.filter((part) => part.kind !== 'all').flatMap((part) => (part.kind === 'and' ? part.of : [part]))
  if (real.length === 0) return { kind: 'all' }
  return real.length === 1 ? real[0]! : { kind: 'and', of: real }
}

export function fieldIs(field: string, text: string): Filter {
  return text === '' ? { kind: 'all' } : { kind: 'field', field, match: { kind: 'equal', text, number: null } }
}

/**
 * The scope with its range cut down to the times that its filter lets pass; half-open, as ranges are. Its bounds are whole milliseconds, as those
 * of blocks are: what a fraction leaves out, a condition does.
 */
export function withinBounds(scope: QueryScope): QueryScope {
  const filter = withFractions(scope.filter, scope.range)
  const bounds = timeBoundsOf(filter)
  const fromMs = Math.max(Math.floor(scope.range.fromMs), bounds.fromMs)
  const toMs = Math.max(fromMs, Math.min(Math.ceil(scope.range.toMs), bounds.toMs + 1))
  return { ...scope, filter, range: { fromMs, toMs } }
}

/** ANDs a range that does not begin and end at whole milliseconds to the filter. */
function withFractions(filter: Filter, { fromMs, toMs }: QueryScope['range']): Filter {
  if (Number.isInteger(fromMs) && Number.isInteger(toMs)) return filter
  const from = { fromMs: Math.floor(fromMs), fromNs: nanosecondsOf(fromMs), fromInclusive: true }
  const to = { toMs: Math.floor(toMs), toNs: nanosecondsOf(toMs), toInclusive: false }
  const within: Filter = { kind: 'field', field: FIELD_TIMESTAMP, match: { kind: 'timeRange', ...from, ...to } }
  if (filter.kind === 'all') return within
  return { kind: 'and', of: [...(filter.kind === 'and' ? filter.of : [filter]), within] }
}

function nanosecondsOf(ms: number): number {
  return Math.floor((ms - Math.floor(ms)) * 1e6)
}

/** Over how many slots rows of a service may be spread; undefined: over any. */
export type SlotsOf = (tenant: TenantId, service: string) => number | undefined

/** The shards that may hold matches: those of the slots of the services that the filter demands, else all. Ascending. */
export function shardsOf(tenant: TenantId, filter: Filter, shardCount: number, slotsOf: SlotsOf): ShardId[] {
  const shards = new Set<ShardId>()
  for (const service of servicesOf(filter) ?? [undefined]) {
    const slots = service === undefined ? undefined : slotsOf(tenant, service)
    if (service === undefined || slots === undefined) {
      return Array.from({ length: shardCount }, (_, shard) => shard as ShardId)
    }
    for (let slot = 0; slot < slots; slot++) shards.add(shardOf(tenant, service, slot, shardCount) as ShardId)
  }
  return [...shards].sort((a, b) => a - b)
}

function servicesOf(filter: Filter): Set<string> | undefined {
  switch (filter.kind) {
    case 'field':
      return filter.field === FIELD_SERVICE && filter.match.kind === 'equal' && isExactText(filter.match)
        ? new Set([filter.match.text])
        : undefined
    case 'and': {
      const known = filter.of.map(servicesOf).filter((services) => services !== undefined)
      return known.sort((a, b) => a.size - b.size)[0]
    }
    case 'or': {
      const all = filter.of.map(servicesOf)
      return all.every((services) => services !== undefined)
        ? new Set(all.flatMap((services) => [...services]))
        : undefined
    }
    default:
      return undefined
  }
}

/** False for texts that are equal to values of other spellings: 5 and 5.0, true and TRUE; and to null. */
function isExactText({ text, number }: { readonly text: string; readonly number: number | null }): boolean {
  return number === null && !/^(?:true|false|null)$/i.test(text)
}
