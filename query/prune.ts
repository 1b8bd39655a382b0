import { FIELD_LEVEL } from '../base/columns.ts'
import { isTokenUnit, tokensOfText } from '../base/tokenizer.ts'
import type { Filter, TextMatch, ValueMatch } from './ast.ts'
import { FIELD_TIMESTAMP } from './fields.ts'
import { compileUserRegex, literalRuns, type RegexMode } from './regex.ts'
import { compileGlob } from './text-match-glob.ts'

/**
 * What a block must contain for any of its rows to match a filter: the part of the filter that indexes can answer.
 * It may only err on the side of too much (S5): a block that it refuses holds no match.
 */
export type PruneExpr =
  /** Says nothing: every block may match. */
  | { readonly kind: 'any' }
  /** No block can match. */
  | { readonly kind: 'none' }
  | { readonly kind: 'and'; readonly of: readonly PruneExpr[] }
  | { readonly kind: 'or'; readonly of: readonly PruneExpr[] }
  /** Some field holds this token (folded, as base/tokenizer.ts makes it). */
  | { readonly kind: 'token'; readonly token: string }
  /** Some field holds a token that begins with `prefix` (folded). */
  | { readonly kind: 'tokenPrefix'; readonly prefix: string }
  /** Some field holds a token within edit distance `distance` of `token` (folded). */
  | { readonly kind: 'fuzzyToken'; readonly token: string; readonly distance: number }
  /** Field `field` (canonical path) has a value of exactly this text (not numeric comparison). */
  | { readonly kind: 'value'; readonly field: string; readonly value: string }
  /** Field `field` has a numeric value in [min, max] (infinite: open). */
  | { readonly kind: 'range'; readonly field: string; readonly min: number; readonly max: number }
  /** Field `field` is there. */
  | { readonly kind: 'exists'; readonly field: string }

/**
 * What a block must contain for `filter` to match any of its rows. Negations say nothing, since what a row lacks no index of
 * what blocks have can tell. Throws QuerySyntaxError when a regular expression of the filter is refused.
 */
export function pruneOf(filter: Filter): PruneExpr {
  switch (filter.kind) {
    case 'all':
      return ANY
    case 'and':
      return allOf(filter.of.map(pruneOf))
    case 'or':
      return anyOf(filter.of.map(pruneOf))
    case 'not':
      if (filter.of.kind === 'all') return NONE
      return filter.of.kind === 'not' ? pruneOf(filter.of.of) : ANY
    case 'exists':
      // Fields below it count too, and indexes know whole names only.
      return ANY
    case 'text':
      return pruneOfText(filter.match)
    case 'field':
      return filter.field === FIELD_TIMESTAMP ? ANY : pruneOfValue(filter.field, filter.match)
  }
}

/**
 * The narrowest [fromMs, toMs] (inclusive, integers or infinite) outside of which no row matches, by the filter's own time
 * ranges; lets a plan leave out days and blocks.
 */
export function timeBoundsOf(filter: Filter): { readonly fromMs: number; readonly toMs: number } {
  if (filter.kind === 'field' && filter.match.kind === 'timeRange') return filter.match
  if (filter.kind !== 'and' && filter.kind !== 'or') return { fromMs: -Infinity, toMs: Infinity }
  const bounds = filter.of.map(timeBoundsOf)
  const fromMs = bounds.map((bound) => bound.fromMs)
  const toMs = bounds.map((bound) => bound.toMs)
  return filter.kind === 'and'
    ? { fromMs: Math.max(...fromMs), toMs: Math.min(...toMs) }
    : { fromMs: Math.min(...fromMs), toMs: Math.max(...toMs) }
}

const ANY: PruneExpr = { kind: 'any' }
const NONE: PruneExpr = { kind: 'none' }

/** Shorter prefixes are those of some token of nearly every block. */
const PREFIX_LENGTH_MIN = 2
/** The text by which matches of whole values see a null (query/filter.ts), which no index has as a value. */
const NULL_TEXT = 'null'

function allOf(of: readonly PruneExpr[]): PruneExpr {
  const parts = flattened(of, 'and').filter((part) => part.kind !== 'any')
  if (parts.some((part) => part.kind === 'none')) return NONE
  return parts.length === 0 ? ANY : parts.length === 1 ? parts[0]! : { kind: 'and', of: parts }
}

function anyOf(of: readonly PruneExpr[]): PruneExpr {
  const parts = flattened(of, 'or').filter((part) => part.kind !== 'none')
  if (parts.some((part) => part.kind === 'any')) return ANY
  return parts.length === 0 ? NONE : parts.length === 1 ? parts[0]! : { kind: 'or', of: parts }
}

