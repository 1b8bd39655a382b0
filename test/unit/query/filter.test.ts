import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Bitmap } from '../../../base/bitmap.ts'
import {
  VALUE_BOOLEAN,
  VALUE_JSON,
  VALUE_NULL,
  VALUE_NUMBER,
  VALUE_STRING,
  type ValueType,
} from '../../../base/columns.ts'
import type { Filter, TextMatch, ValueMatch } from '../../../query/ast.ts'
import { compileFilter, timeMask } from '../../../query/filter.ts'
import {
  columnSourceOf,
  type FlatRecord,
  type FlatValue,
  flatRecord,
  type PreferredKind,
} from '../../harness/column-source.ts'
import { matches, naiveTokens } from '../../harness/oracle.ts'

/** Few words, so that filters hit; capitals, characters of two to four bytes, and those that fold oddly. */
const WORDS = [
  'timeout',
  'Timeout',
  'TIME',
  'time',
  'out',
  'ms',
  'a',
  'A',
  '5',
  '42',
  '500',
  '-7',
  'größe',
  'GRÖSSE',
  'İs',
  'ΟΔΟΣ',
  '\u212Aelvin',
  'kelvin',
  'ſ',
  's',
  '日本',
  '😀x',
  'x_1',
  'caf\u00e9',
]
const GAPS = [' ', '', '-', '.', '\n', '=', ': ', '\r\n', '\t', '"', '\\', '/']
const PATHS = ['message', 'level', 'service', 'status', 'a.b', 'a', 'metadata.userId', 'tags']

const text = fc
  .array(fc.tuple(fc.constantFrom(...WORDS), fc.constantFrom(...GAPS)), { maxLength: 6 })
  .map((parts) => parts.flat().join(''))
