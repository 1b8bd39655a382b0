import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MALFORMED_PARAMETER, parseFormFields } from '../../../api/query-string.ts'

test('what a form encodes is what comes back, several values of a name in order', () => {
  const pairs = fc.array(fc.tuple(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' })), { maxLength: 8 })
  fc.assert(
    fc.property(pairs, (sent) => {
      const fields = parseFormFields(new URLSearchParams(sent).toString())
      const expected = new Map<string, string[]>()
      for (const [name, value] of sent) expected.set(name, [...(expected.get(name) ?? []), value])
      assert.deepEqual(new Map(Object.keys(fields).map((name) => [name, [fields[name]!].flat()])), expected)
    }),
  )
})

test('no text makes it throw, and what is not percent-encoded UTF-8 is named', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('%', 'f', '2', '&', '=', '+', 'a', '_') }), (text) => {
      parseFormFields(text)
    }),
  )
  assert.equal(parseFormFields('a=1&query=%ff')[MALFORMED_PARAMETER], 'query')
  assert.equal(parseFormFields('%zz=1')[MALFORMED_PARAMETER], '%zz')
})
