import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RE2JS } from 're2js'
import { VALUE_BYTES_MAX } from '../../../base/limits.ts'
import { foldText } from '../../../base/tokenizer.ts'
import { QuerySyntaxError } from '../../../query/errors.ts'
import { compileUserRegex, type RegexMode, requiredLiteral } from '../../../query/regex.ts'

function finds(source: string, flags: string, text: string, mode: RegexMode = 'find'): boolean {
  return compileUserRegex(source, flags, mode).test(text)
}

test('an expression is looked for anywhere in the text, or must be the whole text', () => {
  assert.equal(finds('stripe after 4\\d+ms', 'i', 'Payment: STRIPE after 423ms.'), true)
  assert.equal(finds('stripe after 4\\d+ms', '', 'Payment: STRIPE after 423ms.'), false)
  assert.equal(finds('b+', '', 'abbc', 'whole'), false)
  assert.equal(finds('a|bc', '', 'bc', 'whole'), true)
  assert.equal(finds('a|bc', '', 'abc', 'whole'), false)
})

test('a dot, a class and a repeat count characters, not bytes or UTF-16 units', () => {
  assert.equal(finds('a.b', '', 'a😀b', 'whole'), true)
  assert.equal(finds('[^x]{3}', '', 'é😀中', 'whole'), true)
  assert.equal(finds('[à-ü]+', 'i', 'ÀÉü', 'whole'), true)
  assert.equal(finds('\\p{Greek}+\\PL', '', 'λόγος!', 'whole'), true)
  assert.equal(finds('\\x{1F600}\\u{1F600}', '', '😀😀', 'whole'), true)
})

test('^ and $ are the ends of the text, and with m also those of lines; . takes no newline but with s', () => {
  assert.equal(finds('^b', '', 'a\nb'), false)
  assert.equal(finds('^b$', 'm', 'a\nb\nc'), true)
  assert.equal(finds('a$', '', 'a\n'), false)
  assert.equal(finds('a.b', '', 'a\nb'), false)
  assert.equal(finds('a.b', 's', 'a\nb'), true)
})

test('bytes are searched where they lie, within their bounds', () => {
  const regex = compileUserRegex('^b+$', '', 'find')
  const bytes = new TextEncoder().encode('abbba')
  assert.equal(regex.testBytes(bytes, 1, 4), true)
  assert.equal(regex.testBytes(bytes, 0, 4), false)
  assert.equal(regex.testBytes(bytes, 1, 5), false)
  assert.equal(regex.testBytes(bytes, 2, 2), false)
  assert.equal(compileUserRegex('^$', '', 'find').testBytes(bytes, 2, 2), true)
})

test('expressions on which backtracking never ends are answered at once', () => {
  const long = 'a'.repeat(VALUE_BYTES_MAX)
  for (const [source, flags, text] of [
    ['^(a+)+$', '', `${'a'.repeat(50)}b`],
    ['^(a+)+$', 'i', `${long.slice(1)}b`],
    ['(a|a)*c', '', long],
    ['(a|aa)+$b', 'u', long],
    ['.*b', '', long],
    ['a.*a.*a.*b', '', long],
    ['^((a{1,30}){1,30})+c', '', long],
    ['(a?){50}a{50}c', '', 'a'.repeat(50)],
    ['(x+x+)+y', '', 'x'.repeat(VALUE_BYTES_MAX)],
    ['(.*)*(.*)*=', 's', long],
    ['(\\w+\\s?)+$', 'i', `${long}!`],
  ] as const) {
    assert.equal(finds(source, flags, text), false, source)
  }
})

test('an expression that needs more states than its table holds is still answered, and right', () => {
  const random = Array.from({ length: 20_000 }, (_, i) => ((i * 2_654_435_761) >>> 13) & 1)
  const text = random.map((bit) => 'ab'[bit]).join('')
  assert.equal(finds('(a|b)*a(a|b){40}c', '', text), false)
  assert.equal(finds('(a|b)*a(a|b){40}c', '', `${text}a${'b'.repeat(40)}c`), true)
})

test('V8 is offered an expression only where its cost is bounded', () => {
  const native = (source: string, flags = '') => compileUserRegex(source, flags, 'find')
  assert.equal(String(native('Stripe after 4\\d+', 'i').native), '/stripe after 4[0-9]+/i')
  assert.equal(String(native('^a.c$').native), '/^a[^\\n]c$/')
  assert.equal(native('timeout|refused').nativeLengthMax, VALUE_BYTES_MAX)
  assert.ok(native('(?:\\d{1,3}\\.){3}\\d{1,3}').nativeLengthMax > 20_000)
  for (const bounded of ['x.*y', '\\d+ms', 'user \\w+ failed .* times']) {
    const { native: regex, nativeLengthMax } = native(bounded)
    assert.ok(regex !== null && nativeLengthMax >= 200 && nativeLengthMax < 20_000, bounded)
  }
  for (const unbounded of ['(a+)+$', '(a|ab)*c', '.*x.*y.*z', '(a?){50}a', '(a*)*']) {
    assert.equal(native(unbounded).native, null, unbounded)
    assert.equal(native(unbounded).nativeLengthMax, 0)
  }
})

