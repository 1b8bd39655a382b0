import { FIELD_LEVEL, FIELD_MESSAGE } from '../base/columns.ts'
import { foldText, isTokenUnit, tokensOfText } from '../base/tokenizer.ts'
import type { Filter, TextMatch, TokenPattern } from './ast.ts'
import { FIELD_TIMESTAMP, LEVELS, normalisedLevel } from './fields.ts'
import type { Chunk, QueryCursor } from './query-cursor.ts'
import { isWholeDay, type Moment, momentOf } from './time.ts'

/** Makes filters of the values that a query names; the grammar around them is in parse-filter.ts. */

const DAY_MS = 86_400_000
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/
const NUMBER_WITH_UNIT = /^-?\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h|d|w|[KMGT]i?B?|kB?|B|%)$/
const FUZZY = /~([\d.]*)$/
const BOOST = /\^\d+(?:\.\d+)?$/

/** The number that `text` writes, or null. Leading zeros and `+` are text: `007` is an id. */
export function numberOf(text: string): number | null {
  if (text.length > 400 || !NUMBER.test(text)) return null
  const number = Number(text)
  return Number.isFinite(number) ? number : null
}

/** A bare term, looked for by its tokens in `field`, or in every field. */
export function textTerm(cursor: QueryCursor, field: string | null, chunk: Chunk): Filter {
  if (/^\*+$/.test(chunk.pattern)) return field === null ? { kind: 'all' } : { kind: 'exists', field }
  const fuzzy = fuzzyMatch(cursor, chunk)
  if (fuzzy !== null) return { kind: 'text', field, match: fuzzy }
  refuseBoost(cursor, chunk)
  const match = textMatch(chunk)
  if (match === null) {
    return cursor.fail(
      'There is no letter or digit to look for',
      chunk.start,
      chunk.end,
      `Text is searched by words; write a regular expression, /${shownRegex(chunk.text)}/.`,
    )
  }
  return { kind: 'text', field, match }
}

/** A quoted phrase in `field`, or in every field. Wildcards in it are characters. */
export function phraseTerm(cursor: QueryCursor, field: string | null, chunk: Chunk): Filter {
  refuseAfterQuote(cursor, chunk)
  const tokens = tokensOfText(chunk.text)
  if (tokens.length === 0) {
    const exact = `${field ?? 'message'}:=${cursor.text.slice(chunk.start, chunk.end)}`
    cursor.fail('There is no letter or digit to look for', chunk.start, chunk.end, `For an exact value write ${exact}.`)
  }
  return { kind: 'text', field, match: { kind: 'phrase', tokens } }
}

/** `field:value` for an unquoted value. */
export function fieldTerm(cursor: QueryCursor, field: string, chunk: Chunk): Filter {
  if (field === FIELD_MESSAGE && !chunk.hasWildcard) return textTerm(cursor, field, chunk)
  if (/^\*+$/.test(chunk.pattern)) return { kind: 'exists', field }
  if (chunk.hasWildcard) return { kind: 'field', field, match: { kind: 'wildcard', pattern: chunk.pattern } }
  if (isSuffix(cursor, chunk, FUZZY)) {
    cursor.fail(
      'Fuzzy search works on words, not on whole values',
      chunk.start,
      chunk.end,
      `Write ${field}:~${chunk.text} for a word in the field, or \\~ for the character.`,
    )
  }
  refuseBoost(cursor, chunk)
  return equalTerm(cursor, field, chunk, false)
}

/** `field:"value"`. */
export function quotedFieldTerm(cursor: QueryCursor, field: string, chunk: Chunk): Filter {
  if (field === FIELD_MESSAGE) return phraseTerm(cursor, field, chunk)
  refuseAfterQuote(cursor, chunk)
  return equalTerm(cursor, field, chunk, true)
}

/** `field:=value`, and what `field:value` comes to when it has no wildcards. */
export function equalTerm(cursor: QueryCursor, field: string, chunk: Chunk, isQuoted: boolean): Filter {
  if (field === FIELD_TIMESTAMP) {
    const from = moment(cursor, chunk)
    const to = isWholeDay(chunk.text) ? { ms: from.ms + DAY_MS, ns: 0 } : from
    return timeRange(from, true, to, to === from)
  }
  if (field === FIELD_LEVEL) {
    return { kind: 'field', field, match: { kind: 'equal', text: levelOf(chunk.text), number: null } }
  }
  const number = isQuoted ? null : numberOf(chunk.text)
  return { kind: 'field', field, match: { kind: 'equal', text: chunk.text, number } }
}

