import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { QUERY_DEPTH_MAX, QUERY_NODES_MAX, QUERY_TEXT_BYTES_MAX } from '../../../base/limits.ts'
import type { Filter, TextMatch, ValueMatch } from '../../../query/ast.ts'
import { QuerySyntaxError } from '../../../query/errors.ts'
import { parseQuery } from '../../../query/parser.ts'

const NOW_MS = Date.UTC(2026, 0, 31, 12)

function filterOf(text: string): Filter {
  return parseQuery(text, { nowMs: NOW_MS }).filter
}

function text(match: TextMatch, field: string | null = null): Filter {
  return { kind: 'text', field, match }
}

function words(...tokens: string[]): Filter {
  return text({ kind: 'phrase', tokens })
}

function patterns(...tokens: string[]): TextMatch {
  return { kind: 'tokenPattern', tokens: tokens.map((pattern) => ({ pattern, literal: !/[*?]/.test(pattern) })) }
}

function field(name: string, match: ValueMatch): Filter {
  return { kind: 'field', field: name, match }
}

function equal(name: string, value: string, number: number | null = null): Filter {
  return field(name, { kind: 'equal', text: value, number })
}

function range(name: string, min: number, max: number, minInclusive = true, maxInclusive = true): Filter {
  return field(name, { kind: 'range', min, minInclusive, max, maxInclusive })
}

function times(fromMs: number, toMs: number, fromInclusive = true, toInclusive = true): Filter {
  return field('timestamp', { kind: 'timeRange', fromMs, fromNs: 0, fromInclusive, toMs, toNs: 0, toInclusive })
}

const not = (of: Filter): Filter => ({ kind: 'not', of })
const and = (...of: Filter[]): Filter => ({ kind: 'and', of })
const or = (...of: Filter[]): Filter => ({ kind: 'or', of })
const exists = (name: string): Filter => ({ kind: 'exists', field: name })
const ALL: Filter = { kind: 'all' }
const [a, b, c] = [words('a'), words('b'), words('c')]

