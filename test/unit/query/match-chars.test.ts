import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CHARS_ANY, charMaskOfBytes, charMaskOfText, mayHoldChars, unionOfChars } from '../../../base/char-mask.ts'
import { tokensOfText } from '../../../base/tokenizer.ts'
import type { TextMatch } from '../../../query/ast.ts'
import { charsOfMatch } from '../../../query/match-chars.ts'
import { compileTextMatch } from '../../../query/text-match.ts'

const maskOf = (text: string) => {
  const bytes = Buffer.from(text)
  return charMaskOfBytes(bytes, 0, bytes.length)
}
const text = fc.string({ unit: fc.constantFrom(...'abkKsS_09 -.éſİ\u212a'), maxLength: 8 })
const match: fc.Arbitrary<TextMatch> = fc.oneof(
  text.map((of): TextMatch => ({ kind: 'phrase', tokens: tokensOfText(of) })),
  text.map(
    (of): TextMatch => ({
      kind: 'tokenPattern',
      tokens: tokensOfText(of).map((token, i) => ({
        pattern: i === 0 ? `${token.slice(1)}*` : token,
        literal: i !== 0,
      })),
    }),
  ),
  text.map((of): TextMatch => ({ kind: 'fuzzy', token: tokensOfText(of)[0] ?? 'a', distance: 1 })),
  fc.tuple(text, fc.constantFrom('', 'i'), fc.boolean()).map(
    ([of, flags, optional]): TextMatch => ({
      kind: 'regex',
      source: of.replace(/[-.]/g, '\\$&') + (optional && of !== '' && !/[-. ]$/.test(of) ? '?' : ''),
      flags,
    }),
  ),
)

test('S5: a text that matches has the characters that the match asks for', () => {
  fc.assert(
    fc.property(match, fc.array(text, { minLength: 1, maxLength: 4 }), (wanted, parts) => {
      const value = parts.join('')
      if (compileTextMatch(wanted)(value)) assert(mayHoldChars(maskOf(value), charsOfMatch(wanted)))
    }),
    { numRuns: 3000 },
  )
})

test('S5: what is one of several texts is not ruled out by the characters of them all', () => {
  fc.assert(
    fc.property(fc.array(text), fc.string(), (texts, other) => {
      const all = maskOf([...texts, other].join(' '))
      for (const token of tokensOfText(other)) assert(mayHoldChars(all, charMaskOfText(token)))
      assert(mayHoldChars(unionOfChars(maskOf(texts.join(' ')), maskOf(other)), maskOf(other)))
      assert(mayHoldChars(CHARS_ANY, all))
    }),
  )
})

test('texts of few characters rule out words of others, long free text rules out nothing', () => {
  assert(!mayHoldChars(maskOf('u_123 u_99'), charMaskOfText('timeout')))
  assert(mayHoldChars(maskOf('u_123 u_99'), charMaskOfText('u_12')))
  assert(!mayHoldChars(maskOf('abc'), charMaskOfText('é')))
  assert(
    mayHoldChars(maskOf('the quick brown fox jumps over the lazy dog 0123'.repeat(200)), charMaskOfText('zebra_9')),
  )
})
