import type { QueryBase, TimeRange } from '../actors/messages/search.ts'
import { WeirError } from '../base/errors.ts'
import type { TenantId } from '../base/ids.ts'
import { QUERY_TIMEOUT_DEFAULT_MS, QUERY_TIMEOUT_MAX_MS } from '../base/limits.ts'
import { parseDuration } from '../query/duration.ts'
import { parseTime } from '../query/time.ts'
import { parameterError } from './parameters.ts'

interface NarrowingParameters {
  readonly query?: string
  readonly service?: string
  readonly level?: string
  readonly host?: string
  readonly traceId?: string
  readonly timeout?: string
}

/** What every query says. Parameters that are empty narrow nothing. Throws invalid_parameter. */
export function queryBaseOf(tenant: TenantId, parameters: NarrowingParameters, range: TimeRange): QueryBase {
  const { query, service, level, host, traceId } = parameters
  return {
    tenant,
    query: query ?? '',
    range,
    ...(service ? { service } : {}),
    ...(level ? { level } : {}),
    ...(host ? { host } : {}),
    ...(traceId ? { traceId } : {}),
    timeoutMs: timeoutMsOf(parameters.timeout),
  }
}

/** Start or end of a range that the request leaves open. */
export interface RangeDefaults {
  readonly fromMs: number
  readonly toMs: number
}

export function rangeOf(
  parameters: { readonly from?: string | number; readonly to?: string | number },
  nowMs: number,
  defaults: RangeDefaults,
): TimeRange {
  const fromMs = parameters.from === undefined ? defaults.fromMs : timeMsOf('from', parameters.from, nowMs)
  const toMs = parameters.to === undefined ? defaults.toMs : timeMsOf('to', parameters.to, nowMs)
  if (fromMs > toMs) throw parameterError('from', 'is later than `to`')
  return { fromMs, toMs }
}

/** The last hour; its end is open by a millisecond, so that a record of this very moment is found. */
export function lastHour(nowMs: number): RangeDefaults {
  return { fromMs: nowMs - 3_600_000, toMs: nowMs + 1 }
}

/** Throws invalid_parameter unless 0 < timeout ≤ QUERY_TIMEOUT_MAX_MS. */
export function timeoutMsOf(text: string | undefined): number {
  if (text === undefined) return QUERY_TIMEOUT_DEFAULT_MS
  const timeoutMs = durationMsOf('timeout', text)
  if (timeoutMs <= 0 || timeoutMs > QUERY_TIMEOUT_MAX_MS) {
    throw parameterError('timeout', `must be more than 0 and at most ${durationText(QUERY_TIMEOUT_MAX_MS)}`)
  }
  return timeoutMs
}

export function durationMsOf(parameter: string, text: string): number {
  return named(parameter, () => parseDuration(text))
}

/** Names of a comma list or an array; undefined when there are none. */
export function namesOf(names: string | readonly string[] | undefined): readonly string[] | undefined {
  if (names === undefined) return undefined
  const list = (typeof names === 'string' ? names.split(',') : names)
    .map((name) => name.trim())
    .filter((name) => name !== '')
  return list.length === 0 ? undefined : list
}

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
] as const

/** The shortest text of a duration: 60,000 → `1m`, 90,000 → `90s`, 250 → `250ms`. */
export function durationText(ms: number): string {
  for (const [unit, unitMs] of UNITS) if (ms >= unitMs && ms % unitMs === 0) return `${ms / unitMs}${unit}`
  return `${ms}ms`
}

export function timeMsOf(parameter: string, text: string | number, nowMs: number): number {
  return named(parameter, () => {
    const time = parseTime(String(text), nowMs)
    return time.ms + time.ns / 1e6
  })
}

/** Runs `parse`; an error of it names the parameter. */
function named<T>(parameter: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (!(error instanceof WeirError)) throw error
    throw new WeirError(
      'invalid_parameter',
      `\`${parameter}\`: ${error.message}`,
      { ...error.details, parameter },
      { cause: error },
    )
  }
}