/** Parts of the same kind opened up, repeats left out. */
function flattened(of: readonly PruneExpr[], kind: 'and' | 'or'): PruneExpr[] {
  const parts = new Map<string, PruneExpr>()
  for (const expr of of) {
    for (const part of expr.kind === kind ? expr.of : [expr]) {
      // JSON has no infinity.
      const key = part.kind === 'range' ? `${part.field}\0${part.min}\0${part.max}` : JSON.stringify(part)
      parts.set(key, part)
    }
  }
  return [...parts.values()]
}

function pruneOfText(match: TextMatch): PruneExpr {
  switch (match.kind) {
    case 'phrase':
      return allOf(match.tokens.map(tokenExpr))
    case 'tokenPattern':
      return allOf(
        match.tokens.map(({ pattern, literal }) =>
          literal ? tokenExpr(pattern) : prefixExpr(pattern.slice(0, pattern.search(/[*?]/))),
        ),
      )
    case 'fuzzy':
      return { kind: 'fuzzyToken', token: match.token, distance: match.distance }
    case 'regex':
      return regexExpr(match.source, match.flags, 'find')
  }
}

function pruneOfValue(field: string, match: ValueMatch): PruneExpr {
  switch (match.kind) {
    case 'equal':
      return equalExpr(field, match.text, match.number)
    case 'wildcard': {
      const pattern = field === FIELD_LEVEL ? match.pattern.toLowerCase() : match.pattern
      return compileGlob(pattern)(NULL_TEXT) ? { kind: 'exists', field } : wildcardExpr(match.pattern)
    }
    case 'regex': {
      const flags = field === FIELD_LEVEL && !match.flags.includes('i') ? `${match.flags}i` : match.flags
      const matchesNull = compileUserRegex(match.source, flags, 'whole').test(NULL_TEXT)
      return matchesNull ? { kind: 'exists', field } : regexExpr(match.source, flags, 'whole')
    }
    case 'range':
      return match.min > match.max ? NONE : { kind: 'range', field, min: match.min, max: match.max }
    case 'textRange':
      return { kind: 'exists', field }
    case 'timeRange':
      return ANY
  }
}

function equalExpr(field: string, text: string, number: number | null): PruneExpr {
  // Levels are stored in upper case and compared without regard to it.
  if (field === FIELD_LEVEL) return { kind: 'value', field, value: text.toUpperCase() }
  const lower = text.toLowerCase()
  if (text === NULL_TEXT) return { kind: 'exists', field }
  const ways: PruneExpr[] = [{ kind: 'value', field, value: text }]
  if (lower === 'true' || lower === 'false') ways.push({ kind: 'value', field, value: lower })
  // A number is found however it is written: 500, 500.0, 5e2.
  if (number !== null) ways.push({ kind: 'range', field, min: number, max: number })
  return anyOf(ways)
}

/** The literal text before, between and behind the wildcards of a pattern; `\\*`, `\\?` and `\\\\` are literal. */
function wildcardPieces(pattern: string): string[] {
  const pieces = ['']
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i]!
    if (c === '\\' && /[*?\\]/.test(pattern[i + 1] ?? '')) pieces[pieces.length - 1] += pattern[++i]!
    else if (c === '*' || c === '?') pieces.push('')
    else pieces[pieces.length - 1] += c
  }
  return pieces
}

function tokenExpr(token: string): PruneExpr {
  return { kind: 'token', token }
}

function prefixExpr(prefix: string): PruneExpr {
  return prefix.length < PREFIX_LENGTH_MIN ? ANY : { kind: 'tokenPrefix', prefix }
}

function regexExpr(source: string, flags: string, mode: RegexMode): PruneExpr {
  const runs = literalRuns(source, flags, mode)
  return allOf(runs.flatMap(({ text, closedLeft, closedRight }) => tokensWithin(text, closedLeft, closedRight)))
}

function wildcardExpr(pattern: string): PruneExpr {
  const pieces = wildcardPieces(pattern)
  return allOf(pieces.flatMap((piece, i) => tokensWithin(piece, i === 0, i === pieces.length - 1)))
}

/**
 * What a piece of text says of the tokens of a text it is part of. A token at an end of it is known as a whole only where
 * that end is closed: there the text ends, or a separator stands.
 */
function tokensWithin(piece: string, closedLeft: boolean, closedRight: boolean): PruneExpr[] {
  const tokens = tokensOfText(piece)
  if (tokens.length === 0) return []
  const openLeft = !closedLeft && isTokenUnit(piece.charCodeAt(0))
  const openRight = !closedRight && isTokenUnit(piece.charCodeAt(piece.length - 1))
  const exprs = tokens.map(tokenExpr)
  if (openRight) {
    const last = tokens[tokens.length - 1]!
    exprs[exprs.length - 1] = prefixExpr(last)
  }
  if (openLeft) exprs.shift()
  return exprs
}
