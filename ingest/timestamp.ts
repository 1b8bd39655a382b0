const SECOND_MS = 1000
const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000

/** Digit value of an ASCII byte, 0x80 for anything else, so that a doubtful run can be tested by one OR. */
const DIGIT = new Uint8Array(256).fill(0x80)
for (let digit = 0; digit < 10; digit++) DIGIT[0x30 + digit] = digit

/** Powers of ten that fill a fraction of n digits up to nanoseconds: FILL[n] = 10^(9 - n). */
const FILL = new Float64Array([1e9, 1e8, 1e7, 1e6, 1e5, 1e4, 1e3, 1e2, 1e1, 1])

/** Epoch numbers: below these magnitudes they are seconds, milliseconds, microseconds; above, nanoseconds. */
const SECONDS_BELOW = 1e11
const MILLISECONDS_BELOW = 1e14
const MICROSECONDS_BELOW = 1e17
/** Longer number texts are no times; bounds the work on hostile ones. */
const NUMBER_BYTES_MAX = 64

/**
 * Turns a timestamp's bytes into `ms` (integer milliseconds since the epoch) and `ns` (0 to 999,999 within it).
 *
 * Text: RFC 3339 with `T`, `t` or a space, up to nine fraction digits (further ones are cut) after `.` or `,`, offset
 * `Z`, `±hh:mm`, `±hhmm`, `±hh` or none (UTC). Years are 0000 to 9999. Seconds may be 60 (counted into the next minute).
 * Numbers, also as text: seconds, milliseconds, microseconds or nanoseconds by magnitude, with a fraction or an exponent.
 */
export class TimestampParser {
  ms = 0
  ns = 0
  /** The day of the text that was parsed last, as year × 512 + month × 32 + day, and its start in UTC. */
  day = -1
  dayMs = 0

  /** Parses the text of a string; false when it has none of the forms. */
  parseText(bytes: Uint8Array, start: number, end: number): boolean {
    if (end - start < 19 || bytes[start + 4] !== 0x2d || bytes[start + 7] !== 0x2d)
      return this.parseNumber(bytes, start, end)
    const y0 = DIGIT[bytes[start]!]!
    const y1 = DIGIT[bytes[start + 1]!]!
    const y2 = DIGIT[bytes[start + 2]!]!
    const y3 = DIGIT[bytes[start + 3]!]!
    const o0 = DIGIT[bytes[start + 5]!]!
    const o1 = DIGIT[bytes[start + 6]!]!
    const d0 = DIGIT[bytes[start + 8]!]!
    const d1 = DIGIT[bytes[start + 9]!]!
    const separator = bytes[start + 10]!
    const h0 = DIGIT[bytes[start + 11]!]!
    const h1 = DIGIT[bytes[start + 12]!]!
    const m0 = DIGIT[bytes[start + 14]!]!
    const m1 = DIGIT[bytes[start + 15]!]!
    const s0 = DIGIT[bytes[start + 17]!]!
    const s1 = DIGIT[bytes[start + 18]!]!
    if (((y0 | y1 | y2 | y3 | o0 | o1 | d0 | d1 | h0 | h1 | m0 | m1 | s0 | s1) & 0x80) !== 0) return false
    if (bytes[start + 13] !== 0x3a || bytes[start + 16] !== 0x3a) return false
    if (separator !== 0x54 && separator !== 0x20 && separator !== 0x74) return false
    const day = (y0 * 1000 + y1 * 100 + y2 * 10 + y3) * 512 + (o0 * 10 + o1) * 32 + d0 * 10 + d1
    if (day !== this.day && !this.#setDay(day)) return false
    const hour = h0 * 10 + h1
    const minute = m0 * 10 + m1
    const second = s0 * 10 + s1
    if (hour > 23 || minute > 59 || second > 60) return false

    let at = start + 19
    let fraction = 0
    if (at < end && (bytes[at] === 0x2e || bytes[at] === 0x2c)) {
      at++
      let digits = 0
      while (at < end) {
        const digit = DIGIT[bytes[at]!]!
        if (digit === 0x80) break
        if (digits < 9) fraction = fraction * 10 + digit
        digits++
        at++
      }
      if (digits === 0) return false
      fraction *= FILL[Math.min(digits, 9)]!
    }
    let offsetMs = 0
    if (at === end - 1 && (bytes[at] === 0x5a || bytes[at] === 0x7a)) at++
    else if (at < end) {
      const minutes = offsetMinutes(bytes, at, end)
      if (minutes === OFFSET_INVALID) return false
      offsetMs = minutes * MINUTE_MS
    }
    const fractionMs = Math.floor(fraction / 1e6)
    this.ms = this.dayMs + hour * HOUR_MS + minute * MINUTE_MS + second * SECOND_MS + fractionMs - offsetMs
    this.ns = fraction - fractionMs * 1e6
    return true
  }

  /** Parses the text of a number; false when it is none or too large for any time. */
  parseNumber(bytes: Uint8Array, start: number, end: number): boolean {
    if (end - start > NUMBER_BYTES_MAX) return false
    let at = start
    const isNegative = bytes[at] === 0x2d
    if (isNegative) at++
    // The common case, an integer of 13 digits or fewer, needs no more than this loop.
    let value = 0
    const firstDigit = at
    while (at < end && at - firstDigit < 15) {
      const digit = DIGIT[bytes[at]!]!
      if (digit === 0x80) break
      value = value * 10 + digit
      at++
    }
    if (at === firstDigit) return false
    if (at === end && value < MILLISECONDS_BELOW) {
      this.ms = value < SECONDS_BELOW ? value * 1000 : value
      if (isNegative) this.ms = 0 - this.ms
      this.ns = 0
      return true
    }
    return this.#parseDecimal(bytes, start, end)
  }

  /** Numbers with a fraction, an exponent or many digits, exact to the nanosecond. */
  #parseDecimal(bytes: Uint8Array, start: number, end: number): boolean {
    let text = ''
    for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i]!)
    const match = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,3}))?$/.exec(text)
    if (match === null) return false
    const [, sign, whole = '', fraction = '', exponent = '0'] = match
    const magnitude = Math.abs(Number(text))
    let unitDigits = 0
    if (magnitude < SECONDS_BELOW) unitDigits = 9
    else if (magnitude < MILLISECONDS_BELOW) unitDigits = 6
    else if (magnitude < MICROSECONDS_BELOW) unitDigits = 3
    // The number in nanoseconds is `digits` with the point moved to `point`.
    const digits = whole + fraction
    const point = whole.length + Number(exponent) + unitDigits
    const nanoseconds = point <= 0 ? '0' : digits.slice(0, point).padEnd(point, '0')
    if (nanoseconds.replace(/^0+/, '').length > 20) return false
    const ms = Number(nanoseconds.slice(0, -6))
    const ns = Number(nanoseconds.slice(-6))
    if (sign === '-' && (ms !== 0 || ns !== 0)) {
      this.ms = ns === 0 ? -ms : -ms - 1
      this.ns = ns === 0 ? 0 : 1_000_000 - ns
    } else {
      this.ms = ms
      this.ns = ns
    }
    return true
  }

  #setDay(packed: number): boolean {
    const year = packed >> 9
    const month = (packed >> 5) & 15
    const day = packed & 31
    if (month < 1 || month > 12 || day < 1) return false
    if (day > daysOfMonth(year, month)) return false
    this.day = packed
    this.dayMs = daysFromCivil(year, month, day) * DAY_MS
    return true
  }
}

