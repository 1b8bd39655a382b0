import { PATH_BYTES_MAX, QUERY_DEPTH_MAX, QUERY_NODES_MAX } from '../base/limits.ts'
import { QuerySyntaxError } from './errors.ts'

/** A stretch of the query text with its escapes resolved. */
export interface Chunk {
  readonly start: number
  readonly end: number
  /** Escapes resolved: `\*` is `*`. */
  readonly text: string
  /** Wildcards told apart from escaped ones: `\*`, `\?` and `\\` are literal. Runs of `*` are one. */
  readonly pattern: string
  readonly hasWildcard: boolean
}

/** A field as the query names it. */
export interface FieldName {
  readonly start: number
  readonly end: number
  /** Canonical path (base/columns.ts). */
  readonly path: string
  /** Some escape was used that a path does not need: the name is meant as it stands, not as an alias. */
  readonly verbatim: boolean
}

/** Where a parser stands in the query text, and what it has used up of its bounds. */
export class QueryCursor {
  readonly text: string
  readonly nowMs: number
  at = 0
  #nodes = 0
  #depth = 0

  constructor(text: string, nowMs: number) {
    this.text = text
    this.nowMs = nowMs
  }

  get isAtEnd(): boolean {
    return this.at >= this.text.length
  }

  /** The UTF-16 unit `ahead` of the current one; empty at the end. */
  peek(ahead = 0): string {
    return this.text[this.at + ahead] ?? ''
  }

  skipSpace(): void {
    while (!this.isAtEnd && isSpace(this.peek())) this.at++
  }

  /** True when the text goes on with `word`. */
  startsWith(word: string): boolean {
    return this.text.startsWith(word, this.at)
  }

  fail(problem: string, start: number, end: number, hint: string): never {
    throw new QuerySyntaxError(problem, start, Math.max(1, end - start), hint)
  }

  /** Counts a node of the syntax tree. */
  count(start: number): void {
    if (++this.#nodes > QUERY_NODES_MAX) {
      this.fail(
        'The query has too many parts',
        start,
        start + 1,
        `At most ${QUERY_NODES_MAX} words, values and operators.`,
      )
    }
  }

  /** Runs `parse` one level deeper. */
  nested<T>(start: number, parse: () => T): T {
    if (++this.#depth > QUERY_DEPTH_MAX) {
      this.fail(
        'The query is nested too deeply',
        start,
        start + 1,
        `At most ${QUERY_DEPTH_MAX} levels of parentheses and negations.`,
      )
    }
    const result = parse()
    this.#depth--
    return result
  }

  /** Reads up to a unit that `ends` says ends it; a backslash takes the next character with it. */
  chunk(ends: (c: string, at: number) => boolean): Chunk {
    const start = this.at
    let text = ''
    let pattern = ''
    let hasWildcard = false
    while (!this.isAtEnd) {
      let c = this.peek()
      const isEscaped = c === '\\'
      if (isEscaped) {
        if (this.at + 1 >= this.text.length) {
          this.fail('A backslash ends the query', this.at, this.at + 1, 'Write \\\\ for a backslash.')
        }
        this.at++
        c = this.peek()
      } else if (ends(c, this.at)) break
      const isWildcard = !isEscaped && (c === '*' || c === '?')
      text += c
      if (isWildcard) {
        hasWildcard = true
        if (c !== '*' || !endsWithStar(pattern)) pattern += c
      } else pattern += c === '*' || c === '?' || c === '\\' ? `\\${c}` : c
      this.at++
    }
    return { start, end: this.at, text, pattern, hasWildcard }
  }

  /** Reads "…", the cursor being at the opening quote. A backslash makes the next character literal. */
  quoted(): Chunk {
    const start = this.at++
    let text = ''
    for (;;) {
      if (this.isAtEnd) {
        return this.fail(
          'A quote is not closed',
          start,
          this.text.length,
          'Add the closing ", or write \\" for the character.',
        )
      }
      let c = this.peek()
      if (c === '"') break
      if (c === '\\') {
        this.at++
        if (this.isAtEnd) continue
        c = this.peek()
      }
      text += c
      this.at++
    }
    this.at++
    return { start, end: this.at, text, pattern: text.replace(/[*?\\]/g, '\\$&'), hasWildcard: false }
  }

  /** The field that the text [start, end) names. */
  fieldName(start: number, end: number): FieldName {
    let path = ''
    let verbatim = false
    for (let i = start; i < end; i++) {
      const c = this.text[i]!
      if (c !== '\\') {
        path += c
        continue
      }
      const next = this.text[++i] ?? ''
      if (next === '.' || next === '\\') path += `\\${next}`
      else {
        path += next
        verbatim = true
      }
    }
    if (path === '') this.fail('A field name is missing', start, end, 'Write field:value.')
    if (Buffer.byteLength(path) > PATH_BYTES_MAX) {
      this.fail('The field name is too long', start, end, `At most ${PATH_BYTES_MAX} bytes.`)
    }
    return { start, end, path, verbatim }
  }
}

export function isSpace(c: string): boolean {
  return c === ' ' || c === '\n' || c === '\t' || c === '\r' || (c > '\x7f' && /\s/.test(c))
}

function endsWithStar(pattern: string): boolean {
  if (!pattern.endsWith('*')) return false
  let backslashes = 0
  for (let i = pattern.length - 2; pattern[i] === '\\'; i--) backslashes++
  return backslashes % 2 === 0
}
