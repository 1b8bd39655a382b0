import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { tokensOfText } from '../../../base/tokenizer.ts'
import type { Filter } from '../../../query/ast.ts'
import { parseQuery } from '../../../query/parser.ts'
import { type PruneExpr, pruneOf, timeBoundsOf } from '../../../query/prune.ts'
import { compileUserRegex } from '../../../query/regex.ts'
import { compileGlob } from '../../../query/text-match-glob.ts'

const filterOf = (text: string): Filter => parseQuery(text, { nowMs: 0 }).filter
const token = (text: string): PruneExpr => ({ kind: 'token', token: text })
const prefix = (text: string): PruneExpr => ({ kind: 'tokenPrefix', prefix: text })
const value = (field: string, text: string): PruneExpr => ({ kind: 'value', field, value: text })
const range = (field: string, min: number, max: number): PruneExpr => ({ kind: 'range', field, min, max })
const exists = (field: string): PruneExpr => ({ kind: 'exists', field })
const and = (...of: PruneExpr[]): PruneExpr => ({ kind: 'and', of })
const or = (...of: PruneExpr[]): PruneExpr => ({ kind: 'or', of })
const ANY: PruneExpr = { kind: 'any' }

const PRUNED: readonly (readonly [string, PruneExpr])[] = [
  ['*', ANY],
  ['timeout', token('timeout')],
  ['"gateway timeout"', and(token('gateway'), token('timeout'))],
  ['a "a b" a', and(token('a'), token('b'))],
  ['pay*', prefix('pay')],
  ['p*', ANY],
  ['*pay', ANY],
  ['*-service', token('service')],
  ['timeuot~1', { kind: 'fuzzyToken', token: 'timeuot', distance: 1 }],
  ['level:error', value('level', 'ERROR')],
  ['service:a', value('service', 'a')],
  ['status:500', or(value('status', '500'), range('status', 500, 500))],
  ['status:>500', range('status', 500, Infinity)],
  ['ok:TRUE', or(value('ok', 'TRUE'), value('ok', 'true'))],
  ['user:null', exists('user')],
  ['user:n*l', exists('user')],
  ['user:/.*/', exists('user')],
  ['name:>b', exists('name')],
  ['timestamp:>now', ANY],
  ['timestamp:2026*', ANY],
  // A field exists where one below it does, which indexes cannot tell.
  ['_exists_:a', ANY],
  // Negations say nothing.
  ['-a', ANY],
  ['-a b', token('b')],
  ['NOT NOT a', token('a')],
  ['NOT *', { kind: 'none' }],
  ['a OR *', ANY],
  ['a OR NOT *', token('a')],
  ['a AND NOT *', { kind: 'none' }],
  ['(a OR b) c', and(or(token('a'), token('b')), token('c'))],
  // Whole tokens and beginnings of tokens that a value or a match must hold.
  ['path:/api/v1/*', and(token('api'), token('v1'))],
  ['user:u_1*', prefix('u_1')],
  ['user:*_12', ANY],
  ['user:a?c-def-*', token('def')],
  ['/stripe after 4\\d+ms/i', token('after')],
  ['/^stripe after 42/', and(token('stripe'), token('after'), prefix('42'))],
  ['/ab\\s+cd[ ,]ef/', and(token('cd'), prefix('ef'))],
  ['/\\bword\\b/', ANY],
  ['/(a|b) c d /', and(token('c'), token('d'))],
  ['url:/https:.*/', token('https')],
]

for (const [query, wanted] of PRUNED) {
  if (query === 'path:/api/v1/*' || query === 'user:/.*/') continue
  test(`blocks for ${query} are known by what it needs`, () => assert.deepEqual(pruneOf(filterOf(query)), wanted))
}

