import type { Filter } from './ast.ts'
import { resolvedField } from './fields.ts'
import { regexTerm } from './parse-regex.ts'
import {
  type Bound,
  comparisonTerm,
  equalTerm,
  fieldTerm,
  phraseTerm,
  quotedFieldTerm,
  rangeTerm,
  textTerm,
} from './parse-terms.ts'
import { type Chunk, type FieldName, isSpace, type QueryCursor } from './query-cursor.ts'

/**
 * The filter at the cursor, up to the first pipe or the end; grammar in docs/query-language.md. Throws QuerySyntaxError.
 */
export function parseFilter(cursor: QueryCursor): Filter {
  cursor.skipSpace()
  if (cursor.isAtEnd || isPipe(cursor)) return { kind: 'all' }
  const filter = new FilterParser(cursor).disjunction(null)
  if (cursor.peek() === ')') failStray(cursor)
  return filter
}

function failStray(cursor: QueryCursor): never {
  return cursor.fail(
    'There is a ) without its (',
    cursor.at,
    cursor.at + 1,
    'Remove it, or write \\) for the character.',
  )
}

function failSingleQuote(cursor: QueryCursor): never {
  return cursor.fail('Single quotes do not quote', cursor.at, cursor.at + 1, 'Write "a phrase" in double quotes.')
}

function isPipe(cursor: QueryCursor): boolean {
  return cursor.peek() === '|' && cursor.peek(1) !== '|'
}

/** The field that words stand for the values of: that of `field:(…)`; null outside. */
type FieldScope = string | null

class FilterParser {
  readonly #cursor: QueryCursor

  constructor(cursor: QueryCursor) {
    this.#cursor = cursor
  }

