import { AGGREGATE_GROUPS_MAX } from '../base/limits.ts'
import type { GroupKey, Metric, MetricName, Pipe } from './ast.ts'
import { durationMs } from './duration.ts'
import { didYouMean } from './errors.ts'
import { parseCondition } from './parse-condition.ts'
import { PipeReader } from './pipe-reader.ts'
import type { QueryCursor } from './query-cursor.ts'

/** Columns of the tables that `top` and `rate` make. */
const COLUMN_COUNT = 'count'
const COLUMN_RATE = 'rate'
const COLUMN_BUCKET = 'bucket'

const PIPES = ['stats', 'where', 'sort', 'limit', 'parse', 'fields', 'dedup', 'top', 'rate'] as const
type PipeName = (typeof PIPES)[number]

/** Names that other languages give these pipes. */
const OTHER_NAMES: Readonly<Record<string, PipeName>> = {
  head: 'limit',
  take: 'limit',
  order: 'sort',
  orderby: 'sort',
  filter: 'where',
  search: 'where',
  having: 'where',
  select: 'fields',
  table: 'fields',
  keep: 'fields',
  project: 'fields',
  distinct: 'dedup',
  uniq: 'dedup',
  unique: 'dedup',
  extract: 'parse',
  rex: 'parse',
  pattern: 'parse',
  summarize: 'stats',
  aggregate: 'stats',
  group: 'stats',
  count: 'stats',
  timechart: 'stats',
}

const FORMS: Readonly<Record<PipeName, string>> = {
  stats: 'stats count(), p95(latency_ms) by (service, bucket(5m))',
  where: 'where count > 10 and service != "x"',
  sort: 'sort count desc, service',
  limit: 'limit 20',
  parse: 'parse "user=<user> bytes=<n>"',
  fields: 'fields timestamp, user',
  dedup: 'dedup user',
  top: 'top 10 user',
  rate: 'rate 1m',
}

/** After these there are no records any more, but a table. */
const TABLE_PIPES: readonly PipeName[] = ['where', 'sort', 'limit', 'fields', 'dedup']

/** The pipes from the cursor, which is at the first `|` or at the end, to the end. Throws QuerySyntaxError. */
export function parsePipes(cursor: QueryCursor): readonly Pipe[] {
  const reader = new PipeReader(cursor)
  const pipes: Pipe[] = []
  cursor.skipSpace()
  while (!cursor.isAtEnd) {
    const bar = cursor.at
    cursor.at++ // the |
    cursor.skipSpace()
    pipes.push(parsePipe(reader, bar))
    cursor.skipSpace()
    if (!cursor.isAtEnd && cursor.peek() !== '|') failLeftover(reader, pipes[pipes.length - 1]!.kind)
  }
  return pipes
}

function parsePipe(reader: PipeReader, bar: number): Pipe {
  const cursor: QueryCursor = reader.cursor
  const start = cursor.at
  cursor.count(start)
  const word = /^[A-Za-z_]+/.exec(cursor.text.slice(start, start + 40))?.[0] ?? ''
  if (word === '') {
    const isEmpty = cursor.isAtEnd || cursor.peek() === '|'
    const problem = isEmpty ? 'A pipe is missing behind |' : 'This is not a pipe'
    cursor.fail(problem, isEmpty ? bar : start, isEmpty ? bar + 1 : start + 1, `Pipes are ${PIPES.join(', ')}.`)
  }
  const name = PIPES.find((pipe) => pipe === word)
  if (name === undefined) failUnknown(reader, start, word)
  cursor.at += word.length
  if (reader.columns !== null && !TABLE_PIPES.includes(name)) {
    cursor.fail(
      `${name} needs records, not a table`,
      start,
      start + word.length,
      `Put it before stats, top or rate; after them come ${TABLE_PIPES.join(', ')}.`,
    )
  }
  const pipe = PARSERS[name](reader, start)
  // A pipe ends with what it has read, the spaces behind it left out.
  return { ...pipe, span: { start, end: cursor.text.slice(0, cursor.at).trimEnd().length } }
}

