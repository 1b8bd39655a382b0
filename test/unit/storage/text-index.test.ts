import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { TextIndex } from '../../../storage/text-index.ts'

const words = fc.uniqueArray(
  fc.oneof(
    fc.string({ unit: fc.constantFrom('a', 'b', 'ü'), minLength: 2, maxLength: 4 }),
    fc.constantFrom('constructor', 'tostring', '日本'),
  ),
  { maxLength: 8 },
)
const steps = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: words.map((list) => ({ kind: 'add' as const, words: list })) },
    { weight: 1, arbitrary: fc.nat().map((which) => ({ kind: 'remove' as const, which })) },
  ),
  { maxLength: 60 },
)

describe('the word index of blocks', () => {
  it('knows exactly the blocks of each word, after any additions and removals', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const index = new TextIndex()
        const model = new Map<number, readonly string[]>()
        let next = 0
        for (const step of list) {
          const before = new Set([...model.values()].flat())
          if (step.kind === 'add') {
            const fresh = index.add(next, step.words)
            assert.deepEqual(
              fresh,
              step.words.filter((word) => !before.has(word)),
            )
            model.set(next++, step.words)
          } else if (model.size > 0) {
            const block = [...model.keys()][step.which % model.size]!
            const had = model.get(block)!
            model.delete(block)
            const after = new Set([...model.values()].flat())
            assert.deepEqual(
              index.remove(block),
              had.filter((word) => !after.has(word)),
            )
          }
        }
        const all = new Set(list.flatMap((step) => (step.kind === 'add' ? step.words : [])))
        for (const word of [...all, 'nowhere', '']) {
          const expected = [...model].filter(([, has]) => has.includes(word)).map(([block]) => block)
          assert.deepEqual(
            [...index.blocksWith(word)].sort((a, b) => a - b),
            expected,
            word,
          )
          assert.equal(index.blockCount(word), expected.length)
        }
        assert.deepEqual([...index.words()].sort(), [...new Set([...model.values()].flat())].sort())
        assert.equal(index.wordCount, new Set([...model.values()].flat()).size)
      }),
      { numRuns: 200 },
    )
  })

  it('has no limit: a word of 5,000 blocks is found in each, also after a cleanup', () => {
    const index = new TextIndex()
    for (let block = 0; block < 5000; block++) index.add(block, ['common', block % 2 === 0 ? 'even' : 'odd'])
    assert.equal(index.blocksWith('common').length, 5000)
    for (let block = 0; block < 4000; block++) index.remove(block)
    assert.equal(index.blocksWith('common').length, 1000)
    assert.deepEqual(
      [...index.blocksWith('even')].sort((a, b) => a - b),
      Array.from({ length: 500 }, (_, i) => 4000 + 2 * i),
    )
    index.add(0, ['common', 'late'])
    assert.ok(index.blocksWith('common').includes(0))
    assert.deepEqual([...index.blocksWith('late')], [0])
  })
})