const FILTERS: readonly (readonly [string, Filter])[] = [
  // everything
  ['', ALL],
  ['   ', ALL],
  ['*', ALL],
  ['*:*', ALL],
  // words
  ['timeout', words('timeout')],
  ['TimeOut', words('timeout')],
  ['"gateway timeout"', words('gateway', 'timeout')],
  ['"Gateway  - Timeout!"', words('gateway', 'timeout')],
  ['checkout-service', words('checkout', 'service')],
  ['10.0.0.1', words('10', '0', '0', '1')],
  ['user=bob', words('user', 'bob')],
  ['ÄRGER', words('ärger')],
  ['or', words('or')],
  ['ORDER NOTE ANDROID', and(words('order'), words('note'), words('android'))],
  ['"OR"', words('or')],
  ['"pay*"', words('pay')],
  ['foo\\:bar', words('foo', 'bar')],
  ['"say \\"hi\\""', words('say', 'hi')],
  // wildcards apply within a token
  ['pay*', text(patterns('pay*'))],
  ['*-service', text(patterns('*', 'service'))],
  ['Pay?ent-*api', text(patterns('pay?ent', '*api'))],
  ['pay**', text(patterns('pay*'))],
  ['pay\\*', words('pay')],
  // regular expressions
  ['/stripe after 4\\d+ms/i', text({ kind: 'regex', source: 'stripe after 4\\d+ms', flags: 'i' })],
  ['/a\\/b[/]c/msu', text({ kind: 'regex', source: 'a\\/b[/]c', flags: 'ms' })],
  ['url:/https?:.*/', field('url', { kind: 'regex', source: 'https?:.*', flags: '' })],
  ['message:/Order .*/', field('message', { kind: 'regex', source: 'Order .*', flags: '' })],
  ['message:~/after/', text({ kind: 'regex', source: 'after', flags: '' }, 'message')],
  // fuzzy
  ['timeuot~', text({ kind: 'fuzzy', token: 'timeuot', distance: 2 })],
  ['Cat~', text({ kind: 'fuzzy', token: 'cat', distance: 1 })],
  ['timeuot~1', text({ kind: 'fuzzy', token: 'timeuot', distance: 1 })],
  ['message:timeuot~2', text({ kind: 'fuzzy', token: 'timeuot', distance: 2 }, 'message')],
  ['home\\~', words('home')],
  // fields
  ['level:ERROR', equal('level', 'ERROR')],
  ['level:error', equal('level', 'ERROR')],
  ['severity:Warning', equal('level', 'WARN')],
  ['level:50', equal('level', 'ERROR')],
  ['level:err*', field('level', { kind: 'wildcard', pattern: 'err*' })],
  ['level:>=warn', or(equal('level', 'WARN'), equal('level', 'ERROR'), equal('level', 'FATAL'))],
  ['level:<DEBUG', equal('level', 'TRACE')],
  ['level:{INFO TO ERROR]', or(equal('level', 'WARN'), equal('level', 'ERROR'))],
  ['service:(a OR b)', or(equal('service', 'a'), equal('service', 'b'))],
  [
    'service:(web-* -web-3)',
    and(field('service', { kind: 'wildcard', pattern: 'web-*' }), not(equal('service', 'web-3'))),
  ],
  [
    'latency:(>5 AND <=10 OR "x y")',
    or(and(range('latency', 5, Infinity, false), range('latency', -Infinity, 10)), equal('latency', 'x y')),
  ],
  ['metadata.userId:u_12', equal('metadata.userId', 'u_12')],
  ['tags.env:prod', equal('tags.env', 'prod')],
  ['a\\.b:x', equal('a\\.b', 'x')],
  ['my\\ field:x', equal('my field', 'x')],
  ['host:10.0.0.1:8080', equal('host', '10.0.0.1:8080')],
  ['path:"C:\\\\temp"', equal('path', 'C:\\temp')],
  ['note:""', equal('note', '')],
  ['note:a\\ b', equal('note', 'a b')],
  ['message:word', text({ kind: 'phrase', tokens: ['word'] }, 'message')],
  ['message:"a Phrase"', text({ kind: 'phrase', tokens: ['a', 'phrase'] }, 'message')],
  ['msg:word', text({ kind: 'phrase', tokens: ['word'] }, 'message')],
  ['message:="Exactly this."', equal('message', 'Exactly this.')],
  ['message:Order*', field('message', { kind: 'wildcard', pattern: 'Order*' })],
  ['stack:~"at main"', text({ kind: 'phrase', tokens: ['at', 'main'] }, 'stack')],
  ['key:a\\*b?', field('key', { kind: 'wildcard', pattern: 'a\\*b?' })],
  ['key:a\\*b', equal('key', 'a*b')],
  // aliases
  ['source:a', equal('service', 'a')],
  ['service.name:a', equal('service', 'a')],
  ['service\\.name:a', equal('service', 'a')],
  ['trace_id:t1', equal('traceId', 't1')],
  ['requestId:t1', equal('traceId', 't1')],
  ['hostname:h', equal('host', 'h')],
  ['_exists_:trace.id', exists('traceId')],
  ['\\source:a', equal('source', 'a')],
  // numbers
  ['status:500', equal('status', '500', 500)],
  ['status:"500"', equal('status', '500')],
  ['temp:-5', equal('temp', '-5', -5)],
  ['zip:007', equal('zip', '007')],
  ['ratio:1.50', equal('ratio', '1.50', 1.5)],
  ['latency_ms:>500', range('latency_ms', 500, Infinity, false)],
  ['latency_ms:>= 500', range('latency_ms', 500, Infinity)],
  ['latency_ms:<1e3', range('latency_ms', -Infinity, 1000, true, false)],
  ['status:[500 TO 599]', range('status', 500, 599)],
  ['status:{500 TO 599}', range('status', 500, 599, false, false)],
  ['status:[500 TO 599}', range('status', 500, 599, true, false)],
  ['status:{ -5 TO * ]', range('status', -5, Infinity, false)],
  ['status:[* TO *]', exists('status')],
  // texts
  ['name:[a TO c}', field('name', { kind: 'textRange', min: 'a', minInclusive: true, max: 'c', maxInclusive: false })],
  ['name:>"10"', field('name', { kind: 'textRange', min: '10', minInclusive: false, max: null, maxInclusive: true })],
  // presence
  ['_exists_:traceId', exists('traceId')],
  ['-_exists_:traceId', not(exists('traceId'))],
  ['traceId:*', exists('traceId')],
  ['message:*', exists('message')],
  // times
  ['timestamp:>=now-1h', times(NOW_MS - 3_600_000, Infinity)],
  ['@timestamp:[now-1d/d TO now}', times(Date.UTC(2026, 0, 30), NOW_MS, true, false)],
  ['time:[2026-01-01 TO 2026-01-02T10:30:00Z]', times(Date.UTC(2026, 0, 1), Date.UTC(2026, 0, 2, 10, 30))],
  ['timestamp:2026-01-01', times(Date.UTC(2026, 0, 1), Date.UTC(2026, 0, 2), true, false)],
  ['timestamp:"2026-01-01 10:00:00"', times(Date.UTC(2026, 0, 1, 10), Date.UTC(2026, 0, 1, 10))],
  ['timestamp:<1767225600', times(-Infinity, Date.UTC(2026, 0, 1), true, false)],
  // operators: NOT binds tighter than AND, AND than OR
  ['a b', and(a!, b!)],
  ['a AND b', and(a!, b!)],
  ['a && b', and(a!, b!)],
  ['a OR b', or(a!, b!)],
  ['a || b', or(a!, b!)],
  ['a||b&&c', or(a!, and(b!, c!))],
  ['a OR b c', or(a!, and(b!, c!))],
  ['a b OR c', or(and(a!, b!), c!)],
  ['(a OR b) c', and(or(a!, b!), c!)],
  ['NOT a b', and(not(a!), b!)],
  ['NOT (a b)', not(and(a!, b!))],
  ['-a !b +c', and(not(a!), not(b!), c!)],
  ['NOT NOT a', not(not(a!))],
  ['a AND NOT -b', and(a!, not(not(b!)))],
  ['((a))', a!],
  ['a (b c)', and(a!, b!, c!)],
  ['a AND * ', and(a!, ALL)],
  ['a\n\tb', and(a!, b!)],
]

