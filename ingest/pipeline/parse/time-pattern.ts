/** One piece of a pattern of times. Numbers have `min` to `max` digits. */
export type TimePart =
  | { readonly kind: 'literal'; readonly text: string }
  /** Any run of white space, also none. */
  | { readonly kind: 'space' }
  | { readonly kind: 'number'; readonly field: NumberField; readonly min: number; readonly max: number }
  /** Digits behind the second; those beyond the ninth are cut. */
  | { readonly kind: 'fraction'; readonly max: number }
  | { readonly kind: 'month' | 'weekday' | 'halfDay' | 'zone' }

export type NumberField =
  | 'year'
  | 'yearOfCentury'
  | 'month'
  | 'day'
  | 'dayOfYear'
  | 'hour'
  | 'hour12'
  | 'minute'
  | 'second'
  | 'epochSeconds'

/** A pattern that cannot be read; the message is one sentence. */
export class TimePatternError extends Error {
  override readonly name = 'TimePatternError'
}

const FRACTION_DIGITS_MAX = 18

function digits(field: NumberField, min: number, max: number): TimePart {
  return { kind: 'number', field, min, max }
}

function literal(text: string): TimePart {
  return { kind: 'literal', text }
}

const CLOCK: readonly TimePart[] = [
  digits('hour', 1, 2),
  literal(':'),
  digits('minute', 2, 2),
  literal(':'),
  digits('second', 2, 2),
]
const DATE: readonly TimePart[] = [
  digits('year', 4, 4),
  literal('-'),
  digits('month', 1, 2),
  literal('-'),
  digits('day', 1, 2),
]

/** Conversions of strptime (POSIX), `%f` of Python, `%L` and `%N` of Ruby. */
const CONVERSIONS: Readonly<Record<string, readonly TimePart[]>> = {
  Y: [digits('year', 4, 4)],
  y: [digits('yearOfCentury', 2, 2)],
  m: [digits('month', 1, 2)],
  d: [{ kind: 'space' }, digits('day', 1, 2)],
  e: [{ kind: 'space' }, digits('day', 1, 2)],
  j: [digits('dayOfYear', 1, 3)],
  H: [{ kind: 'space' }, digits('hour', 1, 2)],
  k: [{ kind: 'space' }, digits('hour', 1, 2)],
  I: [{ kind: 'space' }, digits('hour12', 1, 2)],
  l: [{ kind: 'space' }, digits('hour12', 1, 2)],
  M: [digits('minute', 1, 2)],
  S: [digits('second', 1, 2)],
  f: [{ kind: 'fraction', max: FRACTION_DIGITS_MAX }],
  L: [{ kind: 'fraction', max: FRACTION_DIGITS_MAX }],
  N: [{ kind: 'fraction', max: FRACTION_DIGITS_MAX }],
  b: [{ kind: 'month' }],
  B: [{ kind: 'month' }],
  h: [{ kind: 'month' }],
  a: [{ kind: 'weekday' }],
  A: [{ kind: 'weekday' }],
  p: [{ kind: 'halfDay' }],
  P: [{ kind: 'halfDay' }],
  z: [{ kind: 'zone' }],
  Z: [{ kind: 'zone' }],
  s: [digits('epochSeconds', 1, 11)],
  T: CLOCK,
  R: CLOCK.slice(0, 3),
  F: DATE,
  D: [digits('month', 1, 2), literal('/'), digits('day', 1, 2), literal('/'), digits('yearOfCentury', 2, 2)],
  n: [{ kind: 'space' }],
  t: [{ kind: 'space' }],
  '%': [literal('%')],
}

