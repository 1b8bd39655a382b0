import { FIELD_LEVEL, FIELD_SERVICE } from '../base/columns.ts'
import { WeirError } from '../base/errors.ts'
import type { TenantId } from '../base/ids.ts'
import { QUERY_TEXT_BYTES_MAX } from '../base/limits.ts'
import type { Filter } from '../query/ast.ts'
import { normalisedLevel } from '../query/fields.ts'
import { compileFilter } from '../query/filter.ts'
import { parseQuery } from '../query/parser.ts'
import { type AlertCondition, readCondition } from './condition.ts'
import { DefinitionReader } from './definition-reader.ts'

export const SEVERITIES = ['P0', 'P1', 'P2'] as const
export type Severity = (typeof SEVERITIES)[number]

/** A rule as it was checked. Plain data: it survives structured clone and msgpack. */
export interface AlertRule {
  readonly tenant: TenantId
  readonly id: string
  /** Raised with every change of the definition; part of the ids of firings. */
  readonly revision: number
  readonly name: string
  /** As written. */
  readonly query: string
  /** The query narrowed by `service` and `level`. */
  readonly filter: Filter
  /** As given beside the query; empty: any. */
  readonly services: readonly string[]
  readonly levels: readonly string[]
  readonly condition: AlertCondition
  /** The condition must hold for so long before it fires. */
  readonly forMs: number
  /** After a firing there is no other of the same group for so long. */
  readonly cooldownMs: number
  readonly severity: Severity
  /** Names of channels. */
  readonly channels: readonly string[]
  readonly labels: Readonly<Record<string, string>>
  /** URL of the runbook. */
  readonly runbook: string | null
  /** Keeps the value as a metric. */
  readonly record: { readonly metric: string } | null
  readonly enabled: boolean
}

const NAME_CHARS_MAX = 200
const SERVICES_MAX = 100
const SERVICE_CHARS_MAX = 256
const CHANNELS_MAX = 20
const CHANNEL = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$/
const LABELS_MAX = 50
const LABEL = /^[a-zA-Z_][a-zA-Z0-9_.-]{0,99}$/
const LABEL_VALUE_CHARS_MAX = 1000
const RUNBOOK_CHARS_MAX = 2048
const METRIC = /^[a-zA-Z_:][a-zA-Z0-9_:]{0,199}$/
const FOR_MAX_MS = 24 * 3600_000
const COOLDOWN_MAX_MS = 7 * 24 * 3600_000

/**
 * Makes a rule of its definition (docs/alerts.md), whatever that is. Throws invalid_parameter with the path of what is wrong
 * (`condition/window`), also for queries that do not parse; nothing is ever ignored. `nowMs` is what times in a query would be
 * relative to, if they were allowed there.
 */
export function normaliseRule(
  tenant: TenantId,
  id: string,
  revision: number,
  definition: unknown,
  nowMs: number,
): AlertRule {
  const reader = new DefinitionReader('', definition)
  const name = reader.requiredText('name', NAME_CHARS_MAX)
  const query = reader.text('query', QUERY_TEXT_BYTES_MAX) ?? ''
  const own = readQuery('query', query, nowMs)
  const services = reader.texts('service', SERVICES_MAX, SERVICE_CHARS_MAX)
  const levels = [...new Set(reader.texts('level', 20, 40).map(normalisedLevel))]
  if (!reader.has('condition'))
    throw reader.error('condition', 'is required', 'Such as {"count":">100","window":"5m"}.')
  const record = readRecord(reader.value('record'))
  const inServices = anyOf(FIELD_SERVICE, services)
  const condition = readCondition(reader.value('condition'), record !== null, (path, text) =>
    allOf([...inServices, readQuery(path, text, nowMs)]),
  )
  const rule: AlertRule = {
    tenant,
    id,
    revision,
    name,
    query,
    filter: allOf([...inServices, ...anyOf(FIELD_LEVEL, levels), own]),
    services,
    levels,
    condition,
    forMs: reader.duration('for', 0, FOR_MAX_MS, 0),
    cooldownMs: reader.duration('cooldown', 0, COOLDOWN_MAX_MS, 0),
    severity: reader.oneOf('severity', SEVERITIES, record === null ? undefined : 'P2'),
    channels: readChannels(reader),
    labels: readLabels(reader),
    runbook: readRunbook(reader),
    record,
    enabled: reader.boolean('enabled', true),
  }
  reader.finish('a rule')
  return rule
}