const value: fc.Arbitrary<FlatValue> = fc.oneof(
  { weight: 6, arbitrary: text.map((t) => ({ type: VALUE_STRING as ValueType, text: t })) },
  {
    weight: 3,
    arbitrary: fc
      .constantFrom('5', '42', '500', '-7', '0', '1.5', '5.0', '5e2', '9007199254740993', '1e400', '-0', '0.1')
      .map((t) => ({ type: VALUE_NUMBER as ValueType, text: t })),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('true', 'false').map((t) => ({ type: VALUE_BOOLEAN as ValueType, text: t })),
  },
  { weight: 1, arbitrary: fc.constant({ type: VALUE_NULL as ValueType, text: '' }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('[]', '{}', '["time out",5]').map((t) => ({ type: VALUE_JSON as ValueType, text: t })),
  },
)
const record: fc.Arbitrary<FlatRecord> = fc
  .record({
    timeMs: fc.integer({ min: 1_700_000_000_000, max: 1_700_000_000_003 }),
    timeNs: fc.constantFrom(0, 1, 999_999),
    fields: fc.array(fc.tuple(fc.constantFrom(...PATHS), value), { maxLength: 5 }),
    overflows: fc.subarray(PATHS, { maxLength: 2 }),
    hasOverflow: fc.boolean(),
  })
  .map(({ timeMs, timeNs, fields, overflows, hasOverflow }) => ({
    timeMs,
    timeNs,
    fields: new Map(fields),
    overflow: new Set(hasOverflow ? overflows : []),
  }))
const kinds = fc.array(fc.constantFrom<PreferredKind>('dictionary', 'bytes', 'integer'), { minLength: 9, maxLength: 9 })

const token = text.map((t) => naiveTokens(t)).filter((tokens) => tokens.length > 0)
const pattern = fc
  .tuple(token, fc.constantFrom('*', '?', ''), fc.constantFrom('*', '?', '', '*?'), fc.nat(3))
  .map(([tokens, before, after, cut]) => {
    const characters = Array.from(tokens[0]!)
    const p = `${before}${characters.slice(0, cut + 1).join('')}${after}${characters.slice(cut + 2).join('')}`
    return { pattern: p, literal: !/[*?]/.test(p) }
  })
const SOURCES = [
  'time',
  'ti.*out',
  '^a',
  'ms$',
  '\\d+',
  '[^a-z ]+',
  '(time|out)',
  'o{1,2}',
  '^$',
  '\\s',
  '\\btime\\b',
  'x?',
  '-?\\d+ms',
  '(?:5|42).+',
  '\\W\\w',
  '[\\s=]out',
  '日',
  'ö',
  '\\d+\\s*(?:ms|a)',
  'é$',
  '\\D',
]
const regex = fc.record({
  kind: fc.constant('regex' as const),
  source: fc.constantFrom(...SOURCES),
  flags: fc.constantFrom('', 'i', 's', 'm', 'is'),
})
const textMatch: fc.Arbitrary<TextMatch> = fc.oneof(
  { weight: 3, arbitrary: token.map((tokens): TextMatch => ({ kind: 'phrase', tokens: tokens.slice(0, 2) })) },
  fc.array(pattern, { minLength: 1, maxLength: 2 }).map((tokens): TextMatch => ({ kind: 'tokenPattern', tokens })),
  fc
    .tuple(token, fc.constantFrom(1, 2))
    .map(([tokens, distance]): TextMatch => ({ kind: 'fuzzy', token: tokens[0]!, distance: distance as 1 | 2 })),
  regex,
)
const number = fc.constantFrom(-7, 0, 1.5, 5, 42, 499, 500, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY)
const valueMatch: fc.Arbitrary<ValueMatch> = fc.oneof(
  value.map(
    (v): ValueMatch => ({
      kind: 'equal',
      text: v.type === VALUE_NULL ? 'null' : v.text,
      number: v.type === VALUE_NUMBER && Number.isSafeInteger(Number(v.text)) ? Number(v.text) : null,
    }),
  ),
  fc
    .constantFrom('TRUE', 'null', 'Null', 'error', 'x')
    .map((t): ValueMatch => ({ kind: 'equal', text: t, number: null })),
  fc.tuple(text, fc.constantFrom('*', '?', '*?'), text).map(
    ([a, star, b]): ValueMatch => ({
      kind: 'wildcard',
      pattern: `${a.slice(0, 3).replaceAll('\\', '')}${star}${b.slice(-2).replaceAll('\\', '')}`,
    }),
  ),
  fc.constantFrom('*', '*time*', '*e*t*', 'T*t', '?').map((p): ValueMatch => ({ kind: 'wildcard', pattern: p })),
  regex,
  fc.record({
    kind: fc.constant('range' as const),
    min: number,
    minInclusive: fc.boolean(),
    max: number,
    maxInclusive: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('textRange' as const),
    min: fc.option(text),
    minInclusive: fc.boolean(),
    max: fc.option(text),
    maxInclusive: fc.boolean(),
  }),
)
const timeRange = fc.record({
  kind: fc.constant('timeRange' as const),
  fromMs: fc.constantFrom(Number.NEGATIVE_INFINITY, 1_700_000_000_001),
  fromNs: fc.constantFrom(0, 1),
  fromInclusive: fc.boolean(),
  toMs: fc.constantFrom(Number.POSITIVE_INFINITY, 1_700_000_000_002),
  toNs: fc.constantFrom(0, 1),
  toInclusive: fc.boolean(),
})
const filter = fc.letrec<{ node: Filter; leaf: Filter }>((tie) => ({
  leaf: fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('text' as const),
        field: fc.option(fc.constantFrom(...PATHS)),
        match: textMatch,
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('field' as const),
        field: fc.constantFrom(...PATHS),
        match: valueMatch,
      }),
    },
    fc.record({ kind: fc.constant('field' as const), field: fc.constant('timestamp'), match: timeRange }),
    fc.record({
      kind: fc.constant('exists' as const),
      field: fc.constantFrom(...PATHS, 'metadata', 'timestamp', 'nowhere'),
    }),
    fc.constant<Filter>({ kind: 'all' }),
  ),
  node: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('leaf'),
    fc.record({ kind: fc.constant('and' as const), of: fc.array(tie('node'), { maxLength: 3 }) }),
    fc.record({ kind: fc.constant('or' as const), of: fc.array(tie('node'), { maxLength: 3 }) }),
    fc.record({ kind: fc.constant('not' as const), of: tie('node') }),
  ),
})).node

function rowsMatching(wanted: Filter, records: readonly FlatRecord[]): number[] {
  return records.flatMap((r, row) => (matches(wanted, r) ? [row] : []))
}