const OFFSET_INVALID = -0x8000

/** Minutes east of UTC of `Z`, `±hh:mm`, `±hhmm` or `±hh`, one space before it allowed. */
function offsetMinutes(bytes: Uint8Array, start: number, end: number): number {
  let at = start
  if (bytes[at] === 0x20) at++
  const sign = bytes[at]
  const length = end - at
  if (length === 1 && (sign === 0x5a || sign === 0x7a)) return 0
  if (sign !== 0x2b && sign !== 0x2d) return OFFSET_INVALID
  if (length !== 3 && length !== 5 && length !== 6) return OFFSET_INVALID
  if (length === 6 && bytes[at + 3] !== 0x3a) return OFFSET_INVALID
  const h0 = DIGIT[bytes[at + 1]!]!
  const h1 = DIGIT[bytes[at + 2]!]!
  const m0 = length === 3 ? 0 : DIGIT[bytes[end - 2]!]!
  const m1 = length === 3 ? 0 : DIGIT[bytes[end - 1]!]!
  if (((h0 | h1 | m0 | m1) & 0x80) !== 0) return OFFSET_INVALID
  const hours = h0 * 10 + h1
  const minutes = m0 * 10 + m1
  if (hours > 23 || minutes > 59) return OFFSET_INVALID
  return sign === 0x2d ? -(hours * 60 + minutes) : hours * 60 + minutes
}

/** How many days a month (1 to 12) has. */
export function daysOfMonth(year: number, month: number): number {
  const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
  return month === 2 ? (isLeap ? 29 : 28) : month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

/** Days from 1970-01-01 to a date of the proleptic Gregorian calendar (H. Hinnant, "chrono-compatible date algorithms"). */
export function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year
  const era = Math.floor(y / 400)
  const yearOfEra = y - era * 400
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  return era * 146_097 + dayOfEra - 719_468
}
