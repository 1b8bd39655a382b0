import { daysFromCivil, daysOfMonth, TimestampParser } from '../../timestamp.ts'
import { type TimePart, timeParts } from './time-pattern.ts'
import { TimeZone } from './time-zone.ts'

const DAY_MS = 86_400_000
const YEAR_MS = 365.25 * DAY_MS
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']
const LONG_NAMES = [
  'january february march april may june july august september october november december sept',
  'monday tuesday wednesday thursday friday saturday sunday tues thur thurs',
].map((names) => new Set(names.split(' ')))
/** Texts that are longer are no times. */
const TIME_CHARS_MAX = 128
/** 9999-12-31T23:59:59.999Z and 0000-01-01T00:00:00Z, which RFC 3339 can write. */
const LAST_MS = 253_402_300_799_999
const FIRST_MS = -62_167_219_200_000

/** Digits by which a number of each unit is moved to become nanoseconds. */
const EPOCH_UNITS: Readonly<Record<string, number>> = { epochSeconds: 9, epochMillis: 6, epochMicros: 3, epochNanos: 0 }

/** Reads times of one form. After a `parse` that was true: `ms` since the epoch, and `ns` (0 to 999,999) within it. */
export interface TimeFormat {
  readonly ms: number
  readonly ns: number
  /** False when `text` has another form. `nowMs`: a time without a year is the one nearest to it. */
  parse(text: string, nowMs: number): boolean
}

/**
 * `rfc3339` (also with a space, without a zone, with a comma), `epoch` (unit by magnitude), `epochSeconds`, `epochMillis`, `epochMicros`, `epochNanos`, or a
 * pattern of strptime or of Java. `zone` is that of texts which name none; it throws RangeError, the pattern TimePatternError.
 */
export function timeFormat(format: string, zone: string): TimeFormat {
  if (format === 'rfc3339' || format === 'iso8601') return new Rfc3339Format(new TimeZone(zone))
  if (format === 'epoch') return new EpochFormat()
  if (Object.hasOwn(EPOCH_UNITS, format)) return new EpochUnitFormat(EPOCH_UNITS[format]!)
  return new PatternFormat(timeParts(format), new TimeZone(zone))
}

/** RFC 3339 in UTC with as many digits as the time has, 3 or 9; undefined for years that it cannot write. */
export function rfc3339(ms: number, ns: number): string | undefined {
  if (!(ms >= FIRST_MS && ms <= LAST_MS)) return undefined
  const text = new Date(ms).toISOString()
  return ns === 0 ? text : `${text.slice(0, -1)}${String(ns).padStart(6, '0')}Z`
}

const encoder = new TextEncoder()
const scratch = new Uint8Array(TIME_CHARS_MAX * 3)

class EpochFormat implements TimeFormat {
  ms = 0
  ns = 0
  readonly #parser = new TimestampParser()

  parse(text: string): boolean {
    if (text.length > TIME_CHARS_MAX) return false
    const { written } = encoder.encodeInto(text, scratch)
    if (!this.#parser.parseNumber(scratch, 0, written)) return false
    this.ms = this.#parser.ms
    this.ns = this.#parser.ns
    return true
  }
}

class EpochUnitFormat implements TimeFormat {
  ms = 0
  ns = 0
  readonly #digits: number

  constructor(digits: number) {
    this.#digits = digits
  }