function failUnknown(reader: PipeReader, start: number, word: string): never {
  const cursor: QueryCursor = reader.cursor
  const end = start + word.length
  const lower = word.toLowerCase()
  const meant = (Object.hasOwn(OTHER_NAMES, lower) ? OTHER_NAMES[lower] : undefined) ?? didYouMean(word, PIPES)
  if (meant !== null)
    cursor.fail(`There is no pipe ${word}`, start, end, `Did you mean ${meant}? Write | ${FORMS[meant as PipeName]}.`)
  if (cursor.text[end] === ':') {
    cursor.fail(
      'A condition cannot follow a |',
      start,
      end,
      'Put it before the first |, or write | where field = "value".',
    )
  }
  return cursor.fail(`There is no pipe ${word}`, start, end, `Pipes are ${PIPES.join(', ')}.`)
}

function failLeftover(reader: PipeReader, kind: PipeName): never {
  const cursor: QueryCursor = reader.cursor
  const rest = /^\S+/.exec(cursor.text.slice(cursor.at, cursor.at + 40))![0]
  return cursor.fail(
    `${kind} does not go on with ${rest}`,
    cursor.at,
    cursor.at + rest.length,
    `Write | ${FORMS[kind]}.`,
  )
}

type PipeBody<K extends PipeName> = K extends PipeName ? Omit<Extract<Pipe, { kind: K }>, 'span'> : never

const PARSERS: { readonly [K in PipeName]: (reader: PipeReader, start: number) => PipeBody<PipeName> } = {
  stats: parseStats,
  where: (reader) => ({ kind: 'where', condition: parseCondition(reader) }),
  sort: parseSort,
  limit: (reader, start) => ({ kind: 'limit', count: parseCount(reader, start, 'limit') }),
  parse: parseParse,
  fields: (reader, start) => {
    const fields = parseFields(reader, start, 'fields')
    if (reader.columns !== null) reader.columns = fields
    return { kind: 'fields', fields }
  },
  dedup: (reader, start) => ({ kind: 'dedup', fields: parseFields(reader, start, 'dedup') }),
  top: (reader, start) => {
    const count = parseCount(reader, start, 'top')
    const fields = parseFields(reader, start, 'top')
    if (fields.includes(COLUMN_COUNT)) {
      reader.cursor.fail(
        'Two columns are named count',
        start,
        reader.cursor.at,
        'Write | stats count() as n by count | sort n desc.',
      )
    }
    reader.columns = [...fields, COLUMN_COUNT]
    return { kind: 'top', count, fields }
  },
  rate: (reader, start) => {
    const widthMs = parseWidth(reader, start, FORMS.rate)
    reader.columns = [COLUMN_BUCKET, COLUMN_RATE]
    return { kind: 'rate', widthMs }
  },
}

function parseStats(reader: PipeReader, start: number): PipeBody<'stats'> {
  const metrics = [parseMetric(reader, start)]
  while (reader.take(',')) metrics.push(parseMetric(reader, start))
  const by: GroupKey[] = []
  if (reader.takeWord('by')) {
    const isParenthesised = reader.take('(')
    const open = reader.cursor.at - 1
    do by.push(parseKey(reader, start))
    while (reader.take(','))
    if (isParenthesised && !reader.take(')')) {
      reader.cursor.fail('A parenthesis is not closed', open, open + 1, `Write | ${FORMS.stats}.`)
    }
  }
  const names = [...by, ...metrics].map(({ as }) => as)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) {
    reader.cursor.fail(`Two columns are named ${twice}`, start, reader.cursor.at, `Name one of them: … as ${twice}_2.`)
  }
  reader.columns = names
  return { kind: 'stats', metrics, by }
}

const METRICS: readonly MetricName[] = ['count', 'sum', 'avg', 'min', 'max', 'uniq']
const OTHER_METRICS: Readonly<Record<string, string>> = {
  mean: 'avg',
  average: 'avg',
  median: 'p50',
  dc: 'uniq',
  distinct: 'uniq',
  count_distinct: 'uniq',
  cardinality: 'uniq',
  total: 'sum',
  percentile: 'p95',
  quantile: 'p95',
}

