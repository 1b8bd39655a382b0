import { WeirError } from '../base/errors.ts'
import { shown } from './duration.ts'

/** A moment: integer milliseconds since the epoch, and nanoseconds (0 to 999,999) within that millisecond. */
export interface Moment {
  readonly ms: number
  readonly ns: number
}

const DAY_MS = 86_400_000
const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: DAY_MS,
  w: 7 * DAY_MS,
}

/** Epoch numbers are told apart by magnitude, as in ingest: below these they are seconds, milliseconds, microseconds. */
const SECONDS_BELOW = 1e11
const MILLISECONDS_BELOW = 1e14
const MICROSECONDS_BELOW = 1e17

/** Farthest moments that `Date` can say, and thus anything else. */
const MOMENT_MAX_MS = 8.64e15

const RELATIVE = /^now((?:[+-]\d{1,9}(?:ms|[smhdwMy])|\/[smhdwMy])*)$/
const STEP = /([+-])(\d+)(ms|[smhdwMy])|\/([smhdwMy])/g
const NUMBER = /^(-?)(\d{1,22})(?:\.(\d{1,30}))?$/
const DATE =
  /^(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,30}))?)?\s?([Zz]|[+-]\d\d(?::?\d\d)?)?)?$/

/**
 * Reads a time: RFC 3339 (fraction to nanoseconds, no offset means UTC, the time of day may be missing), an epoch number in s,
 * ms, µs or ns, told apart by magnitude, or relative to `nowMs`: `now`, `now-1h`, `now-1d/d` (rounded down to the day, UTC;
 * units ms s m h d w M y). Undefined when `text` is none of these.
 */
export function momentOf(text: string, nowMs: number): Moment | undefined {
  const moment = relative(text, nowMs) ?? epochNumber(text) ?? date(text)
  return moment !== undefined && Math.abs(moment.ms) <= MOMENT_MAX_MS ? moment : undefined
}

/** The same; throws invalid_parameter when `text` is no time. */
export function parseTime(text: string, nowMs: number): Moment {
  const moment = momentOf(text, nowMs)
  if (moment === undefined) {
    throw new WeirError(
      'invalid_parameter',
      `"${shown(text)}" is not a time; write 2026-01-31T12:00:00Z, an epoch number, now, now-15m or now-1d/d`,
    )
  }
  return moment
}

/** True for `2026-01-31`: a whole day, where a moment is not asked for. */
export function isWholeDay(text: string): boolean {
  return /^\d{4}-\d\d-\d\d$/.test(text)
}

function relative(text: string, nowMs: number): Moment | undefined {
  const match = text.length <= 200 ? RELATIVE.exec(text) : null
  if (match === null) return undefined
  let ms = Math.floor(nowMs)
  for (const [, sign, count, unit, rounding] of match[1]!.matchAll(STEP)) {
    ms = rounding === undefined ? moved(ms, unit!, Number(count) * (sign === '-' ? -1 : 1)) : roundedDown(ms, rounding)
    if (Number.isNaN(ms)) return undefined
  }
  return { ms, ns: 0 }
}

function moved(ms: number, unit: string, count: number): number {
  const unitMs = UNIT_MS[unit]
  if (unitMs !== undefined) return ms + count * unitMs
  const at = new Date(ms)
  const months = at.getUTCFullYear() * 12 + at.getUTCMonth() + count * (unit === 'y' ? 12 : 1)
  const year = Math.floor(months / 12)
  const month = months - year * 12
  // The 31st of a shorter month is its last day.
  const days = new Date(startOfMonth(year, month + 1) - 1).getUTCDate()
  const day = Math.min(at.getUTCDate(), days)
  return startOfMonth(year, month) + (day - 1) * DAY_MS + (((ms % DAY_MS) + DAY_MS) % DAY_MS)
}

function roundedDown(ms: number, unit: string): number {
  const at = new Date(ms)
  if (unit === 'y') return startOfMonth(at.getUTCFullYear(), 0)
  if (unit === 'M') return startOfMonth(at.getUTCFullYear(), at.getUTCMonth())
  const unitMs = UNIT_MS[unit]!
  // Weeks begin on Monday; the epoch was a Thursday.
  const offset = unit === 'w' ? 4 * DAY_MS : 0
  return Math.floor((ms - offset) / unitMs) * unitMs + offset
}

/** Unlike Date.UTC it takes years below 100 as they are. */
function startOfMonth(year: number, month: number): number {
  return new Date(0).setUTCFullYear(year, month, 1)
}

function epochNumber(text: string): Moment | undefined {
  const match = NUMBER.exec(text)
  if (match === null) return undefined
  const [, sign, whole = '', fraction = ''] = match
  const magnitude = Number(whole)
  const unitDigits =
    magnitude < SECONDS_BELOW ? 9 : magnitude < MILLISECONDS_BELOW ? 6 : magnitude < MICROSECONDS_BELOW ? 3 : 0
  const nanoseconds = (whole + fraction.slice(0, unitDigits).padEnd(unitDigits, '0')).padStart(7, '0')
  const ms = Number(nanoseconds.slice(0, -6))
  const ns = Number(nanoseconds.slice(-6))
  if (sign !== '-') return { ms, ns }
  return ns === 0 ? { ms: 0 - ms, ns } : { ms: -ms - 1, ns: 1_000_000 - ns }
}

function date(text: string): Moment | undefined {
  const match = DATE.exec(text)
  if (match === null) return undefined
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', offset = 'Z'] = match
  const dayMs = new Date(0).setUTCFullYear(Number(year), Number(month) - 1, Number(day))
  const made = new Date(dayMs)
  if (made.getUTCMonth() !== Number(month) - 1 || made.getUTCDate() !== Number(day)) return undefined
  // A leap second counts into the next minute.
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return undefined
  const offsetMs = offsetMsOf(offset)
  if (offsetMs === undefined) return undefined
  const nanoseconds = Number(fraction.slice(0, 9).padEnd(9, '0'))
  const ms = Math.floor(nanoseconds / 1e6)
  const timeMs = Number(hour) * 3_600_000 + Number(minute) * 60_000 + Number(second) * 1000 + ms
  return { ms: dayMs + timeMs - offsetMs, ns: nanoseconds - ms * 1e6 }
}

function offsetMsOf(offset: string): number | undefined {
  if (offset === 'Z' || offset === 'z') return 0
  const hours = Number(offset.slice(1, 3))
  const minutes = Number(offset.slice(3).replace(':', '') || '0')
  if (hours > 23 || minutes > 59) return undefined
  return (offset[0] === '-' ? -1 : 1) * (hours * 60 + minutes) * 60_000
}