/** The filters whose rows a rule counts: its own, and that of what it is set in relation to. */
export function filtersOf(rule: AlertRule): readonly Filter[] {
  const { ratio } = rule.condition
  return ratio === null ? [rule.filter] : [rule.filter, ratio.filter]
}

/** The filter of a query text. It has no pipes, and names no time: the window does that. */
function readQuery(path: string, text: string, nowMs: number): Filter {
  const reader = new DefinitionReader('', {})
  try {
    const { filter, pipes } = parseQuery(text, { nowMs })
    if (pipes.length > 0) throw reader.error(path, 'may not have pipes', 'The condition says what is counted.')
    if (namesTime(filter)) throw reader.error(path, 'may not name a time', 'The window of the condition does.')
    compileFilter(filter)
    return filter
  } catch (error) {
    if (!(error instanceof WeirError) || error.code !== 'invalid_query') throw error
    throw new WeirError('invalid_parameter', `\`${path}\`: ${error.message}`, { ...error.details, parameter: path })
  }
}

function namesTime(filter: Filter): boolean {
  switch (filter.kind) {
    case 'and':
    case 'or':
      return filter.of.some(namesTime)
    case 'not':
      return namesTime(filter.of)
    case 'text':
    case 'field':
      return filter.field === 'timestamp'
    default:
      return false
  }
}

function anyOf(field: string, texts: readonly string[]): Filter[] {
  if (texts.length === 0) return []
  const of = texts.map((text): Filter => ({ kind: 'field', field, match: { kind: 'equal', text, number: null } }))
  return of.length === 1 ? of : [{ kind: 'or', of }]
}

/** No AND directly in an AND, as the parser makes them. */
function allOf(filters: readonly Filter[]): Filter {
  const of = filters.flatMap((filter) => (filter.kind === 'and' ? filter.of : filter.kind === 'all' ? [] : [filter]))
  return of.length === 0 ? { kind: 'all' } : of.length === 1 ? of[0]! : { kind: 'and', of }
}

function readChannels(reader: DefinitionReader): string[] {
  const channels = reader.texts('channels', CHANNELS_MAX, 64)
  const wrong = channels.findIndex((channel) => !CHANNEL.test(channel))
  if (wrong >= 0) throw reader.error(`channels/${wrong}`, 'is not the name of a channel')
  return channels
}

function readLabels(reader: DefinitionReader): Record<string, string> {
  const value = reader.value('labels')
  if (value === undefined) return {}
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw reader.error('labels', 'must be an object', 'Such as {"team":"payments"}.')
  const entries = Object.entries(value)
  if (entries.length > LABELS_MAX) throw reader.error('labels', `has more than ${LABELS_MAX} members`)
  for (const [name, text] of entries) {
    if (!LABEL.test(name)) throw reader.error(`labels/${name}`, 'is not a name of a label')
    if (typeof text !== 'string' || text.length > LABEL_VALUE_CHARS_MAX)
      throw reader.error(`labels/${name}`, `must be a string of at most ${LABEL_VALUE_CHARS_MAX} characters`)
  }
  return Object.fromEntries(entries as [string, string][])
}

function readRunbook(reader: DefinitionReader): string | null {
  const text = reader.text('runbook', RUNBOOK_CHARS_MAX)
  if (text === undefined) return null
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    throw reader.error('runbook', 'must be a URL', 'It begins with https:// or http://.')
  return text
}

function readRecord(value: unknown): { metric: string } | null {
  if (value === undefined) return null
  const reader = new DefinitionReader('record', value)
  const metric = reader.requiredText('metric', 200)
  if (!METRIC.test(metric))
    throw reader.error('metric', 'is not a name of a metric', 'Letters, digits, `_` and `:`; no digit first.')
  reader.finish('what is recorded')
  return { metric }
}
