import { queryTokens, type Token } from './query-syntax.ts'

/** What may stand at a place of a query, and which part of the text it would take the place of. */
export interface CompletionPlace {
  readonly kind: 'field' | 'value' | 'pipe' | 'metric' | 'name'
  readonly from: number
  readonly to: number
  readonly prefix: string
  /** Of a value: whose. */
  readonly field?: string
}

export interface Completion {
  readonly label: string
  /** What takes the place of the prefix. */
  readonly insert: string
  readonly detail?: string
}

const PIPES: Readonly<Record<string, string>> = {
  stats: 'a table: metrics by keys',
  top: 'the most frequent values',
  rate: 'records per second',
  where: 'keep rows by a condition',
  sort: 'order rows',
  limit: 'the first rows',
  fields: 'only these fields',
  dedup: 'first row of each value',
  parse: 'take fields out of a text',
}
const METRICS = ['count()', 'sum(', 'avg(', 'min(', 'max(', 'uniq(', 'p50(', 'p95(', 'p99(']
const COMPLETIONS_MAX = 50

/** Where the caret stands; undefined where nothing is offered, as within a phrase. */
export function completionPlace(text: string, caret: number): CompletionPlace | undefined {
  const tokens = queryTokens(text)
  const index = tokens.findLastIndex(({ from }) => from < caret)
  const token = tokens[index]
  const touches = token !== undefined && token.to >= caret
  const inPipes = tokens.slice(0, index + 1).some(({ kind }) => kind === 'pipe')
  if (inPipes) return pipePlace(text, caret, tokens, index)
  if (touches && token.kind === 'field' && caret === token.to) {
    return { kind: 'value', from: caret, to: caret, prefix: '', field: text.slice(token.from, token.to - 1) }
  }
  if (touches && token.kind !== 'word' && token.kind !== 'number' && token.kind !== 'field') {
    if (token.kind !== 'operator' || token.to > caret) return undefined
  }
  const isWord = touches && token.kind !== 'operator'
  const from = isWord ? token.from : caret
  const before = tokens[isWord ? index - 1 : index]
  const prefix = text.slice(from, caret)
  const to = isWord && token.kind !== 'field' ? token.to : caret
  if (before?.kind === 'field' && before.to === from) {
    return { kind: 'value', from, to, prefix, field: text.slice(before.from, before.to - 1) }
  }
  return { kind: 'field', from, to, prefix }
}

function pipePlace(text: string, caret: number, tokens: readonly Token[], index: number): CompletionPlace | undefined {
  const token = tokens[index]!
  if (token.kind === 'pipe' && token.to >= caret) {
    const from = token.from + /^\|\s*/.exec(text.slice(token.from, token.to))![0].length
    return caret < from ? undefined : { kind: 'pipe', from, to: token.to, prefix: text.slice(from, caret) }
  }
  if (token.kind === 'phrase' && token.to >= caret) return undefined
  const isWord = token.to >= caret && (token.kind === 'word' || token.kind === 'keyword')
  const from = isWord ? token.from : caret
  const before = tokens[isWord ? index - 1 : index]!
  const pipe = tokens.slice(0, index + 1).findLast(({ kind }) => kind === 'pipe')!
  const name = /[a-z]*$/.exec(text.slice(pipe.from, pipe.to))![0]
  const isMetric =
    name === 'stats' &&
    !/\bby\b/.test(text.slice(pipe.to, from)) &&
    (before === pipe || text.slice(before.from, before.to) === ',')
  return { kind: isMetric ? 'metric' : 'name', from, to: isWord ? token.to : caret, prefix: text.slice(from, caret) }
}

interface Known {
  readonly fields: readonly { readonly name: string; readonly type: string; readonly count: number }[]
  /** Most frequent values of `place.field`. */
  readonly values: readonly { readonly value: string; readonly count: number }[]
}

/** What is offered at a place, best first. */
export function completionsAt(place: CompletionPlace, { fields, values }: Known): readonly Completion[] {
  return all().slice(0, COMPLETIONS_MAX)

  function all(): readonly Completion[] {
    switch (place.kind) {
      case 'pipe':
        return Object.entries(PIPES)
          .filter(([name]) => begins(name))
          .map(([name, detail]) => ({ label: name, insert: `${name} `, detail }))
      case 'metric':
        return METRICS.filter(begins).map((name) => ({ label: name, insert: name }))
      case 'value':
        return values
          .filter(({ value }) => holds(value))
          .map(({ value, count }) => ({
            label: value.length > 80 ? `${value.slice(0, 80)}…` : value,
            insert: `${quoted(value)} `,
            detail: count.toLocaleString('en'),
          }))
      default: {
        const suffix = place.kind === 'field' ? ':' : ''
        const names = fields.filter(({ name }) => holds(name))
        names.sort((a, b) => Number(begins(b.name)) - Number(begins(a.name)) || b.count - a.count)
        return names.map(({ name, type }) => ({ label: name, insert: name + suffix, detail: type }))
      }
    }
  }
  function begins(name: string): boolean {
    return name.toLowerCase().startsWith(place.prefix.toLowerCase())
  }
  function holds(name: string): boolean {
    return name.toLowerCase().includes(place.prefix.replace(/^"/, '').toLowerCase())
  }
}

function quoted(value: string): string {
  return /^[A-Za-z_][\w]*$/.test(value) || /^\d+$/.test(value) ? value : `"${value.replace(/["\\]/g, '\\$&')}"`
}