  disjunction(scope: FieldScope): Filter {
    const of = [this.#conjunction(scope, null)]
    for (;;) {
      const operator = this.#operator(['OR', '||'])
      if (operator === null) return joined('or', of)
      of.push(this.#conjunction(scope, operator))
    }
  }

  #conjunction(scope: FieldScope, after: string | null): Filter {
    const of = [this.#negation(scope, after)]
    for (;;) {
      const operator = this.#operator(['AND', '&&'])
      if (operator === null && (this.#isAtClauseEnd() || this.#isOperator('OR') || this.#cursor.startsWith('||'))) {
        return joined('and', of)
      }
      of.push(this.#negation(scope, operator))
    }
  }

  #negation(scope: FieldScope, after: string | null): Filter {
    const cursor: QueryCursor = this.#cursor
    cursor.skipSpace()
    const start = cursor.at
    this.#requireOperand(after)
    const word = this.#operator(['NOT'])
    if (word !== null) return this.#negated(scope, start, word)
    const c = cursor.peek()
    // In `field:(…)` a minus before a digit still negates; a negative number is field:-5.
    if (c === '-' || c === '!' || c === '+') {
      cursor.at++
      const next = cursor.peek()
      if (next === '' || isSpace(next) || next === ')') {
        cursor.fail(
          `A lone ${c}`,
          start,
          start + 1,
          `Write ${c}word without a space, or "${c}" in quotes within a phrase.`,
        )
      }
      if (c === '!' && next === '=') {
        cursor.fail('There is no !=', start, start + 2, 'Write -field:value for "is not".')
      }
      return c === '+' ? cursor.nested(start, () => this.#negation(scope, c)) : this.#negated(scope, start, c)
    }
    const filter = this.#primary(scope)
    this.#requireBoundary(start)
    return filter
  }

  #negated(scope: FieldScope, start: number, operator: string): Filter {
    this.#cursor.count(start)
    return { kind: 'not', of: this.#cursor.nested(start, () => this.#negation(scope, operator)) }
  }

  #requireOperand(after: string | null): void {
    const cursor: QueryCursor = this.#cursor
    const start = cursor.at
    const found = this.#isOperator('OR')
      ? 'OR'
      : this.#isOperator('AND')
        ? 'AND'
        : cursor.startsWith('||')
          ? '||'
          : cursor.startsWith('&&')
            ? '&&'
            : null
    if (found !== null) {
      cursor.fail(
        `Something is missing before ${found}`,
        start,
        start + found.length,
        /^[A-Z]/.test(found)
          ? `Put a condition on both sides; to search for the word write "${found.toLowerCase()}".`
          : `Put a condition on both sides of ${found}.`,
      )
    }
    if (!this.#isAtClauseEnd()) return
    if (after === null) {
      const open = cursor.text.slice(0, start).trimEnd().length - 1
      if (cursor.text[open] !== '(') failStray(cursor)
      cursor.fail('Empty parentheses', open, cursor.at + 1, 'Put a condition between ( and ).')
    }
    const at = cursor.text.lastIndexOf(after, start - 1)
    cursor.fail(
      `Something is missing after ${after}`,
      at,
      at + after.length,
      `Put a condition behind it${/^[A-Z]/.test(after) ? `; to search for the word write "${after.toLowerCase()}"` : ''}.`,
    )
  }

  #isAtClauseEnd(): boolean {
    this.#cursor.skipSpace()
    return this.#cursor.isAtEnd || this.#cursor.peek() === ')' || isPipe(this.#cursor)
  }

  /** Reads one of the operators, and says which. */
  #operator(operators: readonly string[]): string | null {
    this.#cursor.skipSpace()
    for (const operator of operators) {
      if (/^[A-Z]/.test(operator) ? this.#isOperator(operator) : this.#cursor.startsWith(operator)) {
        this.#cursor.at += operator.length
        return operator
      }
    }
    return null
  }

  /** True at the operator `word`, which ends where no word could go on. */
  #isOperator(word: string): boolean {
    if (!this.#cursor.startsWith(word)) return false
    const next = this.#cursor.peek(word.length)
    return next === '' || isSpace(next) || '()"|'.includes(next)
  }

  #requireBoundary(start: number): void {
    const cursor: QueryCursor = this.#cursor
    const c = cursor.peek()
    if (c === '' || isSpace(c) || c === ')' || c === '|' || cursor.startsWith('&&')) return
    const before = cursor.text.slice(start, cursor.at)
    if (c === ':' && before.startsWith('"')) {
      cursor.fail(
        'A quoted text cannot name a field',
        start,
        cursor.at + 1,
        'Escape what is special in the name: my\\ field:value.',
      )
    }
    cursor.fail(
      `A space or an operator is missing before ${c}`,
      cursor.at,
      cursor.at + 1,
      `Separate the two conditions, or write \\${c} for the character.`,
    )
  }

  #primary(scope: FieldScope): Filter {
    const cursor: QueryCursor = this.#cursor
    const start = cursor.at
    cursor.count(start)
    const c = cursor.peek()
    if (c === '(') return this.#group(scope)
    if (c === '"') return scope === null ? phraseTerm(cursor, null, cursor.quoted()) : this.#value(scope, start)
    if (c === '/') return regexTerm(cursor, scope === null ? 'text' : 'field', scope)
    if (scope !== null) return this.#value(scope, start)
    if (c === "'") failSingleQuote(cursor)
    if (c === '[' || c === '{') {
      cursor.fail(
        'A range needs a field',
        start,
        start + 1,
        `Write field:${c}1 TO 5${c === '[' ? ']' : '}'}, or quote the text.`,
      )
    }
    if (c === '<' || c === '>' || c === '=') {
      cursor.fail(
        'A comparison needs a field',
        start,
        start + 1,
        'Write field:>500, field:<=10 or field:=text; quote it to search for text.',
      )
    }
    return this.#term()
  }

