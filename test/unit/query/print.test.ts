import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { foldText, isTokenUnit } from '../../../base/tokenizer.ts'
import type { Filter, TextMatch, ValueMatch } from '../../../query/ast.ts'
import { explainQuery } from '../../../query/explain.ts'
import { LEVELS } from '../../../query/fields.ts'
import { parseQuery } from '../../../query/parser.ts'
import { printFilter } from '../../../query/print.ts'

/** Plain objects, as the parser makes them. */
function record<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>
}

const text = fc.string({ unit: fc.constantFrom(...'abZ09_-.:/*?\\"\' ()[]{}|&!<>=~^+@é😀\u00a0\n'), maxLength: 8 })
const token = fc
  .string({ unit: fc.constantFrom(...'abcz09_éσ😀'), minLength: 1, maxLength: 6 })
  .map(foldText)
  .filter((t) => [...t].every((c) => isTokenUnit(c.charCodeAt(0))))
const fieldName = fc.oneof(
  fc.constantFrom(
    'service',
    'host',
    'traceId',
    'tags.env',
    'metadata.userId',
    'a\\.b',
    'source',
    'msg',
    '404',
    '_exists_',
    'OR',
  ),
  fc.string({ unit: fc.constantFrom(...'abZ09_-@:/*? "()é.'), minLength: 1, maxLength: 5 }),
)
const stored = fieldName.filter((name) => !['level', 'message', 'timestamp'].includes(name))
const pattern = fc
  .array(fc.constantFrom('pay', '*', '?', 'x1', 'é'), { minLength: 1, maxLength: 4 })
  .map((parts) => parts.join('').replace(/\*+/g, '*'))
const regex = fc.constantFrom('a+b', 'x\\/y', '[/"]z', '^(a|b) c$', '\\d{2,3}', '\\p{L}|é')
const flags = fc.constantFrom('', 'i', 'im', 'ims')
const number = fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }))

const textMatch: fc.Arbitrary<TextMatch> = fc.oneof(
  fc.array(token, { minLength: 1, maxLength: 3 }).map((tokens) => ({ kind: 'phrase' as const, tokens })),
  fc
    .array(pattern, { minLength: 1, maxLength: 3 })
    .filter((patterns) => patterns.some((p) => /[*?]/.test(p)) && !(patterns.length === 1 && patterns[0] === '*'))
    .map((patterns) => ({
      kind: 'tokenPattern' as const,
      tokens: patterns.map((p) => ({ pattern: p, literal: !/[*?]/.test(p) })),
    })),
  record({ kind: fc.constant('fuzzy' as const), token, distance: fc.constantFrom(1 as const, 2 as const) }),
  record({ kind: fc.constant('regex' as const), source: regex, flags }),
)

const ends = record({ minInclusive: fc.boolean(), maxInclusive: fc.boolean() })
const range: fc.Arbitrary<ValueMatch> = fc
  .tuple(fc.option(number), fc.option(number), ends)
  .filter(([min, max]) => (min !== null || max !== null) && (min === null || max === null || min < max))
  .map(([min, max, { minInclusive, maxInclusive }]) => ({
    kind: 'range',
    min: min ?? -Infinity,
    minInclusive: min === null || minInclusive,
    max: max ?? Infinity,
    maxInclusive: max === null || maxInclusive,
  }))
const textRange: fc.Arbitrary<ValueMatch> = fc
  .tuple(fc.option(text), fc.option(text), ends)
  .filter(
    ([min, max]) =>
      (min !== null || max !== null) &&
      (min === null || max === null || Buffer.compare(Buffer.from(min), Buffer.from(max)) < 0),
  )
  .map(([min, max, { minInclusive, maxInclusive }]) => ({
    kind: 'textRange',
    min,
    minInclusive: min === null || minInclusive,
    max,
    maxInclusive: max === null || maxInclusive,
  }))
const momentMs = fc.oneof(fc.integer({ min: 0, max: 4e12 }), fc.integer({ min: -8.64e15, max: 8.64e15 }))
const timeRange: fc.Arbitrary<Filter> = fc
  .tuple(fc.option(momentMs), fc.option(momentMs), fc.nat(999_999), ends)
  .filter(([from, to]) => (from !== null || to !== null) && (from === null || to === null || from < to))
  .map(([from, to, ns, { minInclusive, maxInclusive }]) => ({
    kind: 'field',
    field: 'timestamp',
    match: {
      kind: 'timeRange',
      fromMs: from ?? -Infinity,
      fromNs: from === null ? 0 : ns,
      fromInclusive: from === null || minInclusive,
      toMs: to ?? Infinity,
      toNs: to === null ? 0 : 999_999 - ns,
      toInclusive: to === null || maxInclusive,
    },
  }))

