import type { Filter, Query, TextMatch, ValueMatch } from './ast.ts'
import { printFilter } from './print.ts'
import { type PruneExpr, pruneOf } from './prune.ts'
import { timestampText } from './row-time.ts'

/** A part of a query in plain English, and its own parts. A JSON value. */
export interface Explanation {
  readonly says: string
  readonly of?: readonly Explanation[]
}

/** What a query means, for people; a JSON value. */
export interface QueryExplanation {
  /** The filter in the query language, written out. */
  readonly filter: string
  readonly meaning: Explanation
  /** What blocks must hold to be opened at all. */
  readonly blocks: Explanation
  /** Text of each pipe. */
  readonly pipes: readonly string[]
  /** What may not be what was meant. */
  readonly notes: readonly string[]
}

export function explainQuery(query: Query): QueryExplanation {
  return {
    filter: printFilter(query.filter),
    meaning: explainFilter(query.filter),
    blocks: explainPrune(pruneOf(query.filter)),
    pipes: query.pipes.map(({ span }) => query.text.slice(span.start, span.end)),
    notes: notesOn(query.filter),
  }
}

function explainFilter(filter: Filter): Explanation {
  switch (filter.kind) {
    case 'all':
      return { says: 'every record' }
    case 'and':
      return { says: 'all of these', of: filter.of.map(explainFilter) }
    case 'or':
      return { says: 'any of these', of: filter.of.map(explainFilter) }
    case 'not':
      return { says: 'not this', of: [explainFilter(filter.of)] }
    case 'exists':
      return { says: `field ${filter.field} is there` }
    case 'text':
      return { says: `${filter.field === null ? 'some field' : `field ${filter.field}`} ${textSays(filter.match)}` }
    case 'field':
      return { says: `field ${filter.field} ${valueSays(filter.match)}` }
  }
}

function explainPrune(expr: PruneExpr): Explanation {
  switch (expr.kind) {
    case 'any':
      return { says: 'any block' }
    case 'none':
      return { says: 'no block' }
    case 'and':
      return { says: 'all of these', of: expr.of.map(explainPrune) }
    case 'or':
      return { says: 'any of these', of: expr.of.map(explainPrune) }
    case 'token':
      return { says: `the word ${quoted(expr.token)}` }
    case 'tokenPrefix':
      return { says: `a word that begins with ${quoted(expr.prefix)}` }
    case 'fuzzyToken':
      return { says: `a word at most ${letters(expr.distance)} from ${quoted(expr.token)}` }
    case 'value':
      return { says: `the value ${quoted(expr.value)} in ${expr.field}` }
    case 'range':
      return { says: `a number ${between(expr.min, true, expr.max, true)} in ${expr.field}` }
    case 'exists':
      return { says: `field ${expr.field}` }
  }
}

/** Words that are operators when written in capitals. */
const OPERATOR_WORDS: ReadonlySet<string> = new Set(['and', 'or', 'not'])

function notesOn(filter: Filter): string[] {
  switch (filter.kind) {
    case 'and':
    case 'or': {
      const notes = filter.of.flatMap(notesOn)
      for (const part of filter.of) {
        if (part.kind !== 'text' || part.match.kind !== 'phrase' || part.match.tokens.length !== 1) continue
        const word = part.match.tokens[0]!
        if (OPERATOR_WORDS.has(word)) {
          notes.push(`"${word}" is searched for as a word; the operator is written ${word.toUpperCase()}.`)
        }
      }
      return notes
    }
    case 'not':
      return notesOn(filter.of)
    default:
      return []
  }
}

function textSays(match: TextMatch): string {
  switch (match.kind) {
    case 'phrase':
      if (match.tokens.length === 1) return `has the word ${quoted(match.tokens[0]!)}`
      return `has the words ${match.tokens.map(quoted).join(' ')} one after the other`
    case 'tokenPattern': {
      const words = match.tokens.map(({ pattern }) => quoted(pattern)).join(' ')
      return match.tokens.length === 1 ? `has a word like ${words}` : `has words like ${words} one after the other`
    }
    case 'fuzzy':
      return `has a word at most ${letters(match.distance)} from ${quoted(match.token)}`
    case 'regex':
      return `has text that matches /${match.source}/${match.flags}`
  }
}

function valueSays(match: ValueMatch): string {
  switch (match.kind) {
    case 'equal':
      return match.number === null ? `is ${quoted(match.text)}` : `is the number ${match.text}, or that text`
    case 'wildcard':
      return `is like ${quoted(match.pattern)}`
    case 'regex':
      return `matches /${match.source}/${match.flags} as a whole`
    case 'range':
      return `is a number ${between(match.min, match.minInclusive, match.max, match.maxInclusive)}`
    case 'textRange': {
      const lower = match.min === null ? [] : [`${match.minInclusive ? 'from' : 'after'} ${quoted(match.min)}`]
      const upper = match.max === null ? [] : [`${match.maxInclusive ? 'up to' : 'before'} ${quoted(match.max)}`]
      return `is text ${[...lower, ...upper].join(' ')}`
    }
    case 'timeRange': {
      const { fromMs, fromNs, toMs, toNs } = match
      const lower =
        fromMs === -Infinity ? [] : [`${match.fromInclusive ? 'from' : 'after'} ${timestampText(fromMs, fromNs)}`]
      const upper = toMs === Infinity ? [] : [`${match.toInclusive ? 'up to' : 'before'} ${timestampText(toMs, toNs)}`]
      return `is ${[...lower, ...upper].join(' ')}`
    }
  }
}

function between(min: number, minInclusive: boolean, max: number, maxInclusive: boolean): string {
  if (min === max) return `equal to ${min}`
  const lower = min === -Infinity ? [] : [`${minInclusive ? 'at least' : 'more than'} ${min}`]
  const upper = max === Infinity ? [] : [`${maxInclusive ? 'at most' : 'less than'} ${max}`]
  return [...lower, ...upper].join(' and ')
}

function letters(count: number): string {
  return count === 1 ? 'one letter' : `${count} letters`
}

function quoted(text: string): string {
  return JSON.stringify(text)
}