function parseMetric(reader: PipeReader, pipeStart: number): Metric {
  const cursor: QueryCursor = reader.cursor
  const name = reader.name()
  if (name === null || (name.path === 'by' && cursor.text[name.end] !== '(')) {
    return cursor.fail(
      'stats needs a metric',
      name?.start ?? pipeStart,
      name?.end ?? pipeStart + 5,
      `Write | ${FORMS.stats}.`,
    )
  }
  const quantile = /^p(\d{1,2}(?:\.\d{1,4})?|100)$/.exec(name.path)
  const metric = quantile !== null ? 'quantile' : METRICS.find((known) => known === name.path)
  if (metric === undefined) {
    const meant =
      (Object.hasOwn(OTHER_METRICS, name.path) ? OTHER_METRICS[name.path] : undefined) ??
      didYouMean(name.path, [...METRICS, 'p50', 'p95', 'p99'])
    return cursor.fail(
      `There is no metric ${name.path}`,
      name.start,
      name.end,
      `${meant ? `Did you mean ${meant}? ` : ''}Metrics are count(), sum(f), avg(f), min(f), max(f), p50(f) to p99(f), uniq(f).`,
    )
  }
  if (cursor.peek() !== '(') {
    const form = metric === 'count' ? 'count()' : `${name.path}(field)`
    cursor.fail(`${name.path} needs parentheses`, name.start, name.end, `Write ${form}.`)
  }
  const open = cursor.at++
  const field = reader.field()
  if (metric === 'count' && field !== null) {
    cursor.fail(
      'count() takes no field',
      field.start,
      field.end,
      `Write count(), with _exists_:${field.path} in the filter; uniq(${field.path}) counts values.`,
    )
  }
  if (metric !== 'count' && field === null) {
    cursor.fail(
      `${name.path}() needs a field`,
      name.start,
      Math.min(cursor.text.length, open + 2),
      `Write ${name.path}(latency_ms).`,
    )
  }
  if (!reader.take(')'))
    cursor.fail('A parenthesis is not closed', open, open + 1, `Write ${name.path}(${field?.path ?? ''}).`)
  return {
    name: metric,
    field: field?.resolved ?? null,
    quantile: quantile === null ? null : Number((Number(quantile[1]) / 100).toFixed(6)),
    as: parseAs(reader) ?? (field === null ? name.path : `${name.path}_${field.path}`),
  }
}

function parseKey(reader: PipeReader, pipeStart: number): GroupKey {
  const cursor: QueryCursor = reader.cursor
  const field = reader.field()
  if (field === null) {
    return cursor.fail('by needs a field', pipeStart, Math.max(cursor.at, pipeStart + 1), `Write | ${FORMS.stats}.`)
  }
  if (field.path !== 'bucket' || cursor.peek() !== '(') {
    if (cursor.peek() === '(') {
      cursor.fail(
        `There is no ${field.path}() to group by`,
        field.start,
        field.end,
        'Write bucket(5m) for time, or the name of a field.',
      )
    }
    return { kind: 'field', field: field.resolved, as: parseAs(reader) ?? field.path }
  }
  const open = cursor.at++
  const widthMs = parseWidth(reader, field.start, 'bucket(5m)')
  if (!reader.take(')')) cursor.fail('A parenthesis is not closed', open, open + 1, 'Write bucket(5m).')
  return { kind: 'bucket', widthMs, as: parseAs(reader) ?? COLUMN_BUCKET }
}

function parseAs(reader: PipeReader): string | null {
  const at = reader.cursor.at
  if (!reader.takeWord('as')) return null
  const name = reader.name()
  return name?.path ?? reader.cursor.fail('A name is missing after as', at, reader.cursor.at, 'Write count() as n.')
}

function parseSort(reader: PipeReader, start: number): PipeBody<'sort'> {
  const keys: { field: string; descending: boolean }[] = []
  do {
    const field = reader.field()
    if (field === null) {
      const c = reader.cursor.peek()
      const hint = c === '-' ? 'Write sort count desc.' : `Write | ${FORMS.sort}.`
      return reader.cursor.fail('sort needs a name', start, start + 4, hint)
    }
    if (field.path.startsWith('-') && !field.verbatim) {
      const plain = field.path.slice(1)
      reader.cursor.fail('A minus does not turn the order round', field.start, field.end, `Write sort ${plain} desc.`)
    }
    reader.requireColumn(field)
    const descending = reader.takeWord('desc')
    if (!descending) reader.takeWord('asc')
    keys.push({ field: field.resolved, descending })
  } while (reader.take(','))
  return { kind: 'sort', keys }
}

