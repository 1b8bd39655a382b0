export type TokenKind =
  | 'field'
  | 'operator'
  | 'phrase'
  | 'regex'
  | 'range'
  | 'number'
  | 'word'
  | 'pipe'
  | 'keyword'
  | 'function'

/** A piece of a query; `from` and `to` in UTF-16 units. */
export interface Token {
  readonly kind: TokenKind
  readonly from: number
  readonly to: number
}

const FILTER: readonly (readonly [TokenKind, RegExp])[] = [
  ['phrase', /"(?:[^"\\]|\\.)*(?:"|$)/sy],
  ['operator', /\|\||&&|[()]|(?:AND|OR|NOT)(?![^\s()])|[-!+](?=\S)/y],
  ['field', /(?:[^\s()"|:\\[\]{}<>=~]|\\.)+:/y],
  ['regex', /~?\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\]|\\.)*\])+\/[imsu]*/y],
  ['range', /[[{][^\]}]*(?:[\]}]|$)|[<>]=?(?=\S)|[=~](?=\S)/y],
  ['number', /-?\d+(?:\.\d+)?(?:[a-z]{1,2})?(?=[\s()|]|$)/y],
  ['word', /(?:[^\s()"|:\\]|\\.)+|./sy],
]

const PIPE: readonly (readonly [TokenKind, RegExp])[] = [
  ['phrase', /"(?:[^"\\]|\\.)*(?:"|$)/sy],
  ['keyword', /(?:by|as|from|asc|desc|and|or|not|true|false|null)(?![\w.-])/y],
  ['function', /(?:count|sum|avg|min|max|uniq|bucket|p\d+(?:\.\d+)?)(?=\()/y],
  ['number', /-?\d+(?:\.\d+)?(?:[a-z]{1,2}(?:\d+[a-z]{1,2})*)?(?![\w.])/y],
  ['operator', /[<>=!]=?|[(),]/y],
  ['word', /(?:[^\s()",|<>=!\\]|\\.)+|./sy],
]

const SPACE = /\s+/y
const PIPE_NAME = /\|\s*[a-z]*/y

/** Cuts a query into tokens, for colours and completion; white space is left out. Takes any text: judging it is the node's. */
export function queryTokens(text: string): readonly Token[] {
  const tokens: Token[] = []
  let rules = FILTER
  let at = 0
  while (at < text.length) {
    const space = matchAt(SPACE, text, at)
    if (space > at) {
      at = space
      continue
    }
    if (text[at] === '|' && text[at + 1] !== '|') {
      rules = PIPE
      const to = matchAt(PIPE_NAME, text, at)
      tokens.push({ kind: 'pipe', from: at, to })
      at = to
      continue
    }
    for (const [kind, pattern] of rules) {
      const to = matchAt(pattern, text, at)
      if (to <= at) continue
      tokens.push({ kind, from: at, to })
      at = to
      break
    }
  }
  return tokens
}

function matchAt(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at
  return pattern.test(text) ? pattern.lastIndex : at
}

/** Where the pipes begin; the length of the text when there are none. */
function pipesStart(text: string): number {
  return queryTokens(text).find(({ kind }) => kind === 'pipe')?.from ?? text.length
}

/** The part of a query that chooses records. */
export function filterOf(text: string): string {
  return text.slice(0, pipesStart(text)).trim()
}

/** Whether a query answers with a table instead of records. */
export function makesTable(text: string): boolean {
  return queryTokens(text).some(
    ({ kind, from, to }) => kind === 'pipe' && /^\|\s*(?:stats|top|rate)$/.test(text.slice(from, to)),
  )
}

/** The query with one more condition, which all records must meet. */
export function withCondition(text: string, condition: string): string {
  const start = pipesStart(text)
  const filter = text.slice(0, start).trim()
  const pipes = text.slice(start)
  const isOr = queryTokens(filter).some(
    ({ kind, from, to }) => kind === 'operator' && /^(?:OR|\|\|)$/.test(filter.slice(from, to)),
  )
  const kept = filter === '' || filter === '*' ? '' : isOr ? `(${filter}) ` : `${filter} `
  return `${kept}${condition}${pipes === '' ? '' : ` ${pipes}`}`
}

/** `field:"value"` for a value as it is in a record; undefined where no condition can say it. */
export function conditionOf(field: string, value: unknown): string | undefined {
  if (value === null) return `${field}:null`
  if (typeof value === 'boolean' || typeof value === 'number') return `${field}:${value}`
  if (typeof value !== 'string' || value.length > 4000) return undefined
  const quoted = `"${value.replace(/["\\]/g, '\\$&')}"`
  if (field === 'message') return `message:=${quoted}`
  return /^[A-Za-z][\w]*$/.test(value) ? `${field}:${value}` : `${field}:${quoted}`
}

/** A field's name from its keys: what has a meaning in a query is escaped. */
export function fieldName(keys: readonly string[]): string {
  return keys.map((key) => key.replace(/[^\w@$-]/g, '\\$&')).join('.')
}

const WORDS_MAX = 50

/**
 * What finds the words of a query in messages, to mark them; null when it has none. Regular expressions of the user are used where they hold no
 * repeated group, which a browser's engine could take for ever on.
 */
export function matcherOf(text: string): RegExp | null {
  const tokens = queryTokens(text.slice(0, pipesStart(text)))
  const sources: string[] = []
  tokens.forEach(({ kind, from, to }, i) => {
    const before = tokens[i - 1]
    const beforeText = before === undefined ? '' : text.slice(before.from, before.to)
    if (before?.kind === 'operator' && /^(?:-|!|NOT)$/.test(beforeText)) return
    if (before?.kind === 'field' && !/^(?:message|msg|log|_msg|body):$/.test(beforeText)) return
    if (before?.kind === 'range') return
    const source = sourceOf(kind, text.slice(from, to))
    if (source !== undefined) sources.push(source)
  })
  if (sources.length === 0) return null
  try {
    return new RegExp(sources.slice(0, WORDS_MAX).join('|'), 'giu')
  } catch {
    return null
  }
}

function sourceOf(kind: TokenKind, text: string): string | undefined {
  if (kind === 'phrase') {
    const words = text.replace(/^"|"$/g, '').match(/[\p{L}\p{N}_]+/gu)
    return words === null ? undefined : words.join('[^\\p{L}\\p{N}_]+')
  }
  if (kind === 'regex') {
    const body = text.slice(text.indexOf('/') + 1, text.lastIndexOf('/'))
    return /\)[*+?{]|\(\?/.test(body) || body.length > 200 ? undefined : `(?:${body})`
  }
  if (kind !== 'word' && kind !== 'number') return undefined
  const parts = text.replace(/~\d?$/, '').match(/[\p{L}\p{N}_*?]+/gu)
  if (parts === null || /^[*?]+$/.test(parts.join(''))) return undefined
  const words = parts.map((part) => part.replaceAll('*', '[\\p{L}\\p{N}_]*').replaceAll('?', '[\\p{L}\\p{N}_]'))
  return `(?<![\\p{L}\\p{N}_])${words.join('[^\\p{L}\\p{N}_]+')}(?![\\p{L}\\p{N}_])`
}
