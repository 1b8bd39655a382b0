import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { foldCodePoint, foldText, foldTokenBytes, isWord, TOKEN_FOLD, tokensOfText } from '../../../base/tokenizer.ts'

const anyText = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }), fc.string())

test('tokens are the maximal runs of letters, digits, underscore and non-ASCII, folded', () => {
  assert.deepEqual(tokensOfText('GET /api/v1/Orders_42?q=Straße&x=ΣΊΣΥΦΟΣ'), [
    'get',
    'api',
    'v1',
    'orders_42',
    'q',
    'straße',
    'x',
    'σίσυφοσ',
  ])
  assert.deepEqual(tokensOfText(''), [])
  assert.deepEqual(tokensOfText(' -- '), [])
})

test('tokens agree with the definition as a regular expression', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const runs = text.match(/[A-Za-z0-9_\u0080-\uffff]+/g) ?? []
      assert.deepEqual(tokensOfText(text), runs.map(foldText))
    }),
    { numRuns: 300 },
  )
})

test('folding is idempotent, keeps the number of code points, and does not depend on what stands around', () => {
  fc.assert(
    fc.property(anyText, anyText, (a, b) => {
      const folded = foldText(a)
      assert.equal(foldText(folded), folded)
      assert.equal([...folded].length, [...a].length)
      assert.equal(foldText(`${a} ${b}`), `${folded} ${foldText(b)}`)
    }),
    { numRuns: 300 },
  )
})

test('every code point folds to one that folds to itself', () => {
  for (let codePoint = 0; codePoint <= 0x10ffff; codePoint++) {
    const folded = foldCodePoint(codePoint)
    if (folded !== codePoint) assert.equal(foldCodePoint(folded), folded, codePoint.toString(16))
  }
})

test('special cases of folding stay what they are: they are stored', () => {
  assert.equal(foldText('İ'), 'İ')
  assert.equal(foldText('K'), 'k')
  assert.equal(foldText('ΑΣ'), 'ας'.replace('ς', 'σ'))
  assert.equal(foldText('ẞ'), 'ß')
  assert.equal(foldText('\ud800'), '\ufffd')
  assert.equal(foldText('𐐀'), '𐐨')
})

test('folding the bytes of a token gives the bytes of the folded token', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const bytes = new TextEncoder().encode(text)
      const out = new Uint8Array(bytes.length * 3)
      const length = foldTokenBytes(bytes, 0, bytes.length, out)
      assert.deepEqual(out.slice(0, length), new TextEncoder().encode(foldText(text)))
    }),
    { numRuns: 300 },
  )
})

test('the byte table folds ASCII as the text does', () => {
  for (let byte = 0; byte < 0x80; byte++) {
    const [token] = tokensOfText(String.fromCharCode(byte))
    assert.equal(TOKEN_FOLD[byte], token === undefined ? 0 : token.charCodeAt(0))
  }
})

test('words are letters only, 2 to 32 long', () => {
  assert.deepEqual(['ab', 'a'.repeat(32), 'straße', '日本'].map(isWord), [true, true, true, true])
  assert.deepEqual(['a', 'a'.repeat(33), 'a1', 'a_b', ''].map(isWord), [false, false, false, false, false])
})
