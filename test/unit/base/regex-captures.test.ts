import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RE2JS } from 're2js'
import { StepBudget } from '../../../base/capture-matcher.ts'
import { RECORD_BYTES_MAX, VALUE_BYTES_MAX } from '../../../base/limits.ts'
import { CaptureRegex, type Captures, TOO_MANY_STEPS } from '../../../base/regex-captures.ts'
import { RegexError } from '../../../base/regex-error.ts'

function run(regex: CaptureRegex, text: string): Captures | null | string {
  const budget = new StepBudget()
  budget.reset(text.length)
  return regex.exec(text, budget)
}

function captured(source: string, text: string, flags = ''): Record<string, string | null> | null | string {
  const regex = new CaptureRegex(source, flags)
  const captures = run(regex, text)
  if (captures === null || typeof captures === 'string') return captures
  return Object.fromEntries(regex.names.map((name, i) => [name, captures[i]!]))
}

test('named groups capture the match that backtracking would prefer; other groups capture nothing', () => {
  assert.deepEqual(captured('(?<ip>\\S+) (?<user>\\S+)', 'x 10.0.0.1 ada'), { ip: 'x', user: '10.0.0.1' })
  assert.deepEqual(captured('(?<a>a|ab)(?<b>c|bcd)(?P<c>d*)', 'abcd'), { a: 'a', b: 'bcd', c: '' })
  assert.deepEqual(captured('<(?<first>.*)>', '<a><b>'), { first: 'a><b' })
  assert.deepEqual(captured('<(?<first>.*?)>', '<a><b>'), { first: 'a' })
  assert.deepEqual(captured('(x)(?<y>y)', 'xy'), { y: 'y' })
  assert.deepEqual(captured('(?<a>a)|(?<b>b)', 'b'), { a: null, b: 'b' })
  assert.deepEqual(captured('(?:(?<a>a)|(?<b>b))*', 'ab'), { a: 'a', b: 'b' })
  assert.deepEqual(captured('(?<word>\\p{Greek}+)(?<rest>.{2})', 'zu λόγος😀!'), { word: 'λόγος', rest: '😀!' })
  assert.equal(captured('^(?<a>b)', 'ab'), null)
})

test('a text is never matched for longer than its length allows', () => {
  const long = 'a'.repeat(RECORD_BYTES_MAX)
  for (const [source, text, wanted] of [
    ['^(?<x>(a+)+)$', `${'a'.repeat(50)}b`, null],
    ['(?<x>a|a)*c', 'a'.repeat(5000), null],
    ['(?<x>(a?){50}a{50})c', 'a'.repeat(50), null],
    ['(?<x>.*)=(?<y>.*)=(?<z>.*);', '='.repeat(3000), null],
    ['(?<x>(x+x+)+)y', 'x'.repeat(100_000), null],
    ['^(?<x>(a+)+)$', `${long}b`, TOO_MANY_STEPS],
    ['(?<x>\\w+)=', long, null],
    ['^(?<x>(?:(a+)+|b|c|d|e|f|g|h)+)$', `${long}.`, TOO_MANY_STEPS],
  ] as const) {
    assert.equal(captured(source, text), wanted, source)
  }
})

test('expressions that are tried one after the other share the steps of a text', () => {
  const text = `${'a'.repeat(100_000)}b`
  const budget = new StepBudget()
  budget.reset(text.length)
  const left: number[] = []
  for (let i = 0; i < 20; i++) {
    const outcome = new CaptureRegex('^(?<x>(a+)+)$', '').exec(text, budget)
    left.push(budget.left)
    if (outcome === TOO_MANY_STEPS) break
  }
  assert.ok(left.length < 10 && left.at(-1) === 0, left.join())
})

test('the longest value is taken apart', () => {
  const long = `${'é'.repeat(VALUE_BYTES_MAX / 4)} ${'b'.repeat(VALUE_BYTES_MAX / 4)}`
  const fields = captured('^(?<a>\\S+) (?<b>.*)$', long)
  assert.ok(typeof fields === 'object' && fields !== null)
  assert.equal(fields.a?.length, VALUE_BYTES_MAX / 4)
  assert.equal(fields.b?.length, VALUE_BYTES_MAX / 4)
})

test('what is not linear is refused with its place', () => {
  for (const source of ['(?<a>a)\\1', '(?=a)', '(?<a>a', '(?<a>a)(?<a>b)', '(?:(?:\\pL{100}){10}){10}']) {
    assert.throws(() => new CaptureRegex(source, ''), RegexError, source)
  }
})

const atoms = ['a', 'b', 'é', '.', '\\d', '[ab]', '[^a]', '[^é]', '\\s', '1', '^', '$', '\\b', '(?i:A)']
const template: fc.Arbitrary<string> = fc.letrec<{ any: string }>((tie) => ({
  any: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(...atoms),
    fc.tuple(tie('any'), tie('any')).map((parts) => parts.join('')),
    fc.tuple(tie('any'), tie('any')).map(([one, other]) => `(?:${one}|${other})`),
    tie('any').map((body) => `(#${body})`),
    fc
      .tuple(tie('any'), fc.constantFrom('*', '+', '?', '{2}', '{1,3}', '{0,2}?', '*?', '+?', '??'))
      .map(([body, quantifier]) => `(?:${body})${quantifier}`),
  ),
})).any
const someText = fc.array(fc.constantFrom(...'aabbéA1 \n'), { maxLength: 12 }).map((characters) => characters.join(''))

test('captures are those of RE2', () => {
  fc.assert(
    fc.property(template, fc.array(someText, { minLength: 4, maxLength: 4 }), (pattern, texts) => {
      let groups = 0
      const source = pattern.replace(/\(#/g, () => `(?<g${groups++}>`)
      const regex = new CaptureRegex(source, '')
      const reference = RE2JS.compile(source)
      for (const text of texts) {
        const matcher = reference.matcher(text)
        const wanted = matcher.find() ? Array.from({ length: groups }, (_, i) => matcher.group(i + 1)) : null
        assert.deepEqual(run(regex, text), wanted, `/${source}/ on ${JSON.stringify(text)}`)
      }
    }),
    { numRuns: 2000 },
  )
})

test('all matches are those of RE2, one after the other', () => {
  const budget = new StepBudget()
  fc.assert(
    fc.property(template, fc.array(someText, { minLength: 4, maxLength: 4 }), (pattern, texts) => {
      const source = pattern.replace(/\(#/g, '(?:')
      const regex = new CaptureRegex(`(?<all>${source})`, '')
      const reference = RE2JS.compile(source)
      for (const text of texts) {
        const wanted: [number, number][] = []
        const matcher = reference.matcher(text)
        while (matcher.find()) if (matcher.end() > matcher.start()) wanted.push([matcher.start(), matcher.end()])
        const found: [number, number][] = []
        budget.reset(text.length)
        assert.ok(regex.findAll(text, budget, (start, end) => end > start && found.push([start, end])))
        assert.deepEqual(found, wanted, `/${source}/ on ${JSON.stringify(text)}`)
      }
    }),
    { numRuns: 2000 },
  )
})
