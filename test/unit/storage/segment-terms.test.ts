import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Bitmap } from '../../../base/bitmap.ts'
import { withinEditDistance } from '../../../base/edit-distance.ts'
import { compareByCodePoint, encodeTerms, readWords, SegmentTerms } from '../../../storage/segment-terms.ts'
import { pace, regionOf } from './region-fixture.ts'

describe('terms of a segment', () => {
  const word = fc.string({ unit: fc.constantFrom(...'abcé', '\ue000', '\u{10400}'), minLength: 1, maxLength: 5 })
  const wordsOfBlocks = fc.array(fc.option(fc.uniqueArray(word, { maxLength: 30 })), { minLength: 1, maxLength: 40 })

  it('give the blocks of words, prefixes and near words, and the words of blocks', async () => {
    await fc.assert(
      fc.asyncProperty(wordsOfBlocks, fc.array(word, { maxLength: 8 }), async (lists, asked) => {
        const { data, runs } = await encodeTerms(lists, pace)
        const { region, store } = await regionOf(data)
        const withWords = new Bitmap(lists.length)
        for (const [block, words] of lists.entries()) if (words !== null) withWords.add(block)
        const terms = new SegmentTerms(runs, region, withWords)
        const blocksWhere = (test: (word: string) => boolean) =>
          lists.flatMap((words, block) => (words?.some(test) ? [block] : []))
        for (const text of [...asked, ...lists.flatMap((words) => words?.slice(0, 1) ?? [])]) {
          store.gets = 0
          const exact = new Bitmap(lists.length)
          await terms.addBlocksWith(text, exact)
          assert.deepEqual(
            [...exact],
            blocksWhere((w) => w === text),
          )
          assert.ok(store.gets <= 1, 'one read finds a word')
          const prefixed = new Bitmap(lists.length)
          await terms.addBlocksWithPrefix(text, prefixed)
          assert.deepEqual(
            [...prefixed],
            blocksWhere((w) => w.startsWith(text)),
          )
        }
        const near = new Bitmap(lists.length)
        assert.ok(await terms.addBlocksNear('abc', 2, near))
        assert.deepEqual(
          [...near],
          blocksWhere((w) => withinEditDistance(w, 'abc', 2)),
        )
        const blocks = lists.map((words) => ({ hasWords: words !== null }))
        const sorted = lists.map((words) => words && [...words].sort(compareByCodePoint))
        assert.deepEqual(await readWords({ blocks, termRuns: runs }, region, pace), sorted)
      }),
      { numRuns: 80 },
    )
  })

  it('are ordered as their UTF-8 forms are', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
        assert.equal(Math.sign(compareByCodePoint(a, b)), Buffer.compare(Buffer.from(a), Buffer.from(b)))
      }),
    )
  })
})