const REFUSED: readonly (readonly [string, number, RegExp])[] = [
  ['a(?=b)', 1, /Look-around/],
  ['(?<!a)b', 0, /Look-around/],
  ['(a)\\1', 3, /Back-references/],
  ['\\k<n>', 0, /Back-references/],
  ['(?>a)', 0, /Atomic/],
  ['a++', 1, /Possessive/],
  ['a**', 1, /follows another/],
  ['a\\', 1, /backslash/],
  ['a\\y', 1, /Unknown escape/],
  ['[abc', 0, /not closed/],
  ['[[:foo:]]', 1, /Unknown class/],
  ['(a', 0, /not closed/],
  ['a)', 1, /without its/],
  ['(?P<n>a)(?<n>b)', 8, /Two groups/],
  ['(?x)a', 0, /Unknown flag/],
  ['\\x{110000}', 0, /no such code point/],
  ['(\\pL{200}){5}', 0, /too large/],
  [`a${'b'.repeat(3000)}`, 0, /too long/],
]

for (const [source, position, says] of REFUSED) {
  test(`/${source.slice(0, 30)}/ is refused with its place`, () => {
    assert.throws(
      () => compileUserRegex(source, '', 'find'),
      (error) => error instanceof QuerySyntaxError && error.position === position && says.test(error.message),
    )
  })
}

test('the literal that every match contains is the longest certain one, folded', () => {
  for (const [source, flags, literal] of [
    ['stripe after 4\\d+ms', 'i', 'stripe after 4'],
    ['Foo(Bar)+baz', '', 'foobar'],
    ['(abc){2}x', '', 'abcabcx'],
    ['a|abc', '', null],
    ['(abc)?d', '', 'd'],
    ['x*', '', null],
    ['[Kk]elvin', '', 'kelvin'],
    ['^GET \\/api', '', 'get /api'],
    ['straße', 'i', 'stra'],
  ] as const) {
    assert.equal(requiredLiteral(source, flags), literal, source)
  }
})

const atoms = ['a', 'b', 'é', '😀', '.', '\\d', '\\w', '[ab]', '[^a]', '[^é]', '\\s', '\\S', 'x', 'K', '-', '1', '\\.']
const classes = [
  '[α-ω]',
  '\\p{Lu}',
  '\\n',
  '^',
  '$',
  '\\b',
  '\\B',
  '\\x{e9}',
  '[[:alpha:]_]',
  '_',
  ' ',
  '[\\s,;-]',
  '(?i:k)',
]
const regexSource: fc.Arbitrary<string> = fc.letrec<{ any: string }>((tie) => ({
  any: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(...atoms, ...classes),
    fc.tuple(tie('any'), tie('any')).map((parts) => parts.join('')),
    fc.tuple(tie('any'), tie('any')).map(([one, other]) => `(?:${one}|${other})`),
    fc
      .tuple(tie('any'), fc.constantFrom('*', '+', '?', '{2}', '{1,3}', '{0,2}?', '*?'))
      .map(([body, quantifier]) => `(${body})${quantifier}`),
  ),
})).any
const regexFlags = fc.subarray(['i', 's', 'm']).map((flags) => flags.join(''))
const someText = fc
  .array(fc.constantFrom(...'abéÉ😀ABxkK-1.αΣ\n _äc,'), { maxLength: 10 })
  .map((characters) => characters.join(''))

/** Undefined where nested counts make the program larger than ours may be; RE2's own bound is another one. */
function compiledUnlessTooLarge(source: string, flags: string, mode: 'find' | 'whole') {
  try {
    return compileUserRegex(source, flags, mode)
  } catch (error) {
    if (error instanceof QuerySyntaxError && error.message.includes('too large')) return undefined
    throw error
  }
}

test('what matches is what RE2 matches; V8 agrees where it is used; a match contains its required literal', () => {
  fc.assert(
    fc.property(
      regexSource,
      regexFlags,
      fc.array(someText, { minLength: 5, maxLength: 5 }),
      fc.boolean(),
      (source, flags, texts, whole) => {
        const flagBits =
          (flags.includes('i') ? RE2JS.CASE_INSENSITIVE : 0) |
          (flags.includes('s') ? RE2JS.DOTALL : 0) |
          (flags.includes('m') ? RE2JS.MULTILINE : 0)
        const reference = RE2JS.compile(whole ? `\\A(?:${source})\\z` : source, flagBits)
        const regex = compiledUnlessTooLarge(source, flags, whole ? 'whole' : 'find')
        fc.pre(regex !== undefined)
        const literal = requiredLiteral(source, flags)
        for (const text of texts) {
          const wanted = reference.matcher(text).find()
          assert.equal(regex.test(text), wanted, `/${source}/${flags} on ${JSON.stringify(text)}`)
          if (regex.native !== null && /^[\0-\x7f]*$/.test(text))
            assert.equal(regex.native.test(text), wanted, String(regex.native))
          if (wanted && literal !== null)
            assert.ok(foldText(text).includes(literal), `${literal} in ${JSON.stringify(text)}`)
        }
      },
    ),
    { numRuns: 1500 },
  )
})

test('any text is a regular expression or a QuerySyntaxError, and what we take RE2 takes', () => {
  const piece = fc.constantFrom(
    ...'ab()[]{}^$|?*+.\\/-,:=!<>012ndwpPQEzAxu',
    '(?',
    '[^',
    '[:alpha:]',
    '{2,',
    '\\p{L}',
    '(?i)',
    '😀',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 10 }), (pieces) => {
      const source = pieces.join('')
      try {
        compileUserRegex(source, '', 'find')
      } catch (error) {
        if (!(error instanceof QuerySyntaxError)) throw error
        assert.ok(error.position >= 0 && error.position <= source.length, source)
        return
      }
      // \u is ours, for those who know it from JavaScript. In `[:]` re2js sees the beginning and the end of a named class, both in one colon; RE2 does not.
      if (!source.includes('\\u') && !source.includes('[:]')) RE2JS.compile(source)
    }),
    { numRuns: 3000 },
  )
})