describe('a compiled filter', () => {
  it('finds exactly the rows that the oracle says match, whatever the kinds of the columns', () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 60 }), kinds, filter, (records, preferred, wanted) => {
        const source = columnSourceOf(records, (name) => preferred[PATHS.indexOf(name) + 1]!)
        assert.deepEqual([...compileFilter(wanted).evaluate(source)], rowsMatching(wanted, records))
      }),
      { numRuns: 1500 },
    )
  })

  it('finds the same rows within a bitmap, and only those of it', () => {
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 80 }), filter, fc.nat(9), (records, wanted, sparse) => {
        const source = columnSourceOf(records, () => 'bytes')
        const within = new Bitmap(records.length)
        for (let row = 0; row < records.length; row += sparse + 1) within.add(row)
        const before = within.clone()
        const found = compileFilter(wanted).evaluate(source, within)
        assert.deepEqual(
          [...found],
          rowsMatching(wanted, records).filter((row) => before.has(row)),
        )
        assert.deepEqual(within.words, before.words)
      }),
      { numRuns: 500 },
    )
  })

  it('finds the same rows where a column takes several chunks, of ASCII and of other text', () => {
    const records = Array.from({ length: 3000 }, (_, i) =>
      flatRecord(i, {
        message: `${'filler '.repeat(i % 11)}${i % 7 === 0 ? 'Time' : 'tim'}out after ${i % 50}ms${i % 13 === 0 ? '\nat line' : ''}`,
        unicode: `${i % 3 === 0 ? 'größe' : 'size'} ${'x'.repeat(i % 90)} ${i % 5 === 0 ? 'Größe' : ''} ${i % 40}`,
      }),
    )
    const source = columnSourceOf(records, () => 'bytes')
    const wanted: Filter[] = [
      { kind: 'text', field: 'message', match: { kind: 'phrase', tokens: ['timeout'] } },
      { kind: 'text', field: null, match: { kind: 'phrase', tokens: ['after', '42ms'] } },
      { kind: 'text', field: null, match: { kind: 'phrase', tokens: ['größe'] } },
      { kind: 'text', field: null, match: { kind: 'regex', source: 'after 4\\d+ms$', flags: '' } },
      { kind: 'text', field: null, match: { kind: 'regex', source: 'out.*\\d', flags: 's' } },
      { kind: 'text', field: 'message', match: { kind: 'regex', source: '(?:4|5)ms', flags: '' } },
      { kind: 'text', field: 'unicode', match: { kind: 'regex', source: 'gr[^x]{2}e [^y]* 3', flags: 'i' } },
      {
        kind: 'text',
        field: 'message',
        match: { kind: 'tokenPattern', tokens: [{ pattern: 'tim*t', literal: false }] },
      },
      { kind: 'field', field: 'message', match: { kind: 'wildcard', pattern: '*12ms' } },
      { kind: 'text', field: null, match: { kind: 'fuzzy', token: 'timeuot', distance: 1 } },
    ]
    for (const one of wanted) {
      const expected = rowsMatching(one, records)
      assert.ok(expected.length > 0, JSON.stringify(one))
      assert.deepEqual([...compileFilter(one).evaluate(source)], expected, JSON.stringify(one))
    }
  })

  it('never takes a word across the border of two values', () => {
    const source = columnSourceOf(
      [flatRecord(0, { message: 'time' }), flatRecord(1, { message: 'out' })],
      () => 'bytes',
    )
    for (const match of [
      { kind: 'phrase', tokens: ['timeout'] },
      { kind: 'phrase', tokens: ['time', 'out'] },
      { kind: 'regex', source: 'e.?o', flags: 's' },
    ] satisfies TextMatch[]) {
      assert.equal(compileFilter({ kind: 'text', field: null, match }).evaluate(source).count(), 0)
    }
  })

  it('tells integers beyond the exact range of a double apart', () => {
    const source = columnSourceOf([
      { timeMs: 0, timeNs: 0, fields: new Map([['n', { type: VALUE_NUMBER, text: '9007199254740993' }]]) },
      { timeMs: 1, timeNs: 0, fields: new Map([['n', { type: VALUE_NUMBER, text: '9007199254740992' }]]) },
    ])
    const equal = (t: string): Filter => ({
      kind: 'field',
      field: 'n',
      match: { kind: 'equal', text: t, number: Number(t) },
    })
    assert.deepEqual([...compileFilter(equal('9007199254740993')).evaluate(source)], [0])
    assert.deepEqual([...compileFilter(equal('9007199254740992')).evaluate(source)], [1])
  })
})

describe('a mask of time', () => {
  it('holds its beginning and not its end', () => {
    const records = [flatRecord(1000, {}), flatRecord(1000, {}, 500_000), flatRecord(1001, {}), flatRecord(1002, {})]
    const source = columnSourceOf(records)
    assert.deepEqual([...timeMask(source, 1000, 1002)], [0, 1, 2])
    assert.deepEqual([...timeMask(source, 1000.5, 1001)], [1])
    assert.deepEqual([...timeMask(source, 1000.6, 1001.5)], [2])
  })
})