  parse(text: string): boolean {
    const match = text.length > TIME_CHARS_MAX ? null : /^(-?)(\d{1,20})(?:\.(\d{1,40}))?$/.exec(text)
    if (match === null) return false
    const [, sign, whole = '', fraction = ''] = match
    const ns = BigInt(whole + fraction.slice(0, this.#digits).padEnd(this.#digits, '0')) * (sign === '-' ? -1n : 1n)
    const inMs = ((ns % 1_000_000n) + 1_000_000n) % 1_000_000n
    this.ms = Number((ns - inMs) / 1_000_000n)
    this.ns = Number(inMs)
    return true
  }
}

class Rfc3339Format implements TimeFormat {
  ms = 0
  ns = 0
  readonly #parser = new TimestampParser()
  readonly #zone: TimeZone

  constructor(zone: TimeZone) {
    this.#zone = zone
  }

  parse(text: string): boolean {
    // The parser below takes numbers too.
    if (text.length > TIME_CHARS_MAX || text[4] !== '-' || text[7] !== '-') return false
    const { written } = encoder.encodeInto(text, scratch)
    if (!this.#parser.parseText(scratch, 0, written)) return false
    const { ms } = this.#parser
    this.ns = this.#parser.ns
    this.ms = /(?:[zZ]|[+-]\d{2}(?::?\d{2})?)$/.test(text.slice(19)) ? ms : ms - this.#zone.offsetMs(ms)
    return true
  }
}

/** What a text has said so far; -1: nothing. */
interface Told {
  year: number
  month: number
  day: number
  dayOfYear: number
  hour: number
  halfDay: number
  minute: number
  second: number
  /** Nanoseconds. */
  fraction: number
  epochSeconds: number
  /** Milliseconds east of UTC; NaN: no zone. */
  offsetMs: number
}

class PatternFormat implements TimeFormat {
  ms = 0
  ns = 0
  readonly #parts: readonly TimePart[]
  readonly #zone: TimeZone

  constructor(parts: readonly TimePart[], zone: TimeZone) {
    this.#parts = parts
    this.#zone = zone
  }

  parse(text: string, nowMs: number): boolean {
    if (text.length > TIME_CHARS_MAX) return false
    const told: Told = {
      year: -1,
      month: -1,
      day: -1,
      dayOfYear: -1,
      hour: -1,
      halfDay: -1,
      minute: 0,
      second: 0,
      fraction: 0,
      epochSeconds: -1,
      offsetMs: Number.NaN,
    }
    let at = 0
    for (let i = 0; i < this.#parts.length; i++) {
      at = readPart(this.#parts[i]!, this.#parts[i + 1], text, at, told)
      if (at < 0) return false
    }
    return text.slice(at).trim() === '' && this.#set(told, nowMs)
  }

  #set(told: Told, nowMs: number): boolean {
    const ns = told.fraction
    this.ns = ns % 1_000_000
    const fractionMs = (ns - this.ns) / 1_000_000
    if (told.epochSeconds >= 0) {
      this.ms = told.epochSeconds * 1000 + fractionMs
      return true
    }
    let { hour } = told
    if (told.halfDay >= 0) {
      if (hour < 1 || hour > 12) return false
      hour = (hour % 12) + told.halfDay * 12
    }
    if (hour > 23 || told.minute > 59 || told.second > 60) return false
    const inDayMs = ((hour * 60 + told.minute) * 60 + told.second) * 1000 + fractionMs
    const wallMs = told.year >= 0 ? startOfDay(told, told.year) + inDayMs : this.#nearest(told, inDayMs, nowMs)
    if (Number.isNaN(wallMs)) return false
    this.ms = wallMs - this.#offsetOf(told, wallMs)
    return true
  }

  #offsetOf(told: Told, wallMs: number): number {
    return Number.isNaN(told.offsetMs) ? this.#zone.offsetMs(wallMs) : told.offsetMs
  }

  /** Of the years around now, the one that brings the time nearest to now: a line of December that is read in January is of last year. */
  #nearest(told: Told, inDayMs: number, nowMs: number): number {
    const year = new Date(nowMs).getUTCFullYear()
    let best = Number.NaN
    for (let one = year - 1; one <= year + 1; one++) {
      const wallMs = startOfDay(told, one) + inDayMs
      if (Number.isNaN(wallMs)) continue
      const distance = Math.abs(wallMs - this.#offsetOf(told, wallMs) - nowMs)
      if (Number.isNaN(best) || distance < Math.abs(best - this.#offsetOf(told, best) - nowMs)) best = wallMs
    }
    return Math.abs(best - nowMs) > YEAR_MS ? Number.NaN : best
  }
}

/** NaN for a day that the year does not have. */
function startOfDay({ month, day, dayOfYear }: Told, year: number): number {
  if (dayOfYear >= 0) {
    const days = daysFromCivil(year + 1, 1, 1) - daysFromCivil(year, 1, 1)
    return dayOfYear < 1 || dayOfYear > days ? Number.NaN : (daysFromCivil(year, 1, 1) + dayOfYear - 1) * DAY_MS
  }
  if (month < 1 || month > 12 || day < 1 || day > daysOfMonth(year, month)) return Number.NaN
  return daysFromCivil(year, month, day) * DAY_MS
}

/** Returns where the part ends in `text`, -1 when it is not there. */
function readPart(part: TimePart, next: TimePart | undefined, text: string, start: number, told: Told): number {
  switch (part.kind) {
    case 'literal':
      return text.startsWith(part.text, start) ? start + part.text.length : -1
    case 'space': {
      let at = start
      while (isSpace(text.charCodeAt(at))) at++
      return at
    }
    case 'number': {
      const end = digitsEnd(text, start, part.max)
      if (end - start < part.min) return -1
      const value = Number(text.slice(start, end))
      if (part.field === 'yearOfCentury') told.year = value < 70 ? 2000 + value : 1900 + value
      else if (part.field === 'hour12') told.hour = value
      else told[part.field] = value
      return end
    }
    case 'fraction': {
      const end = digitsEnd(text, start, part.max)
      if (end === start) return -1
      told.fraction = Number(text.slice(start, Math.min(end, start + 9)).padEnd(9, '0'))
      return end
    }
    case 'month':
    case 'weekday': {
      const end = lettersEnd(text, start)
      const name = text.slice(start, end).toLowerCase()
      const index = (part.kind === 'month' ? MONTHS : WEEKDAYS).indexOf(name.slice(0, 3))
      if (index < 0 || (name.length > 3 && !LONG_NAMES[part.kind === 'month' ? 0 : 1]!.has(name))) return -1
      if (part.kind === 'month') told.month = index + 1
      return text[end] === '.' && name.length === 3 && next?.kind !== 'literal' ? end + 1 : end
    }
    case 'halfDay': {
      const match = /^([ap])\.?m\.?/i.exec(text.slice(start, start + 4))
      if (match === null) return -1
      told.halfDay = match[1]!.toLowerCase() === 'p' ? 1 : 0
      return start + match[0].length
    }
    case 'zone': {
      const match = /^(?:([+-])(\d{2}):?(\d{2})?|Z|UTC|GMT)/i.exec(text.slice(start, start + 6))
      if (match === null) return -1
      const minutes = match[1] === undefined ? 0 : Number(match[2]) * 60 + Number(match[3] ?? 0)
      told.offsetMs = (match[1] === '-' ? -minutes : minutes) * 60_000
      return start + match[0].length
    }
  }
}

function isSpace(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d)
}

function digitsEnd(text: string, start: number, max: number): number {
  let at = start
  while (at < start + max) {
    const code = text.charCodeAt(at)
    if (!(code >= 0x30 && code <= 0x39)) break
    at++
  }
  return at
}

function lettersEnd(text: string, start: number): number {
  let at = start
  while (/[a-zA-Z]/.test(text[at] ?? '')) at++
  return at
}
