import { FIELD_LEVEL, FIELD_SERVICE } from '../base/columns.ts'
import type { Filter } from '../query/ast.ts'
import { LEVELS } from '../query/fields.ts'
import { type PruneExpr, pruneOf } from '../query/prune.ts'

/**
 * Something that a row has when it matches: a word in a field (null: in any), with these words right before and behind it in the same value; or a
 * field's value.
 */
export type GuardKey =
  | {
      readonly kind: 'word'
      readonly word: string
      readonly field: string | null
      readonly before: readonly string[]
      readonly after: readonly string[]
    }
  | { readonly kind: 'value'; readonly field: string; readonly text: string; readonly number: number | null }

/** What tells cheaply that a row does not match a filter. It may only err on the side of too much (S5). */
export interface FilterGuard {
  /** Only rows of these services match; null: it does not say. */
  readonly services: readonly string[] | null
  /** Only rows of these levels match. */
  readonly levels: readonly string[] | null
  /** A row that matches has one of them; none: it does not say. */
  readonly keys: readonly GuardKey[]
  /** A row that matches has this field; null: it does not say. */
  readonly field: string | null
  /** A row of one of the services, of one of the levels, with one of the keys, matches exactly when it matches this. */
  readonly rest: Filter
}

const ALL: Filter = { kind: 'all' }
/** Words of these characters only: what folds to them is known, and no integer has a letter. */
const USABLE = /^(?=.*[a-z_])[a-z0-9_]{2,64}$/
const PLAIN = /^[a-z0-9_]{1,64}$/
/** A value that is written otherwise may equal them. */
const LOOSE = new Set(['true', 'false', 'null'])
const KEYS_MAX = 16

export function guardOf(filter: Filter): FilterGuard {
  const clauses = filter.kind === 'and' ? [...filter.of] : [filter]
  const services = takeClause(clauses, servicesOf)
  const levels = takeClause(clauses, levelsOf)
  let best: ClauseKeys | undefined
  for (const clause of clauses) {
    const found = keysOf(clause)
    if (found !== undefined && (best === undefined || found.rank > best.rank)) best = { ...found, clause }
  }
  const left = best?.isExact === true ? clauses.filter((clause) => clause !== best.clause) : clauses
  const rest = left.filter(({ kind }) => kind !== 'all')
  const fielded = rest.find((clause) => requiredField(clause) !== null)
  return {
    services,
    levels,
    keys: best?.keys ?? [],
    field: fielded === undefined ? null : requiredField(fielded),
    rest: rest.length === 0 ? ALL : rest.length === 1 ? rest[0]! : { kind: 'and', of: rest },
  }
}

/** Takes out the first clause that `read` makes something of. */
function takeClause<T>(clauses: Filter[], read: (clause: Filter) => T | null): T | null {
  for (const [i, clause] of clauses.entries()) {
    const found = read(clause)
    if (found === null) continue
    clauses.splice(i, 1)
    return found
  }
  return null
}

/** Texts of which a field is one; null where the clause says something else. */
function textsOf(clause: Filter, field: string): string[] | null {
  if (clause.kind === 'or') {
    const texts = clause.of.map((part) => textsOf(part, field))
    return texts.some((part) => part === null) ? null : texts.flatMap((part) => part!)
  }
  if (clause.kind !== 'field' || clause.field !== field || clause.match.kind !== 'equal') return null
  const { text, number } = clause.match
  return number !== null || LOOSE.has(text.toLowerCase()) ? null : [text]
}

function servicesOf(clause: Filter): string[] | null {
  return textsOf(clause, FIELD_SERVICE)
}

function levelsOf(clause: Filter): string[] | null {
  const levels = textsOf(clause, FIELD_LEVEL)?.map((text) => text.toUpperCase())
  return levels?.every((level) => LEVELS.includes(level)) === true ? levels : null
}

