import { PATH_BYTES_MAX, QUERY_TEXT_BYTES_MAX } from '../base/limits.ts'
import type { Filter, Metric } from '../query/ast.ts'
import { resolvedField } from '../query/fields.ts'
import { DefinitionReader, durationText } from './definition-reader.ts'

export type Operator = '>' | '>=' | '<' | '<=' | '=='

export interface Threshold {
  readonly operator: Operator
  readonly value: number
}

/** What is made of the records of a window. */
export type Aggregate =
  | { readonly kind: 'count' }
  /** Records a second. */
  | { readonly kind: 'rate' }
  | { readonly kind: 'distinct' | 'sum' | 'avg' | 'min' | 'max'; readonly field: string }
  /** `quantile` of p95 is 0.95. */
  | { readonly kind: 'quantile'; readonly field: string; readonly quantile: number }

export type WindowType = 'sliding' | 'tumbling'

/** A condition holds when all of `threshold`, `change` and `absence` that are there do. */
export interface AlertCondition {
  readonly aggregate: Aggregate
  /** On the value; null where only the change counts, or the value is only recorded. With `ratio` on the quotient. */
  readonly threshold: Threshold | null
  /** On the difference to the window before; `relative`: in percent of that one's value. */
  readonly change: (Threshold & { readonly relative: boolean }) | null
  /** Holds when no record matches. */
  readonly absence: boolean
  /** The value is divided by that of the records that match this. */
  readonly ratio: { readonly query: string; readonly filter: Filter } | null
  readonly windowMs: number
  readonly type: WindowType
  /** Fields, as columns have them. */
  readonly groupBy: readonly string[]
  /** Records that come so late still count. */
  readonly allowedLatenessMs: number
}

const WINDOW_MIN_MS = 10_000
const WINDOW_MAX_MS = 24 * 3600_000
const LATENESS_DEFAULT_MS = 5000
const LATENESS_MAX_MS = 3600_000
const GROUP_FIELDS_MAX = 5

const PLAIN = ['count', 'rate'] as const
const OF_FIELD = ['distinct', 'sum', 'avg', 'min', 'max'] as const
const QUANTILE = /^p(\d{1,2}(?:\.\d{1,3})?)$/
const THRESHOLD = /^\s*(>=|<=|==|=|>|<)\s*([+-]?\d{1,18}(?:\.\d{1,18})?(?:[eE][+-]?\d{1,3})?)\s*(%|\/s|\/m|\/h)?\s*$/
const THRESHOLD_HINT = 'An operator (>, >=, <, <=, ==) and a number, such as ">100".'
const SECONDS: Readonly<Record<string, number>> = { '/s': 1, '/m': 60, '/h': 3600 }

/**
 * Reads a condition; `filterOf` makes the filter of a query that stands at a path. `isRecorded`: no threshold is needed.
 * Throws invalid_parameter.
 */
export function readCondition(
  definition: unknown,
  isRecorded: boolean,
  filterOf: (path: string, query: string) => Filter,
): AlertCondition {
  const reader = new DefinitionReader('condition', definition)
  const absence = reader.boolean('absence', false)
  const ratio = readRatio(reader, filterOf)
  const change = readChange(reader)
  const named = readAggregate(reader, definition as object)
  if (absence && (named !== undefined || change !== null || ratio !== null))
    throw reader.error('absence', 'stands alone', 'Leave the other members of the condition out.')
  if (!absence && named === undefined)
    throw reader.error(
      'count',
      'is required',
      'One of count, rate, distinct, sum, avg, min, max, p50 … p99, or absence.',
    )
  const threshold = named === undefined ? null : readThreshold(reader, named, ratio !== null)
  if (!absence && threshold === null && change === null && !isRecorded)
    throw reader.error(named?.name ?? 'count', 'must be a threshold', THRESHOLD_HINT)
  const condition: AlertCondition = {
    aggregate: named?.aggregate ?? { kind: 'count' },
    threshold,
    change,
    absence,
    ratio,
    windowMs: reader.duration('window', WINDOW_MIN_MS, WINDOW_MAX_MS, undefined),
    type: reader.oneOf('type', ['sliding', 'tumbling'], 'sliding'),
    groupBy: readGroupBy(reader),
    allowedLatenessMs: reader.duration('allowedLateness', 0, LATENESS_MAX_MS, LATENESS_DEFAULT_MS),
  }
  reader.finish('a condition')
  return condition
}

interface Named {
  readonly name: string
  readonly aggregate: Aggregate
}

function readAggregate(reader: DefinitionReader, definition: object): Named | undefined {
  const quantiles = Object.keys(definition).filter((name) => QUANTILE.test(name))
  const names = [...PLAIN, ...OF_FIELD, ...quantiles].filter((name) => reader.has(name))
  const [name, second] = names
  if (second !== undefined) throw reader.error(second, `stands beside ${name}`, 'A condition has one of them.')
  const field = reader.text('field', PATH_BYTES_MAX)
  if (name === undefined) {
    if (field !== undefined) throw reader.error('field', 'needs what is made of it', 'Such as {"p95":">500"}.')
    return undefined
  }
  const plain = PLAIN.find((kind) => kind === name)
  if (plain !== undefined) {
    if (field !== undefined) throw reader.error('field', `is not part of ${name}`)
    return { name, aggregate: { kind: plain } }
  }
  if (field === undefined || field === '') throw reader.error('field', 'is required', `The field that ${name} is of.`)
  const resolved = readField(reader, 'field', field)
  const kind = OF_FIELD.find((known) => known === name)
  if (kind !== undefined) return { name, aggregate: { kind, field: resolved } }
  const quantile = Number(QUANTILE.exec(name)![1]) / 100
  return { name, aggregate: { kind: 'quantile', field: resolved, quantile } }
}

