import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { tokenHash } from '../../../base/hash.ts'
import { isWord, tokensOfText } from '../../../base/tokenizer.ts'
import { TokenCollector, writeInteger } from '../../../storage/token-collector.ts'
import { TokenShapes } from '../../../storage/token-shapes.ts'
import { BLOCK_WORDS_MAX } from '../../../storage/token-table.ts'

function collect(texts: readonly string[], collector = new TokenCollector()): TokenCollector {
  for (const text of texts) {
    const bytes = new TextEncoder().encode(text)
    collector.addText(bytes, 0, bytes.length)
  }
  return collector
}

test('a collector holds exactly the tokens and words of its texts, also when used again', () => {
  const collector = new TokenCollector()
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.string({ unit: 'binary' }), fc.string())), (texts) => {
      collector.reset()
      collect(texts, collector)
      const tokens = new Set(texts.flatMap(tokensOfText))
      assert.deepEqual(new Set(collector.hashes()), new Set([...tokens].map(tokenHash)))
      assert.deepEqual(collector.words(), [...tokens].filter(isWord).sort())
    }),
    { numRuns: 300 },
  )
})

test('the shapes of a collector are those of each token that is no word', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.string(), fc.stringMatching(/^[0-9a-fA-F_xyz ]{0,40}$/), fc.uuid())), (texts) => {
      const shapes = new TokenShapes()
      for (const token of texts.flatMap(tokensOfText)) {
        const bytes = new TextEncoder().encode(token)
        if (!isWord(token)) shapes.note(bytes, 0, bytes.length, true)
      }
      assert.deepEqual(collect(texts).shapes(), shapes.finish())
    }),
    { numRuns: 200 },
  )
})

test('two words of one hash are both found', () => {
  const [one, other] = ['dhbqbzre', 'fyasptha']
  assert.equal(tokenHash(one), tokenHash(other))
  assert.deepEqual(collect([`${other} ${one} ${other}`]).words(), [one, other])
})

test('too many words are said to be too many, and every hash is still there', () => {
  const words = Array.from({ length: BLOCK_WORDS_MAX + 1 }, (_, i) =>
    `w${i}`.replace(/\d/g, (digit) => String.fromCharCode(97 + Number(digit))),
  )
  assert.equal(collect(words.slice(0, BLOCK_WORDS_MAX)).words()?.length, BLOCK_WORDS_MAX)
  const collector = collect(words)
  assert.equal(collector.words(), null)
  assert.equal(collector.hashes().length, BLOCK_WORDS_MAX + 1)
})

test('integers are written as String writes them', () => {
  fc.assert(
    fc.property(fc.oneof(fc.maxSafeInteger(), fc.integer()), (value) => {
      const out = new Uint8Array(24)
      assert.equal(new TextDecoder().decode(out.subarray(2, writeInteger(value, out, 2))), String(value))
    }),
  )
})