/** Letters of Java's DateTimeFormatter → their part, by how often the letter stands there. */
function letterPart(letter: string, count: number): TimePart | undefined {
  const two = (field: NumberField) => digits(field, count === 1 ? 1 : 2, 2)
  switch (letter) {
    case 'y':
    case 'u':
      return count === 2 ? digits('yearOfCentury', 2, 2) : digits('year', 4, 4)
    case 'M':
    case 'L':
      return count >= 3 ? { kind: 'month' } : two('month')
    case 'd':
      return two('day')
    case 'D':
      return digits('dayOfYear', count, 3)
    case 'H':
      return two('hour')
    case 'h':
      return two('hour12')
    case 'm':
      return two('minute')
    case 's':
      return two('second')
    case 'S':
    case 'n':
      return { kind: 'fraction', max: FRACTION_DIGITS_MAX }
    case 'a':
      return { kind: 'halfDay' }
    case 'E':
      return { kind: 'weekday' }
    case 'Z':
    case 'X':
    case 'x':
    case 'z':
      return { kind: 'zone' }
    default:
      return undefined
  }
}

/** Takes a pattern apart: one with a `%` is strptime's, any other Java's. Throws TimePatternError. */
export function timeParts(pattern: string): readonly TimePart[] {
  const parts = pattern.includes('%') ? conversionParts(pattern) : letterParts(pattern)
  const has = (...fields: readonly NumberField[]) =>
    parts.some((part) => part.kind === 'number' && fields.includes(part.field))
  if (has('epochSeconds')) return parts
  const hasMonth = has('month') || parts.some(({ kind }) => kind === 'month')
  if (!has('dayOfYear') && !(hasMonth && has('day'))) throw new TimePatternError('It has no day and month')
  if (has('dayOfYear') && !has('year', 'yearOfCentury'))
    throw new TimePatternError('It has a day of the year and no year')
  if (!has('hour', 'hour12')) throw new TimePatternError('It has no hour')
  if (has('hour12') && !parts.some(({ kind }) => kind === 'halfDay'))
    throw new TimePatternError('It has an hour of twelve and no AM or PM')
  return parts
}

function conversionParts(pattern: string): TimePart[] {
  const parts: TimePart[] = []
  for (let at = 0; at < pattern.length; at++) {
    const c = pattern[at]!
    if (c !== '%') {
      addLiteral(parts, c)
      continue
    }
    let letter = pattern[++at] ?? ''
    // Widths and modifiers change nothing for a reader: %-d, %3N, %Ez.
    while (/[-_0-9EO^#:]/.test(letter)) letter = pattern[++at] ?? ''
    const conversion = Object.hasOwn(CONVERSIONS, letter) ? CONVERSIONS[letter] : undefined
    if (conversion === undefined) throw new TimePatternError(`There is no conversion %${letter}`)
    for (const part of conversion) {
      if (part.kind === 'literal') addLiteral(parts, part.text)
      else parts.push(part)
    }
  }
  return parts
}

function letterParts(pattern: string): TimePart[] {
  const parts: TimePart[] = []
  for (let at = 0; at < pattern.length; ) {
    const c = pattern[at]!
    if (c === "'") {
      const quoted = /^'((?:[^']|'')*)'/.exec(pattern.slice(at))
      if (quoted === null) throw new TimePatternError('A quote is not closed')
      addLiteral(parts, quoted[1] === '' ? "'" : quoted[1]!.replaceAll("''", "'"))
      at += quoted[0].length
      continue
    }
    if (!/[a-zA-Z]/.test(c)) {
      // Java's marks of optional parts; here they would be taken for brackets of the text.
      addLiteral(parts, c)
      at++
      continue
    }
    let end = at
    while (pattern[end] === c) end++
    const part = c === 'T' && end === at + 1 ? literal('T') : letterPart(c, end - at)
    if (part === undefined) throw new TimePatternError(`There is no letter ${c}; text is written in quotes: 'at'`)
    if (part.kind === 'literal') addLiteral(parts, part.text)
    else parts.push(part)
    at = end
  }
  return parts
}

function addLiteral(parts: TimePart[], text: string): void {
  for (const char of text) {
    const last = parts[parts.length - 1]
    if (/\s/.test(char)) {
      if (last?.kind !== 'space') parts.push({ kind: 'space' })
    } else if (last?.kind === 'literal') parts[parts.length - 1] = literal(last.text + char)
    else parts.push(literal(char))
  }
}