/** A field by any of its names, as columns have it. */
function readField(reader: DefinitionReader, name: string, text: string): string {
  const field = resolvedField(text)
  if (field === 'timestamp') throw reader.error(name, 'may not be the timestamp')
  if (text.startsWith('\\@') || Buffer.byteLength(text) > PATH_BYTES_MAX)
    throw reader.error(name, 'is not a name of a field')
  return field
}

/** `true` stands for no threshold. */
function readThreshold(reader: DefinitionReader, { name, aggregate }: Named, isRatio: boolean): Threshold | null {
  const value = reader.value(name)
  if (value === true) return null
  const match = typeof value === 'string' ? THRESHOLD.exec(value) : null
  if (match === null) throw reader.error(name, 'is not a threshold', THRESHOLD_HINT)
  const [, operator, number, unit] = match
  let limit = Number(number)
  if (unit === '%') {
    if (!isRatio) throw reader.error(name, 'is in percent of nothing', 'Give `ratio` what it is divided by.')
    limit /= 100
  } else if (unit !== undefined) {
    if (aggregate.kind !== 'rate') throw reader.error(name, 'has a unit', 'Only `rate` is by time.')
    limit /= SECONDS[unit]!
  }
  return { operator: operatorOf(operator!), value: limit }
}

function readChange(reader: DefinitionReader): AlertCondition['change'] {
  if (!reader.has('change')) return null
  const value = reader.value('change')
  const match = typeof value === 'string' ? THRESHOLD.exec(value) : null
  if (match === null || match[3]?.startsWith('/') === true)
    throw reader.error('change', 'is not a change', 'Such as ">50%", "<-20%" or ">100".')
  return { operator: operatorOf(match[1]!), value: Number(match[2]), relative: match[3] === '%' }
}

function operatorOf(text: string): Operator {
  return text === '=' ? '==' : (text as Operator)
}

function readRatio(
  reader: DefinitionReader,
  filterOf: (path: string, query: string) => Filter,
): AlertCondition['ratio'] {
  if (!reader.has('ratio')) return null
  const inner = new DefinitionReader('condition/ratio', reader.value('ratio'))
  const query = inner.text('query', QUERY_TEXT_BYTES_MAX)
  if (query === undefined) throw inner.error('query', 'is required', '"*" stands for all records.')
  inner.finish('a ratio')
  return { query, filter: filterOf('condition/ratio/query', query) }
}

function readGroupBy(reader: DefinitionReader): string[] {
  const names = reader.texts('groupBy', GROUP_FIELDS_MAX, PATH_BYTES_MAX)
  return [...new Set(names.map((name) => readField(reader, 'groupBy', name)))]
}

/** What an aggregation of the query language calls it. */
export function metricOf(aggregate: Aggregate): Metric {
  switch (aggregate.kind) {
    case 'count':
    case 'rate':
      return { name: 'count', field: null, quantile: null, as: 'value' }
    case 'distinct':
      return { name: 'uniq', field: aggregate.field, quantile: null, as: 'value' }
    case 'quantile':
      return { name: 'quantile', field: aggregate.field, quantile: aggregate.quantile, as: 'value' }
    default:
      return { name: aggregate.kind, field: aggregate.field, quantile: null, as: 'value' }
  }
}

/** The condition in words: `count > 100 in 5m by service`. */
export function conditionText(condition: AlertCondition): string {
  const { aggregate, threshold, change, absence, ratio, windowMs, type, groupBy } = condition
  const span = `${durationText(windowMs)}${type === 'tumbling' ? ' (tumbling)' : ''}`
  const by = groupBy.length === 0 ? '' : ` by ${groupBy.join(', ')}`
  if (absence) return `no records in ${span}${by}`
  let value = aggregateText(aggregate)
  if (ratio !== null) value += ` / ${value} of (${ratio.query})`
  const parts: string[] = []
  if (threshold !== null) parts.push(`${value} ${threshold.operator} ${threshold.value}`)
  if (change !== null) parts.push(`change of ${value} ${change.operator} ${change.value}${change.relative ? '%' : ''}`)
  return `${parts.length === 0 ? value : parts.join(' and ')} in ${span}${by}`
}

function aggregateText(aggregate: Aggregate): string {
  switch (aggregate.kind) {
    case 'count':
    case 'rate':
      return aggregate.kind
    case 'quantile':
      return `p${Number((aggregate.quantile * 100).toFixed(3))}(${aggregate.field})`
    default:
      return `${aggregate.kind}(${aggregate.field})`
  }
}

export function holds({ operator, value }: Threshold, actual: number): boolean {
  switch (operator) {
    case '>':
      return actual > value
    case '>=':
      return actual >= value
    case '<':
      return actual < value
    case '<=':
      return actual <= value
    case '==':
      return actual === value
  }
}