const wildcard = fc
  .array(fc.constantFrom('a', 'é', ' ', '"', '-', '/', '>', '*', '?', '\\*', '\\\\', '~', '('), {
    minLength: 1,
    maxLength: 5,
  })
  .map((parts) => parts.join('').replace(/(?<!\\)((?:\\\\)*)\*(?:\*)+/g, '$1*'))
  .filter((p) => /[*?]/.test(p.replace(/\\[*?\\]/g, '')) && p !== '*')
const valueMatch: fc.Arbitrary<ValueMatch> = fc.oneof(
  text.map((value) => ({ kind: 'equal' as const, text: value, number: null })),
  number.map((value) => ({
    kind: 'equal' as const,
    text: Object.is(value, -0) ? '-0' : String(value),
    number: value,
  })),
  wildcard.map((p) => ({ kind: 'wildcard' as const, pattern: p })),
  record({ kind: fc.constant('regex' as const), source: regex, flags }),
  range,
  textRange,
)

const leaf: fc.Arbitrary<Filter> = fc.oneof(
  fc.constant<Filter>({ kind: 'all' }),
  record({
    kind: fc.constant('text' as const),
    field: fc.oneof(fc.constantFrom(null, 'message'), stored),
    match: textMatch,
  }),
  record({ kind: fc.constant('field' as const), field: stored, match: valueMatch }),
  text.map(
    (value): Filter => ({ kind: 'field', field: 'message', match: { kind: 'equal', text: value, number: null } }),
  ),
  fc
    .constantFrom(...LEVELS)
    .map((level): Filter => ({ kind: 'field', field: 'level', match: { kind: 'equal', text: level, number: null } })),
  timeRange,
  fieldName.map((field): Filter => ({ kind: 'exists', field })),
)

/** Filters as the parser makes them: no AND directly in an AND, no OR in an OR. */
const filter: fc.Arbitrary<Filter> = fc.letrec<{ any: Filter }>((tie) => ({
  any: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    tie('any').map((of): Filter => ({ kind: 'not', of })),
    fc
      .tuple(fc.constantFrom('and' as const, 'or' as const), fc.array(tie('any'), { minLength: 2, maxLength: 3 }))
      .map(([kind, of]): Filter => ({ kind, of: of.flatMap((part) => (part.kind === kind ? part.of : [part])) })),
  ),
})).any

test('parsing the printed text of a filter gives the same filter', () => {
  fc.assert(
    fc.property(filter, (wanted) => {
      assert.deepEqual(parseQuery(printFilter(wanted), { nowMs: 0 }).filter, wanted)
    }),
    { numRuns: 3000 },
  )
})

test('every filter can be explained', () => {
  fc.assert(
    fc.property(filter, (some) => {
      const explanation = explainQuery({ text: '', filter: some, pipes: [] })
      assert.doesNotMatch(JSON.stringify(explanation), /undefined|NaN/)
    }),
    { numRuns: 500 },
  )
})

test('an explanation says what a query means, what blocks it needs, and what may have been meant otherwise', () => {
  const query = parseQuery('level:ERROR timeout or refused -tags.env:dev latency:>5 | limit 5', { nowMs: 0 })
  assert.deepEqual(explainQuery(query), {
    filter: 'level:ERROR AND timeout AND or AND refused AND NOT tags.env:dev AND latency:>5',
    meaning: {
      says: 'all of these',
      of: [
        { says: 'field level is "ERROR"' },
        { says: 'some field has the word "timeout"' },
        { says: 'some field has the word "or"' },
        { says: 'some field has the word "refused"' },
        { says: 'not this', of: [{ says: 'field tags.env is "dev"' }] },
        { says: 'field latency is a number more than 5' },
      ],
    },
    blocks: {
      says: 'all of these',
      of: [
        { says: 'the value "ERROR" in level' },
        { says: 'the word "timeout"' },
        { says: 'the word "or"' },
        { says: 'the word "refused"' },
        { says: 'a number at least 5 in latency' },
      ],
    },
    pipes: ['limit 5'],
    notes: ['"or" is searched for as a word; the operator is written OR.'],
  })
})