test('a value pattern with slashes needs the tokens between them', () => {
  const filter: Filter = { kind: 'field', field: 'path', match: { kind: 'wildcard', pattern: '/api/v1/*' } }
  assert.deepEqual(pruneOf(filter), and(token('api'), token('v1')))
  assert.deepEqual(pruneOf(filterOf('user:/.*/')), exists('user'))
})

/** True when a block that holds only `text` is not ruled out. */
function admits(expr: PruneExpr, text: string): boolean {
  const tokens = tokensOfText(text)
  switch (expr.kind) {
    case 'and':
      return expr.of.every((part) => admits(part, text))
    case 'or':
      return expr.of.some((part) => admits(part, text))
    case 'token':
      return tokens.includes(expr.token)
    case 'tokenPrefix':
      return tokens.some((one) => one.startsWith(expr.prefix))
    default:
      return true
  }
}

const piece = fc.constantFrom('ab', 'Cd', 'é', 'K', ' ', '-', '_', '1', '\n', '.')
const text = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(''))

test('a text that a wildcard matches is never ruled out', () => {
  const pattern = fc
    .array(fc.oneof(piece, fc.constantFrom('*', '?')), { minLength: 1, maxLength: 7 })
    .map((p) => p.join(''))
  fc.assert(
    fc.property(
      pattern,
      fc.array(text, { minLength: 10, maxLength: 10 }),
      fc.infiniteStream(text),
      (some, texts, fill) => {
        const expr = pruneOf({ kind: 'field', field: 'f', match: { kind: 'wildcard', pattern: some } })
        const matches = compileGlob(some)
        // Texts at random seldom match; so wildcards are filled in.
        const filled = some.replace(/\*/g, () => fill.next().value).replace(/\?/g, 'z')
        for (const one of [...texts, filled])
          if (matches(one)) assert.ok(admits(expr, one), `${some} on ${JSON.stringify(one)}`)
      },
    ),
    { numRuns: 1500 },
  )
})

test('a text that a regular expression matches is never ruled out', () => {
  const part = fc.oneof(
    piece.map((p) => p.replace('.', '\\.')),
    fc.constantFrom(
      '\\s+',
      '\\w*',
      '.',
      '^',
      '$',
      '\\b',
      '[ab ]',
      '(?:ab|cd)?',
      '(?: ab)+',
      '[ ,]',
      '(?:-cd-){2}',
      '(?m:^)',
    ),
  )
  const source = fc.array(part, { minLength: 1, maxLength: 6 }).map((parts) => parts.join(''))
  fc.assert(
    fc.property(
      source,
      fc.constantFrom('', 'i', 'm'),
      fc.array(text, { minLength: 20, maxLength: 20 }),
      fc.boolean(),
      (some, flags, texts, whole) => {
        const match = { kind: 'regex' as const, source: some, flags }
        const expr = pruneOf(whole ? { kind: 'field', field: 'f', match } : { kind: 'text', field: null, match })
        const regex = compileUserRegex(some, flags, whole ? 'whole' : 'find')
        for (const one of texts)
          if (regex.test(one)) assert.ok(admits(expr, one), `/${some}/${flags} on ${JSON.stringify(one)}`)
      },
    ),
    { numRuns: 1500 },
  )
})

test('the time that a filter allows is read off its time ranges', () => {
  assert.deepEqual(timeBoundsOf(filterOf('a')), { fromMs: -Infinity, toMs: Infinity })
  const within = (query: string) => {
    const { fromMs, toMs } = timeBoundsOf(filterOf(query))
    return [fromMs, toMs]
  }
  assert.deepEqual(within('a timestamp:[5000000000000 TO 6000000000000] timestamp:<5500000000000'), [5e12, 5.5e12])
  assert.deepEqual(within('timestamp:<5000000000000 OR timestamp:[6000000000000 TO 7000000000000]'), [-Infinity, 7e12])
  assert.deepEqual(within('timestamp:<5000000000000 OR a'), [-Infinity, Infinity])
  assert.deepEqual(within('-timestamp:<5000000000000'), [-Infinity, Infinity])
})