/** `field:>value` and its like. */
export function comparisonTerm(
  cursor: QueryCursor,
  field: string,
  operator: '>' | '>=' | '<' | '<=',
  chunk: Chunk,
  isQuoted: boolean,
): Filter {
  const isLower = operator[0] === '>'
  const inclusive = operator.length === 2
  const bound: Bound = { chunk, isQuoted }
  return rangeTerm(cursor, field, isLower ? bound : null, inclusive, isLower ? null : bound, inclusive, chunk)
}

/** An end of a range; null stands for an open one. */
export interface Bound {
  readonly chunk: Chunk
  readonly isQuoted: boolean
}

/** `field:[a TO b]` and comparisons; `whole` is where an error about both ends points. */
export function rangeTerm(
  cursor: QueryCursor,
  field: string,
  min: Bound | null,
  minInclusive: boolean,
  max: Bound | null,
  maxInclusive: boolean,
  whole: { readonly start: number; readonly end: number },
): Filter {
  for (const bound of [min, max]) if (bound !== null) checkBound(cursor, bound)
  if (min === null && max === null) return { kind: 'exists', field }
  const lower = min === null || minInclusive
  const upper = max === null || maxInclusive
  if (field === FIELD_TIMESTAMP) {
    const from = min === null ? null : moment(cursor, min.chunk)
    const to = max === null ? null : moment(cursor, max.chunk)
    if (from !== null && to !== null) refuseEmpty(cursor, from.ms - to.ms || from.ns - to.ns, lower && upper, whole)
    return timeRange(from, lower, to, upper)
  }
  if (field === FIELD_LEVEL) return levelRange(cursor, min, lower, max, upper, whole)
  const numbers = [min, max].map((bound) => (bound === null || bound.isQuoted ? null : numberOf(bound.chunk.text)))
  const [low, high] = [numbers[0] ?? null, numbers[1] ?? null]
  if ((min === null || low !== null) && (max === null || high !== null)) {
    if (low !== null && high !== null) refuseEmpty(cursor, low - high, lower && upper, whole)
    return {
      kind: 'field',
      field,
      match: { kind: 'range', min: low ?? -Infinity, minInclusive: lower, max: high ?? Infinity, maxInclusive: upper },
    }
  }
  if (low !== null || high !== null) {
    const odd = (low === null ? min : max)!.chunk
    cursor.fail(
      'One end of the range is a number, the other is text',
      odd.start,
      odd.end,
      'Quote both ends to compare text.',
    )
  }
  const minText = min?.chunk.text ?? null
  const maxText = max?.chunk.text ?? null
  if (minText !== null && maxText !== null) {
    refuseEmpty(cursor, Buffer.compare(Buffer.from(minText), Buffer.from(maxText)), lower && upper, whole)
  }
  return {
    kind: 'field',
    field,
    match: { kind: 'textRange', min: minText, minInclusive: lower, max: maxText, maxInclusive: upper },
  }
}

function checkBound(cursor: QueryCursor, { chunk, isQuoted }: Bound): void {
  if (chunk.hasWildcard) {
    cursor.fail(
      'A range cannot hold wildcards',
      chunk.start,
      chunk.end,
      'Write \\* for the character, or * alone for an open end.',
    )
  }
  if (!isQuoted && NUMBER_WITH_UNIT.test(chunk.text)) {
    cursor.fail(
      'A number has no unit here',
      chunk.start,
      chunk.end,
      `Write the number alone, or quote it to compare text: "${chunk.text}".`,
    )
  }
}

function refuseEmpty(
  cursor: QueryCursor,
  order: number,
  inclusive: boolean,
  whole: { readonly start: number; readonly end: number },
): void {
  if (order > 0)
    cursor.fail('The ends of the range are the wrong way round', whole.start, whole.end, 'Write the lower end first.')
  if (order === 0 && !inclusive) {
    cursor.fail('The range holds nothing', whole.start, whole.end, 'Use [ and ] so that the ends belong to it.')
  }
}

function moment(cursor: QueryCursor, chunk: Chunk): Moment {
  return (
    momentOf(chunk.text, cursor.nowMs) ??
    cursor.fail(
      'This is not a time',
      chunk.start,
      chunk.end,
      'Write 2026-01-31T12:00:00Z, an epoch number, now-15m or now-1d/d; quote a time that has spaces.',
    )
  )
}

function timeRange(from: Moment | null, fromInclusive: boolean, to: Moment | null, toInclusive: boolean): Filter {
  return {
    kind: 'field',
    field: FIELD_TIMESTAMP,
    match: {
      kind: 'timeRange',
      fromMs: from?.ms ?? -Infinity,
      fromNs: from?.ns ?? 0,
      fromInclusive,
      toMs: to?.ms ?? Infinity,
      toNs: to?.ns ?? 0,
      toInclusive,
    },
  }
}

