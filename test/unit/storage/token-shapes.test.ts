import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { withinEditDistance } from '../../../base/edit-distance.ts'
import { foldText, isWord } from '../../../base/tokenizer.ts'
import { shapesMayBegin, shapesMayBeNear, TOKEN_SHAPES_BYTES, TokenShapes } from '../../../storage/token-shapes.ts'

const encoder = new TextEncoder()
const token = fc
  .oneof(
    fc.string({ unit: fc.constantFrom(...'abfz09_'), minLength: 1, maxLength: 10 }),
    fc.string({ unit: fc.constantFrom(...'AbG1_é日'), minLength: 1, maxLength: 6 }),
    fc.stringMatching(/^[0-9a-f]{8,16}$/),
    fc.string({ unit: fc.constantFrom(...'abc'), minLength: 33, maxLength: 35 }),
  )
  .map(foldText)
const others = fc.array(token, { maxLength: 12 }).map((list) => list.filter((text) => !isWord(text)))

function shapesOf(tokens: readonly string[]): Uint8Array {
  const shapes = new TokenShapes()
  shapes.note(encoder.encode('left_over'), 0, 9, true)
  shapes.reset()
  for (const text of tokens) {
    // Within other bytes, and in upper case, as a scanner meets them.
    const bytes = encoder.encode(`"${/^[ -~]*$/.test(text) ? text.toUpperCase() : text}"`)
    shapes.note(bytes, 1, bytes.length - 1, bytes.length - 2 === text.length)
  }
  return shapes.finish()
}

describe('shapes of tokens that are no words', () => {
  it('never deny a token that begins with a prefix', () => {
    fc.assert(
      fc.property(others, fc.nat({ max: 12 }), (tokens, length) => {
        const shapes = shapesOf(tokens)
        assert.equal(shapes.length, TOKEN_SHAPES_BYTES)
        for (const text of tokens) assert.ok(shapesMayBegin(shapes, text.slice(0, Math.max(1, length))), text)
      }),
      { numRuns: 500 },
    )
  })

  it('never deny a token that is near a word', () => {
    const typed = fc.string({ unit: fc.constantFrom(...'abfzé'), minLength: 1, maxLength: 36 })
    fc.assert(
      fc.property(others, fc.array(typed, { maxLength: 5 }), fc.constantFrom(1, 2, 3), (tokens, asked, distance) => {
        const shapes = shapesOf(tokens)
        const letters = tokens.map((text) => text.replace(/[0-9_]/g, 'a'))
        for (const word of [...asked, ...letters]) {
          const isNear = tokens.some((text) => withinEditDistance(text, word, distance))
          if (isNear) assert.ok(shapesMayBeNear(shapes, word, distance), `${word} in ${tokens}`)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('deny what does not occur: hexadecimal ids and numbers do not hide other prefixes or words', () => {
    const ids = Array.from({ length: 2000 }, (_, i) =>
      Math.imul(i + 1, 0x9e3779b1)
        .toString(16)
        .replace('-', 'a')
        .padStart(16, 'f3'),
    )
    const shapes = shapesOf([
      ...ids.filter((id) => !isWord(id)),
      ...Array.from({ length: 999 }, (_, i) => String(i + 100)),
      'user_id',
      'http2',
    ])
    for (const prefix of ['timeo', 'conn', 'pay', 'zz', 'cache'])
      assert.equal(shapesMayBegin(shapes, prefix), false, prefix)
    for (const prefix of ['cafe', 'use', 'http', '404']) assert.equal(shapesMayBegin(shapes, prefix), true, prefix)
    assert.equal(shapesMayBeNear(shapes, 'connection', 2), false)
    assert.equal(shapesMayBeNear(shapes, 'userid', 1), true)
    assert.equal(shapesMayBegin(new Uint8Array(0), 'anything'), true)
  })
})