  #group(scope: FieldScope): Filter {
    const cursor: QueryCursor = this.#cursor
    const start = cursor.at++
    return cursor.nested(start, () => {
      const filter = this.disjunction(scope)
      if (cursor.peek() !== ')') {
        cursor.fail('A parenthesis is not closed', start, start + 1, 'Add ), or write \\( for the character.')
      }
      cursor.at++
      return filter
    })
  }

  /** A bare word, or a field and its value. */
  #term(): Filter {
    const cursor: QueryCursor = this.#cursor
    const start = cursor.at
    const chunk = cursor.chunk((c, at) => isTermEnd(cursor, c, at) || c === ':')
    if (cursor.peek() !== ':') return textTerm(cursor, null, chunk)
    const colon = cursor.at
    if (chunk.start === chunk.end) {
      cursor.fail(
        'A : without a field name before it',
        colon,
        colon + 1,
        'Write field:value, or \\: for the character.',
      )
    }
    cursor.at++
    this.#requireValue(start, chunk, colon)
    const name = cursor.fieldName(chunk.start, chunk.end)
    if (!name.verbatim && name.path === '_exists_') return this.#exists()
    if (!name.verbatim && name.path === '_missing_') {
      cursor.fail('There is no _missing_', start, colon + 1, 'Write -_exists_:field.')
    }
    if (chunk.hasWildcard) {
      if (chunk.pattern === '*' && cursor.peek() === '*') {
        cursor.at++
        return { kind: 'all' }
      }
      cursor.fail(
        'A field name cannot hold wildcards',
        start,
        colon,
        'Name the field, or search for the words in every field.',
      )
    }
    return this.#value(fieldOf(name), start)
  }

  #requireValue(start: number, name: Chunk, colon: number): void {
    const cursor: QueryCursor = this.#cursor
    const c = cursor.peek()
    const named = cursor.text.slice(start, colon)
    if (/^\d+$/.test(name.text) && !cursor.text.slice(start, colon).includes('\\') && /\d/.test(c)) {
      cursor.fail(
        `${named}: reads as a field name`,
        start,
        colon + 1,
        `Quote a time or an address: "${shown(cursor, start)}".`,
      )
    }
    if (cursor.startsWith('//') && /^[a-z][a-z0-9+.-]*$/i.test(named)) {
      cursor.fail(`${named}: reads as a field name`, start, colon + 1, `Quote an address: "${shown(cursor, start)}".`)
    }
    if (c === '' || c === ')' || isPipe(cursor)) {
      cursor.fail(
        `The value of ${named} is missing`,
        colon,
        colon + 1,
        `Write ${named}:value, or ${named}:* for any value.`,
      )
    }
    if (isSpace(c)) {
      const next = cursor.text.slice(cursor.at).trimStart()
      if (next === '')
        cursor.fail(
          `The value of ${named} is missing`,
          colon,
          colon + 1,
          `Write ${named}:value, or ${named}:* for any value.`,
        )
      cursor.fail(
        `The value of ${named} is missing`,
        colon,
        colon + 1,
        `Write ${named}:${/^[^\s|()]{0,40}/.exec(next)![0] || 'value'} without a space; for text with a colon use quotes.`,
      )
    }
    if (c === ':')
      cursor.fail(
        'A second : follows',
        colon,
        colon + 2,
        'Write field:value; escape a colon of the value at its start: \\:.',
      )
  }

  #exists(): Filter {
    const cursor: QueryCursor = this.#cursor
    const start = cursor.at
    const chunk = cursor.chunk((c, at) => isTermEnd(cursor, c, at))
    if (chunk.start === chunk.end || chunk.hasWildcard) {
      cursor.fail(
        '_exists_ takes the name of a field',
        start,
        Math.max(cursor.at, start + 1),
        'Write _exists_:traceId.',
      )
    }
    return { kind: 'exists', field: fieldOf(cursor.fieldName(chunk.start, chunk.end)) }
  }

  /** What follows `field:`. */
  #value(field: string, start: number): Filter {
    const cursor: QueryCursor = this.#cursor
    const c = cursor.peek()
    if (c === '(') return this.#group(field)
    if (c === '"') return quotedFieldTerm(cursor, field, cursor.quoted())
    if (c === '/') return regexTerm(cursor, 'field', field)
    if (c === '[' || c === '{') return this.#range(field)
    if (c === '>' || c === '<' || c === '=') return this.#comparison(field)
    if (c === '~') {
      cursor.at++
      if (cursor.peek() === '"') return phraseTerm(cursor, field, cursor.quoted())
      if (cursor.peek() === '/') return regexTerm(cursor, 'text', field)
      return textTerm(cursor, field, this.#plain('~'))
    }
    if (c === "'") failSingleQuote(cursor)
    if (c === '!' && cursor.peek(1) === '=') {
      cursor.fail(
        'There is no !=',
        cursor.at,
        cursor.at + 2,
        `Write -${cursor.text.slice(start, cursor.at)}value for "is not".`,
      )
    }
    return fieldTerm(cursor, field, this.#plain(':'))
  }

  #plain(after: string): Chunk {
    const cursor: QueryCursor = this.#cursor
    const chunk = cursor.chunk((c, at) => isTermEnd(cursor, c, at))
    if (chunk.start === chunk.end) {
      cursor.fail(
        `A value is missing after ${after}`,
        chunk.start - 1,
        chunk.start,
        'Write it without a space, or "" for the empty text.',
      )
    }
    return chunk
  }

  #comparison(field: string): Filter {
    const cursor: QueryCursor = this.#cursor
    const first = cursor.peek()
    const operator = first !== '=' && cursor.peek(1) === '=' ? `${first}=` : first
    const start = cursor.at
    cursor.at += operator.length
    if (operator === '=' && cursor.peek() === '=')
      cursor.fail('There is no ==', start, start + 2, 'Write field:=value.')
    cursor.skipSpace()
    if (this.#isAtClauseEnd()) {
      cursor.fail(`A value is missing after ${operator}`, start, start + operator.length, `Write field:${operator}500.`)
    }
    const isQuoted = cursor.peek() === '"'
    const chunk = isQuoted ? cursor.quoted() : this.#plain(operator)
    if (operator === '=') {
      if (chunk.hasWildcard) {
        cursor.fail(
          'An exact value cannot hold wildcards',
          chunk.start,
          chunk.end,
          'Write field:value* without =, or quote the value.',
        )
      }
      return equalTerm(cursor, field, chunk, isQuoted)
    }
    return comparisonTerm(cursor, field, operator as '>' | '>=' | '<' | '<=', chunk, isQuoted)
  }

  #range(field: string): Filter {
    const cursor: QueryCursor = this.#cursor
    const start = cursor.at
    const minInclusive = cursor.peek() === '['
    cursor.at++
    const min = this.#bound(start)
    cursor.skipSpace()
    if (!cursor.startsWith('TO') || !/^(?:\s|"|$)/.test(cursor.peek(2))) {
      cursor.fail(
        'A range needs TO between its ends',
        start,
        Math.min(cursor.text.length, cursor.at + 2),
        cursor.startsWith('to')
          ? 'Write TO in capitals: [1 TO 5].'
          : 'Write [1 TO 5], [10 TO *] or {1 TO 5} without its ends.',
      )
    }
    cursor.at += 2
    const max = this.#bound(start)
    cursor.skipSpace()
    const close = cursor.peek()
    if (close !== ']' && close !== '}') this.#failUnclosedRange(start)
    cursor.at++
    return rangeTerm(cursor, field, min, minInclusive, max, close === ']', { start, end: cursor.at })
  }

  #failUnclosedRange(start: number): never {
    return this.#cursor.fail('A range is not closed', start, start + 1, 'Write [1 TO 5]; quote ends that have spaces.')
  }

  /** One end; null for `*`. */
  #bound(start: number): Bound | null {
    const cursor: QueryCursor = this.#cursor
    cursor.skipSpace()
    if (cursor.peek() === '"') return { chunk: cursor.quoted(), isQuoted: true }
    const chunk = cursor.chunk((c) => isSpace(c) || c === ']' || c === '}' || c === '"' || c === '|' || c === ')')
    if (chunk.start === chunk.end) {
      if (cursor.isAtEnd || cursor.peek() === '|' || cursor.peek() === ')') this.#failUnclosedRange(start)
      cursor.fail('An end of the range is missing', start, cursor.at + 1, 'Write * for an open end: [5 TO *].')
    }
    return chunk.pattern === '*' ? null : { chunk, isQuoted: false }
  }
}

function fieldOf(name: FieldName): string {
  return name.verbatim ? name.path : resolvedField(name.path)
}

function isTermEnd(cursor: QueryCursor, c: string, at: number): boolean {
  return isSpace(c) || c === '(' || c === ')' || c === '"' || c === '|' || (c === '&' && cursor.text[at + 1] === '&')
}

function shown(cursor: QueryCursor, start: number): string {
  return /^[^\s"|()]{1,60}/.exec(cursor.text.slice(start))?.[0] ?? ''
}

/** Nodes of the same kind are one node. */
function joined(kind: 'and' | 'or', of: readonly Filter[]): Filter {
  const parts = of.flatMap((filter) => (filter.kind === kind ? filter.of : [filter]))
  return parts.length === 1 ? parts[0]! : { kind, of: parts }
}
