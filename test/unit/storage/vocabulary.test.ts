import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { withinEditDistance } from '../../../base/edit-distance.ts'
import { literalPrefix, suggestWords, Vocabulary, wildcardMatcher } from '../../../storage/vocabulary.ts'

const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'é', '\u{10400}'), minLength: 1, maxLength: 7 })
const vocabulary = fc.uniqueArray(word, { minLength: 1, maxLength: 60 })
const sorted = (list: Iterable<string>) => [...list].sort()

describe('the vocabulary', () => {
  it('finds every word with a prefix, and none without, also after removals', () => {
    fc.assert(
      fc.property(vocabulary, fc.array(word, { maxLength: 6 }), fc.nat({ max: 59 }), (words, prefixes, removed) => {
        const index = new Vocabulary(words)
        for (const gone of words.slice(0, removed)) index.remove(gone)
        const left = words.slice(removed)
        for (const prefix of ['', 'zz', ...prefixes, ...words]) {
          assert.deepEqual(sorted(index.withPrefix(prefix)), sorted(left.filter((w) => w.startsWith(prefix))), prefix)
        }
        for (const back of words.slice(0, removed)) index.add(back)
        assert.deepEqual(sorted(index.withPrefix('')), sorted(words))
      }),
    )
  })

  it('finds every word within an edit distance, and none beyond', () => {
    fc.assert(
      fc.property(vocabulary, word, fc.constantFrom(1, 2), (words, typed, distance) => {
        const near = words.filter((w) => withinEditDistance(typed, w, distance))
        assert.deepEqual(sorted(new Vocabulary(words).near(typed, distance) ?? []), sorted(near))
      }),
    )
  })

  it('finds every word of a pattern', () => {
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', 'é', '*', '?'), minLength: 1, maxLength: 6 })
    fc.assert(
      fc.property(vocabulary, pattern, (words, text) => {
        const regex = new RegExp(`^${text.replace(/\*/g, '[^]*').replace(/\?/g, '[^]')}$`)
        assert.deepEqual(sorted(new Vocabulary(words).withPattern(text)), sorted(words.filter((w) => regex.test(w))))
        assert.ok(text.startsWith(literalPrefix(text)))
      }),
    )
  })

  it('matches patterns that make backtracking engines suffer', () => {
    const matches = wildcardMatcher('*a*a*a*a*a*a*a*a*a*b')
    assert.equal(matches('a'.repeat(5000)), false)
    assert.equal(matches(`${'a'.repeat(5000)}b`), true)
  })

  it('suggests what is nearest, then what is most frequent, and nothing for a word that occurs', () => {
    const counts: Record<string, number> = { timeout: 3, timeouts: 9, time: 50, payment: 4, timer: 1 }
    const suggest = (typed: string) => suggestWords(Object.keys(counts), typed, (w) => counts[w]!, 3)
    assert.deepEqual(suggest('timeuot'), ['timeout', 'timeouts'])
    assert.deepEqual(suggest('tim'), ['time'])
    assert.deepEqual(suggest('timeout'), [])
    assert.deepEqual(suggest('zzzz'), [])
  })
})