/** Level as it is stored: by name, or by the number that pino (10 to 60) or syslog (0 to 7) gives it. */
function levelOf(text: string): string {
  const number = numberOf(text)
  if (number === null || !Number.isInteger(number)) return normalisedLevel(text)
  if (number >= 10 && number < 70) return LEVELS[Math.floor(number / 10) - 1]!
  return ['FATAL', 'FATAL', 'FATAL', 'ERROR', 'WARN', 'INFO', 'INFO', 'DEBUG'][number] ?? text
}

/** `level:>=WARN` is every level from there on. */
function levelRange(
  cursor: QueryCursor,
  min: Bound | null,
  minInclusive: boolean,
  max: Bound | null,
  maxInclusive: boolean,
  whole: { readonly start: number; readonly end: number },
): Filter {
  const rank = (bound: Bound): number => {
    const at = LEVELS.indexOf(levelOf(bound.chunk.text))
    if (at >= 0) return at
    return cursor.fail('This is not a level', bound.chunk.start, bound.chunk.end, `Levels are ${LEVELS.join(', ')}.`)
  }
  const from = min === null ? 0 : rank(min) + (minInclusive ? 0 : 1)
  const to = max === null ? LEVELS.length - 1 : rank(max) - (maxInclusive ? 0 : 1)
  if (from > to)
    cursor.fail('No level is in the range', whole.start, whole.end, `Levels rise from ${LEVELS.join(' to ')}.`)
  const of = LEVELS.slice(from, to + 1).map(
    (text): Filter => ({ kind: 'field', field: FIELD_LEVEL, match: { kind: 'equal', text, number: null } }),
  )
  return of.length === 1 ? of[0]! : { kind: 'or', of }
}

/** Tokens of a term, wildcards being parts of tokens; null when there are none. */
function textMatch(chunk: Chunk): TextMatch | null {
  if (!chunk.hasWildcard) {
    const tokens = tokensOfText(chunk.text)
    return tokens.length === 0 ? null : { kind: 'phrase', tokens }
  }
  const tokens: TokenPattern[] = []
  let run = ''
  const close = () => {
    if (run !== '') tokens.push({ pattern: foldText(run), literal: !/[*?]/.test(run) })
    run = ''
  }
  for (let i = 0; i < chunk.pattern.length; i++) {
    const c = chunk.pattern[i]!
    if (c === '\\') {
      i++ // an escaped wildcard or backslash: separates
      close()
    } else if (c === '*' || c === '?' || isTokenUnit(c.charCodeAt(0))) run += c
    else close()
  }
  close()
  return { kind: 'tokenPattern', tokens }
}

function fuzzyMatch(cursor: QueryCursor, chunk: Chunk): TextMatch | null {
  if (!isSuffix(cursor, chunk, FUZZY)) return null
  const at = chunk.text.lastIndexOf('~')
  const number = chunk.text.slice(at + 1)
  const numberStart = chunk.end - number.length
  const tokens = tokensOfText(chunk.text.slice(0, at))
  if (tokens.length !== 1 || chunk.hasWildcard || tokens[0]!.length !== at) {
    cursor.fail(
      'Fuzzy search takes one word',
      chunk.start,
      chunk.end,
      'Write word~ or word~2, or \\~ for the character.',
    )
  }
  if (number !== '' && number !== '1' && number !== '2') {
    cursor.fail('A word may differ by 1 or 2 letters', numberStart, chunk.end, 'Write word~1 or word~2.')
  }
  const token = tokens[0]!
  // Nearly every short word is two letters from another.
  const distance = number === '' ? (token.length > 4 ? 2 : 1) : Number(number) === 1 ? 1 : 2
  return { kind: 'fuzzy', token, distance }
}

/** True when the chunk ends in what `suffix` finds, its first character not being escaped. */
function isSuffix(cursor: QueryCursor, chunk: Chunk, suffix: RegExp): boolean {
  const source = cursor.text.slice(chunk.start, chunk.end)
  const match = suffix.exec(source)
  if (match === null || match.index === 0) return false
  const before = /\\*$/.exec(source.slice(0, match.index))![0].length
  return before % 2 === 0
}

function refuseBoost(cursor: QueryCursor, chunk: Chunk): void {
  if (!isSuffix(cursor, chunk, BOOST)) return
  cursor.fail(
    'Boosts have no meaning here',
    chunk.start,
    chunk.end,
    'Logs are ordered by time; drop the ^, or write \\^ for the character.',
  )
}

function refuseAfterQuote(cursor: QueryCursor, chunk: Chunk): void {
  const c = cursor.peek()
  if (c === '~') cursor.fail('Phrases cannot be fuzzy', chunk.end, chunk.end + 1, 'Search for single words: word~.')
  if (c === '^')
    cursor.fail('Boosts have no meaning here', chunk.end, chunk.end + 1, 'Logs are ordered by time; drop the ^.')
}

function shownRegex(text: string): string {
  return text.slice(0, 40).replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
}