interface ClauseKeys {
  readonly keys: readonly GuardKey[]
  /** Which clause's keys are best: the fewer rows have them. */
  readonly rank: number
  /** A row has one of the keys exactly when it matches the clause. */
  readonly isExact: boolean
  readonly clause?: Filter
}

const VALUE_RANK = 100
const ALTERNATIVES_RANK = -100

function keysOf(clause: Filter): ClauseKeys | undefined {
  switch (clause.kind) {
    case 'or': {
      const parts = clause.of.map(keysOf)
      const keys: GuardKey[] = []
      for (const part of parts) {
        if (part === undefined) return undefined
        keys.push(...part.keys)
      }
      if (keys.length > KEYS_MAX) return undefined
      return { keys, rank: ALTERNATIVES_RANK, isExact: parts.every((part) => part!.isExact) }
    }
    case 'and': {
      const parts = clause.of.map(keysOf).filter((part) => part !== undefined)
      const best = parts.toSorted((a, b) => b.rank - a.rank)[0]
      return best === undefined ? undefined : { ...best, isExact: false }
    }
    case 'text': {
      if (clause.field === 'timestamp') return undefined
      if (clause.match.kind === 'phrase') return phraseKey(clause.match.tokens, clause.field)
      const words = wordsOf(pruneOf(clause))
      return words === undefined ? undefined : wordKeys(words, clause.field)
    }
    case 'field': {
      const { field, match } = clause
      if (field === 'timestamp' || field === FIELD_LEVEL) return undefined
      if (match.kind === 'equal') {
        // Numbers beyond are equal by their digits.
        if (Math.abs(match.number ?? 0) > Number.MAX_SAFE_INTEGER) return undefined
        if (LOOSE.has(match.text.toLowerCase())) return undefined
        const key: GuardKey = { kind: 'value', field, text: match.text, number: match.number }
        return { keys: [key], rank: VALUE_RANK, isExact: true }
      }
      const words = match.kind === 'wildcard' || match.kind === 'regex' ? wordsOf(pruneOf(clause)) : undefined
      return words === undefined ? undefined : wordKeys(words, field)
    }
    default:
      return undefined
  }
}

function wordKeys(words: readonly string[], field: string | null): ClauseKeys {
  const keys = words.map((word): GuardKey => ({ kind: 'word', word, field, before: [], after: [] }))
  const rank = words.length === 1 ? words[0]!.length : ALTERNATIVES_RANK
  return { keys, rank, isExact: false }
}

/** Its longest word, with the others around it. */
function phraseKey(tokens: readonly string[], field: string | null): ClauseKeys | undefined {
  let at = -1
  tokens.forEach((token, i) => {
    if (USABLE.test(token) && (at < 0 || token.length > tokens[at]!.length)) at = i
  })
  if (at < 0) return undefined
  const word = tokens[at]!
  const isExact = tokens.every((token) => PLAIN.test(token))
  const before = isExact ? tokens.slice(0, at) : []
  const after = isExact ? tokens.slice(at + 1) : []
  return { keys: [{ kind: 'word', word, field, before, after }], rank: word.length, isExact }
}

/** Words of which a text that matches has one; undefined where that is not known. */
function wordsOf(expr: PruneExpr): string[] | undefined {
  switch (expr.kind) {
    case 'token':
      return USABLE.test(expr.token) ? [expr.token] : undefined
    case 'and': {
      const known = expr.of.map(wordsOf).filter((words) => words !== undefined)
      return known.toSorted((a, b) => a.length - b.length || b[0]!.length - a[0]!.length)[0]
    }
    case 'or': {
      const words: string[] = []
      for (const part of expr.of) {
        const known = wordsOf(part)
        if (known === undefined) return undefined
        words.push(...known)
      }
      return words.length === 0 || words.length > KEYS_MAX ? undefined : words
    }
    default:
      return undefined
  }
}

/** The field without which no row matches a clause. */
function requiredField(clause: Filter): string | null {
  if (clause.kind !== 'text' && clause.kind !== 'field') return null
  return clause.field === 'timestamp' ? null : clause.field
}