for (const [query, wanted] of FILTERS) {
  test(`the filter of ${JSON.stringify(query)} is understood`, () => assert.deepEqual(filterOf(query), wanted))
}

/** Query, position and length of the fault, and what problem or hint must say. */
const ERRORS: readonly (readonly [string, number, number, RegExp])[] = [
  ['"abc', 0, 4, /quote is not closed.*\\"/],
  ['x "abc\\"', 2, 6, /quote is not closed/],
  ['foo:', 3, 1, /value of foo is missing.*foo:\*/],
  ['a foo: bar', 5, 1, /Write foo:bar without a space/],
  ['(a:)', 2, 1, /value of a is missing/],
  [':foo', 0, 1, /field name/],
  ['a::b', 1, 2, /second :/],
  ['a:"b":c', 5, 1, /missing before :/],
  ['"a b":c', 0, 6, /cannot name a field.*my\\ field/],
  ['12:30:45', 0, 3, /Quote.*"12:30:45"/],
  ['see http://x.y/z', 4, 5, /Quote.*"http:\/\/x\.y\/z"/],
  ['f*:x', 0, 2, /field name cannot hold wildcards/],
  ['(a', 0, 1, /not closed/],
  ['a)', 1, 1, /without its \(/],
  [')', 0, 1, /without its \(/],
  ['a ( )', 2, 3, /Empty parentheses/],
  ['a OR', 2, 2, /missing after OR.*"or"/],
  ['a AND | limit 1', 2, 3, /missing after AND/],
  ['OR a', 0, 2, /missing before OR.*"or"/],
  ['a OR AND b', 5, 3, /missing before AND/],
  ['&& a', 0, 2, /missing before &&/],
  ['NOT', 0, 3, /missing after NOT/],
  ['a - b', 2, 1, /lone -/],
  ['level != ERROR', 6, 2, /-field:value/],
  ['level:!=ERROR', 6, 2, /-level:value/],
  ['status >= 500', 7, 1, /comparison needs a field/],
  ['[1 TO 5]', 0, 1, /range needs a field/],
  ["'a b'", 0, 1, /double quotes/],
  ["a:'b'", 2, 1, /double quotes/],
  ['a"b"', 1, 1, /missing before "/],
  ['a(b)', 1, 1, /missing before \(/],
  ['---', 2, 1, /lone -/],
  ['...', 0, 3, /letter or digit.*\/\\\.\\\.\\\.\//],
  ['"--"', 0, 4, /letter or digit/],
  ['x~3', 2, 1, /1 or 2/],
  ['a-b~', 0, 4, /takes one word/],
  ['"a b"~2', 5, 1, /Phrases cannot be fuzzy/],
  ['service:chekout~', 8, 8, /service:~chekout~/],
  ['a^2', 0, 3, /Boosts/],
  ['s:[1 5]', 2, 5, /needs TO/],
  ['s:[1 to 5]', 2, 5, /TO in capitals/],
  ['s:[1 TO 5', 2, 1, /not closed/],
  ['s:[1 TO ]', 2, 7, /Write \* for an open end/],
  ['s:[5 TO 1]', 2, 8, /wrong way round/],
  ['s:{5 TO 5]', 2, 8, /holds nothing/],
  ['s:[1 TO b]', 8, 1, /Quote both ends/],
  ['s:[1* TO 5]', 3, 2, /wildcards/],
  ['s:>', 2, 1, /missing after >/],
  ['s:>5ms', 3, 3, /no unit.*"5ms"/],
  ['s:=a*', 3, 2, /exact value/],
  ['s:==a', 2, 2, /field:=value/],
  ['timestamp:yesterday', 10, 9, /now-15m/],
  ['timestamp:[now TO now-1h]', 10, 15, /wrong way round/],
  ['level:>LOUD', 7, 4, /TRACE, DEBUG/],
  ['level:>FATAL', 7, 5, /No level/],
  ['_exists_:', 8, 1, /missing/],
  ['_exists_:a*', 9, 2, /name of a field/],
  ['_missing_:a', 0, 10, /-_exists_/],
  ['a\\', 1, 1, /backslash ends/],
  ['/abc', 0, 4, /not closed.*"\/abc"/],
  ['//', 0, 2, /empty/],
  ['/var/log/x', 5, 1, /flag.*"\/var\/log"/],
  ['/a/ii', 4, 1, /twice/],
  ['x /a(?=b)/', 4, 3, /Look-around/],
  ['x /(a)\\1/', 6, 2, /Back-references/],
  ['/a(b/', 2, 1, /not closed/],
  ['/*a/', 1, 1, /nothing for \*/],
  ['/a{2,1}/', 2, 5, /wrong way round/],
  ['/[z-a]/', 2, 3, /wrong way round/],
  ['/a{1001}/', 2, 6, /1000/],
  ['/((a{100}){100}){2}/', 1, 18, /1000/],
  ['/\\p{Nope}/', 1, 8, /Unicode class/],
  // pipes
  ['a |', 2, 1, /Pipes are stats/],
  ['a | | b', 2, 1, /missing behind/],
  ['a | stat count()', 4, 4, /Did you mean stats/],
  ['a | head 5', 4, 4, /Did you mean limit/],
  ['a | level:ERROR', 4, 5, /before the first \|/],
  ['a | xyzzy', 4, 5, /Pipes are/],
  ['a | 5', 4, 1, /not a pipe/],
  ['a | stats', 4, 5, /needs a metric/],
  ['a | stats by x', 10, 2, /needs a metric/],
  ['a | stats count', 10, 5, /count\(\)/],
  ['a | stats count(x)', 16, 1, /takes no field/],
  ['a | stats avg()', 10, 5, /needs a field/],
  ['a | stats mean(x)', 10, 4, /Did you mean avg/],
  ['a | stats p101(x)', 10, 4, /no metric p101/],
  ['a | stats count(', 15, 1, /not closed/],
  ['a | stats count() by (x', 21, 1, /not closed/],
  ['a | stats count() by', 4, 16, /by needs a field/],
  ['a | stats count() by hour(x)', 21, 4, /bucket\(5m\)/],
  ['a | stats count() by bucket(5)', 28, 1, /duration/],
  ['a | stats count() as', 17, 3, /missing after as/],
  ['a | stats count(), count()', 4, 22, /Two columns are named count/],
  ['a | stats count() foo', 18, 3, /does not go on/],
  ['a | stats count() by service | where cuont > 1', 37, 5, /Did you mean count/],
  ['a | stats count() | stats count()', 20, 5, /needs records/],
  ['a | top 5 x | parse "<a>"', 14, 5, /needs records/],
  ['a | sort', 4, 4, /needs a name/],
  ['a | sort -count', 9, 6, /sort count desc/],
  ['a | limit', 4, 5, /1 to 100000/],
  ['a | limit ten', 10, 3, /1 to 100000/],
  ['a | limit 0', 10, 1, /1 to 100000/],
  ['a | top user', 8, 4, /1 to 100000/],
  ['a | top 5 count', 4, 11, /Two columns/],
  ['a | top 5', 4, 3, /name of a field/],
  ['a | fields', 4, 6, /name of a field/],
  ['a | fields a b', 13, 1, /does not go on with b/],
  ['a | rate', 4, 4, /duration/],
  ['a | rate 0s', 9, 2, /duration/],
  ['a | parse x', 4, 5, /in quotes/],
  ['a | parse "x"', 10, 3, /captures nothing/],
  ['a | parse "<a><b>"', 14, 3, /side by side/],
  ['a | parse "<a> <a>"', 15, 3, /named a/],
  ['a | where', 8, 2, /name of a field/],
  ['a | where x', 10, 1, /comparison is missing/],
  ['a | where x like "y"', 12, 4, /comparison is missing/],
  ['a | where x =~ "y"', 12, 2, /before the first/],
  ['a | where 5 > x', 10, 1, /name/],
  ['a | where x >', 12, 1, /value is missing/],
  ['a | where x > 5s', 14, 2, /no unit/],
  ["a | where x = 'y'", 14, 1, /double quotes/],
  ['a | where (x = 1', 10, 1, /not closed/],
  ['a | where timestamp > 5', 10, 9, /before the first/],
  ['a | stats count() by x | where count > x', 39, 1, /Two columns/],
]

function errorOf(query: string): QuerySyntaxError {
  try {
    parseQuery(query, { nowMs: NOW_MS })
  } catch (error) {
    assert.ok(error instanceof QuerySyntaxError, `${query}: ${String(error)}`)
    return error
  }
  return assert.fail(`${query} parses`)
}

for (const [query, position, length, says] of ERRORS) {
  test(`${JSON.stringify(query)} is refused with a position and a hint`, () => {
    const error = errorOf(query)
    assert.equal(error.code, 'invalid_query')
    assert.match(error.message, says)
    assert.deepEqual([error.position, error.length], [position, length], error.message)
    assert.deepEqual(error.details, { position, length, hint: error.hint })
    assert.notEqual(error.hint, '')
  })
}

test('a query is bounded in bytes, parts and depth', () => {
  assert.match(errorOf('é'.repeat(QUERY_TEXT_BYTES_MAX / 2 + 1)).message, /too long/)
  assert.match(errorOf('a '.repeat(QUERY_NODES_MAX + 1)).message, /too many parts/)
  for (const open of ['(', 'NOT ', '-', '+', 'NOT (']) {
    assert.match(errorOf(`${open.repeat(QUERY_DEPTH_MAX + 1)}a`).message, /nested too deeply/)
  }
  assert.match(errorOf(`a | where ${'('.repeat(8000)}`).message, /nested too deeply/)
  assert.match(errorOf(`/${'('.repeat(500)}/`).message, /nested too deeply/)
  assert.equal(filterOf(`${'('.repeat(QUERY_DEPTH_MAX)}a${')'.repeat(QUERY_DEPTH_MAX)}`).kind, 'text')
})

test('any text parses or is refused with a QuerySyntaxError whose place lies in the text', () => {
  const piece = fc.constantFrom(
    ...[
      'a',
      'b*',
      '"',
      '/',
      '(',
      ')',
      '[',
      '{',
      ']',
      '}',
      ':',
      '|',
      '\\',
      '~',
      '^',
      ' ',
      'TO',
      ' OR ',
      ' AND ',
      'NOT ',
      '-',
      '+',
    ],
    ...[
      '!',
      '>',
      '<=',
      '=',
      '&&',
      '||',
      'é',
      '😀',
      'level:',
      'timestamp:',
      '_exists_:',
      '5',
      'now-1h',
      'stats ',
      'count()',
      ' by ',
    ],
    ...[
      'where ',
      'sort ',
      'limit ',
      'parse ',
      '"<x>"',
      'top 5 ',
      'rate ',
      '1m',
      ',',
      '*',
      '?',
      '\n',
      '[a-z',
      '(?',
      '{2',
      '\\p{L',
    ],
  )
  const any = fc.oneof(
    fc.array(piece, { maxLength: 14 }).map((pieces) => pieces.join('')),
    fc.string({ unit: 'binary', maxLength: 40 }),
  )
  fc.assert(
    fc.property(any, (query) => {
      try {
        parseQuery(query, { nowMs: NOW_MS })
      } catch (error) {
        if (!(error instanceof QuerySyntaxError)) throw error
        assert.ok(error.position >= 0 && error.length >= 1 && error.hint !== '', query)
        assert.ok(error.position <= query.length, query)
      }
    }),
    { numRuns: 4000 },
  )
})