function parseFields(reader: PipeReader, start: number, pipe: PipeName): string[] {
  const fields: string[] = []
  do {
    const field = reader.field()
    if (field === null) {
      return reader.cursor.fail(
        `${pipe} needs the name of a field`,
        start,
        start + pipe.length,
        `Write | ${FORMS[pipe]}.`,
      )
    }
    reader.requireColumn(field)
    if (!fields.includes(field.resolved)) fields.push(field.resolved)
  } while (reader.take(','))
  return fields
}

function parseCount(reader: PipeReader, start: number, pipe: 'limit' | 'top'): number {
  const cursor: QueryCursor = reader.cursor
  cursor.skipSpace()
  const from = cursor.at
  const text = reader.run()
  const count = /^\d{1,9}$/.test(text) ? Number(text) : 0
  if (count < 1 || count > AGGREGATE_GROUPS_MAX) {
    const at = text === '' ? [start, start + pipe.length] : [from, cursor.at]
    cursor.fail(`${pipe} needs a number from 1 to ${AGGREGATE_GROUPS_MAX}`, at[0]!, at[1]!, `Write | ${FORMS[pipe]}.`)
  }
  return count
}

function parseWidth(reader: PipeReader, start: number, form: string): number {
  const cursor: QueryCursor = reader.cursor
  cursor.skipSpace()
  const from = cursor.at
  const text = reader.run()
  const ms = durationMs(text)
  if (ms === undefined || ms < 1 || !Number.isInteger(ms)) {
    const at = text === '' ? [start, from] : [from, cursor.at]
    cursor.fail(
      'A duration of whole milliseconds is needed',
      at[0]!,
      at[1]!,
      `Write ${form}; units are ms, s, m, h, d, w.`,
    )
  }
  return ms
}

/** `parse "…<name>…"`, optionally `from field`. */
function parseParse(reader: PipeReader, start: number): PipeBody<'parse'> {
  const cursor: QueryCursor = reader.cursor
  cursor.skipSpace()
  if (cursor.peek() !== '"') cursor.fail('parse needs a pattern in quotes', start, start + 5, `Write | ${FORMS.parse}.`)
  const open = cursor.at
  const end = cursor.quoted().end
  const literals: string[] = []
  const captures: (string | null)[] = []
  let literal = ''
  for (let i = open + 1; i < end - 1; i++) {
    const c = cursor.text[i]!
    if (c === '\\') {
      literal += cursor.text[++i]!
      continue
    }
    const capture = c === '<' ? /^<([A-Za-z_@][\w.@-]*|)>/.exec(cursor.text.slice(i, Math.min(end - 1, i + 200))) : null
    if (capture === null) {
      literal += c
      continue
    }
    if (captures.length > 0 && literal === '') {
      cursor.fail(
        'Two captures stand side by side',
        i,
        i + capture[0].length,
        'Put the text that separates them between.',
      )
    }
    const name = capture[1] === '' || capture[1] === '_' ? null : capture[1]!
    if (name !== null && captures.includes(name)) {
      cursor.fail(`Two captures are named ${name}`, i, i + capture[0].length, 'Write <_> for one that is not needed.')
    }
    literals.push(literal)
    captures.push(name)
    literal = ''
    i += capture[0].length - 1
  }
  literals.push(literal)
  if (captures.length === 0)
    cursor.fail('The pattern captures nothing', open, end, 'Name what to take: "user=<user> bytes=<n>".')
  let from = 'message'
  if (reader.takeWord('from')) {
    const field = reader.field()
    if (field === null)
      return cursor.fail('A field is missing after from', open, cursor.at, 'Write parse "…" from message.')
    from = field.resolved
  }
  for (const name of captures) if (name !== null) reader.captured.add(name)
  return { kind: 'parse', from, literals, captures }
}
