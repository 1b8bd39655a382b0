import { VALUE_BOOLEAN, VALUE_JSON, VALUE_NULL, VALUE_NUMBER } from '../../base/columns.ts'
import type { Filter, TextMatch, ValueMatch } from '../../query/ast.ts'
import { compileUserRegex, type RegexMode, type UserRegex } from '../../query/regex.ts'
import type { FlatRecord, FlatValue } from './column-source.ts'

/**
 * What a filter means, said as naively as possible and without the engine's code (but for the regular expressions' own automaton): one
 * record at a time, one value at a time. Search is held against this.
 */
export function matches(filter: Filter, record: FlatRecord): boolean {
  switch (filter.kind) {
    case 'all':
      return true
    case 'and':
      return filter.of.every((part) => matches(part, record))
    case 'or':
      return filter.of.some((part) => matches(part, record))
    case 'not':
      return !matches(filter.of, record)
    case 'exists':
      return (
        filter.field === 'timestamp' ||
        [...record.fields.keys()].some((path) => path === filter.field || path.startsWith(`${filter.field}.`))
      )
    case 'text': {
      const values = filter.field === null ? [...record.fields.values()] : valuesOf(record, filter.field)
      return values.some((value) => value.type !== VALUE_NULL && textMatches(filter.match, value.text))
    }
    case 'field': {
      const { match, field } = filter
      if (match.kind === 'timeRange') return timeMatches(match, record)
      return valuesOf(record, field).some((value) => valueMatches(match, value, field === 'level'))
    }
  }
}

function valuesOf(record: FlatRecord, field: string): FlatValue[] {
  const value = record.fields.get(field)
  return value === undefined ? [] : [value]
}

/** Tokens of a text, each code point in lower case where that is one code point. */
export function naiveTokens(text: string): string[] {
  const known = tokensOf.get(text)
  if (known !== undefined) return known
  const runs = text.match(/[0-9A-Za-z_\u0080-\u{10ffff}]+/gu) ?? []
  const tokens = runs.map((run) =>
    Array.from(run, (c) => {
      const lower = c.toLowerCase()
      return Array.from(lower).length === 1 ? lower : c
    }).join(''),
  )
  if (tokensOf.size >= 10_000) tokensOf.clear()
  tokensOf.set(text, tokens)
  return tokens
}

const tokensOf = new Map<string, string[]>()

function textMatches(match: TextMatch, text: string): boolean {
  const tokens = naiveTokens(text)
  switch (match.kind) {
    case 'phrase':
      return follows(tokens, match.tokens, (token, wanted) => token === wanted)
    case 'tokenPattern':
      return follows(tokens, match.tokens, (token, wanted) => globMatches(wanted.pattern, token))
    case 'fuzzy':
      return tokens.some((token) => distance(token, match.token) <= match.distance)
    case 'regex':
      return regexOf(match.source, match.flags, 'find').test(text)
  }
}

const regexes = new Map<string, UserRegex>()

function regexOf(source: string, flags: string, mode: RegexMode): UserRegex {
  const key = JSON.stringify([source, flags, mode])
  const regex = regexes.get(key) ?? compileUserRegex(source, flags, mode)
  regexes.set(key, regex)
  return regex
}

function follows<T>(tokens: string[], wanted: readonly T[], fits: (token: string, wanted: T) => boolean): boolean {
  if (wanted.length === 0) return false
  return tokens.some((_, at) => wanted.every((want, i) => at + i < tokens.length && fits(tokens[at + i]!, want)))
}

/** `*` any run, `?` one character; by trying everything. */
function globMatches(pattern: string, text: string): boolean {
  const [first, ...rest] = Array.from(pattern)
  const characters = Array.from(text)
  const tail = rest.join('')
  if (first === undefined) return text === ''
  if (first === '*')
    return characters.some((_, i) => globMatches(tail, characters.slice(i).join(''))) || globMatches(tail, '')
  return (
    characters.length > 0 &&
    (first === '?' || first === characters[0]) &&
    globMatches(tail, characters.slice(1).join(''))
  )
}

/** Restricted Damerau-Levenshtein distance, from its recursive definition, each pair of beginnings worked out once. */
function distance(a: string, b: string): number {
  const known = new Map<string, number>()
  const between = (i: number, j: number): number => {
    if (i === 0 || j === 0) return i + j
    const key = `${i} ${j}`
    let least = known.get(key)
    if (least === undefined) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      least = Math.min(between(i - 1, j - 1) + cost, between(i - 1, j) + 1, between(i, j - 1) + 1)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, between(i - 2, j - 2) + 1)
      known.set(key, least)
    }
    return least
  }
  return between(a.length, b.length)
}

function valueMatches(match: Exclude<ValueMatch, { kind: 'timeRange' }>, value: FlatValue, caseless: boolean): boolean {
  const fold = (text: string): string => (caseless ? text.toLowerCase() : text)
  const text = value.type === VALUE_NULL ? 'null' : value.text
  switch (match.kind) {
    case 'equal':
      if (fold(text) === fold(match.text)) return true
      if (value.type === VALUE_BOOLEAN) return text.toLowerCase() === match.text.toLowerCase()
      return value.type === VALUE_NUMBER && match.number !== null && Number(text) === match.number
    case 'wildcard':
      return globMatches(fold(match.pattern), fold(text))
    case 'regex':
      return regexOf(match.source, caseless ? `i${match.flags.replace('i', '')}` : match.flags, 'whole').test(text)
    case 'range': {
      if (value.type !== VALUE_NUMBER) return false
      const n = Number(text)
      return (
        (match.minInclusive ? n >= match.min : n > match.min) && (match.maxInclusive ? n <= match.max : n < match.max)
      )
    }
    case 'textRange': {
      if (value.type === VALUE_NULL || value.type === VALUE_JSON) return false
      const order = (end: string): number => compareCodePoints(fold(text), fold(end))
      const { min, max } = match
      return (
        (min === null || (match.minInclusive ? order(min) >= 0 : order(min) > 0)) &&
        (max === null || (match.maxInclusive ? order(max) <= 0 : order(max) < 0))
      )
    }
  }
}

function compareCodePoints(a: string, b: string): number {
  const x = Array.from(a, (c) => c.codePointAt(0)!)
  const y = Array.from(b, (c) => c.codePointAt(0)!)
  for (let i = 0; i < Math.min(x.length, y.length); i++) if (x[i] !== y[i]) return x[i]! - y[i]!
  return x.length - y.length
}

function timeMatches(match: ValueMatch & { kind: 'timeRange' }, record: FlatRecord): boolean {
  const nanos = (ms: number, ns: number): bigint => BigInt(ms) * 1_000_000n + BigInt(ns)
  const time = nanos(record.timeMs, record.timeNs)
  const from = Number.isFinite(match.fromMs) ? nanos(match.fromMs, match.fromNs) : null
  const to = Number.isFinite(match.toMs) ? nanos(match.toMs, match.toNs) : null
  return (
    (from === null || (match.fromInclusive ? time >= from : time > from)) &&
    (to === null || (match.toInclusive ? time <= to : time < to))
  )
}
