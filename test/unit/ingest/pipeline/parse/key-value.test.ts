import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RECORD_BYTES_MAX } from '../../../../../base/limits.ts'
import { type KeyValueOptions, keyValueParser } from '../../../../../ingest/pipeline/parse/key-value.ts'
import { parsed } from '../../../../harness/parsed-object.ts'

function parser(options: Partial<KeyValueOptions> = {}) {
  return keyValueParser({ pairSeparator: ' ', valueSeparator: '=', quotes: '"\'', detectsTypes: false, ...options })
}

test('separators are as one says', () => {
  assert.deepEqual(parsed(parser(), 'a=1 b="x y" c=\'it\' d='), { a: '1', b: 'x y', c: 'it', d: '' })
  assert.deepEqual(parsed(parser({ pairSeparator: '&' }), 'q=a b&lang=de&flag&x='), { q: 'a b', lang: 'de', x: '' })
  assert.deepEqual(parsed(parser({ pairSeparator: ', ', valueSeparator: ': ' }), 'user: ada, note: "a, b", n: 5'), {
    user: 'ada',
    note: 'a, b',
    n: '5',
  })
  assert.deepEqual(parsed(parser({ pairSeparator: '|', valueSeparator: '=', quotes: '' }), 'a="x|b=2'), {
    a: '"x',
    b: '2',
  })
  assert.deepEqual(parsed(parser({ detectsTypes: true }), 'a=1 b="1"'), { a: 1, b: '1' })
})

test('what holds no pair is said', () => {
  assert.equal(parsed(parser(), 'no pairs here'), 'there is no pair of a key and a value')
  assert.equal(parsed(parser(), 'a="open'), 'a quote is not closed')
})

test('a megabyte of anything is read at once', () => {
  for (const piece of ['a=b ', '=', ' ', 'a=" ', '"=', 'x '])
    assert.ok(parsed(parser(), piece.repeat(RECORD_BYTES_MAX / piece.length)) !== null, piece)
})

test('pairs that were joined by separators are read back', () => {
  const word = fc.stringMatching(/^[a-z0-9é]{1,8}$/)
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(word, fc.option(word, { nil: '' })), {
        minLength: 1,
        maxLength: 8,
        selector: ([k]) => k,
      }),
      fc.constantFrom(' ', '&', ', ', '|', ';;'),
      fc.constantFrom('=', ':', ': ', '=>'),
      (pairs, pairSeparator, valueSeparator) => {
        fc.pre(!valueSeparator.includes(pairSeparator))
        const line = pairs.map(([k, v]) => `${k}${valueSeparator}${v}`).join(pairSeparator)
        assert.deepEqual(parsed(parser({ pairSeparator, valueSeparator }), line), Object.fromEntries(pairs))
      },
    ),
  )
})
