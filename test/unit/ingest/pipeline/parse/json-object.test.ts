import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { NESTING_DEPTH_MAX, RECORD_BYTES_MAX, RECORD_FIELDS_MAX } from '../../../../../base/limits.ts'
import { JsonObjectReader } from '../../../../../ingest/pipeline/parse/json-object.ts'
import { ParsedFields, type TextParser } from '../../../../../ingest/pipeline/parse/parsed-fields.ts'
import { parsed } from '../../../../harness/parsed-object.ts'

const reader = new JsonObjectReader()
const parse: TextParser = (text, into) => reader.members(text, into)

test('members come as they were written: numbers keep their text', () => {
  const fields = new ParsedFields()
  assert.equal(
    reader.members(' {"a": 1.0, "b\\n":"x\\u00e9", "c":{"d":[1, 2]}, "e":9007199254740993}\n', fields),
    undefined,
  )
  assert.deepEqual(fields.names.slice(0, fields.count), ['a', 'b\n', 'c', 'e'])
  assert.deepEqual(fields.values.slice(0, fields.count), ['1.0', '"x\\u00e9"', '{"d":[1, 2]}', '9007199254740993'])
  assert.deepEqual(parsed(parse, '{}'), {})
})

test('what is no JSON object is said', () => {
  for (const [text, reason] of [
    ['', 'it is not JSON'],
    ['plain text', 'it is not JSON'],
    ['{"a":1', 'it is not JSON'],
    ['{"a":01}', 'it is not JSON'],
    ['{"a":"\n"}', 'it is not JSON'],
    ["{'a':1}", 'it is not JSON'],
    ['[1]', 'it is not a JSON object'],
    ['"text"', 'it is not a JSON object'],
    ['{"a":1} tail', 'something follows its JSON'],
    ['{"a":1}\0', 'it is not JSON'],
    [`${'{"a":'.repeat(NESTING_DEPTH_MAX + 1)}1${'}'.repeat(NESTING_DEPTH_MAX + 1)}`, 'its JSON is nested too deeply'],
  ] as const)
    assert.match(String(parsed(parse, text)), new RegExp(`${reason}|something follows`), text.slice(0, 40))
})

test('a record that would have too many fields is told apart', () => {
  const object = (count: number) =>
    JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, i) => [`f${i}`, i])))
  assert.equal(parsed(parse, object(RECORD_FIELDS_MAX + 1)), 'overfull')
  assert.equal(Object.keys(parsed(parse, object(RECORD_FIELDS_MAX)) as object).length, RECORD_FIELDS_MAX)
})

test('a megabyte of anything is read at once', () => {
  for (const piece of ['{', '[', '{"a":', '"', '\\', '{"a":"', ' ', '1', '{}', '[],'])
    assert.ok(parsed(parse, piece.repeat(RECORD_BYTES_MAX / piece.length)) !== null, piece)
})

test('any JSON object is read as JSON.parse reads it, and nothing else is', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 4 }), { maxKeys: 20 }),
      (object) => {
        const text = JSON.stringify(object)
        const outcome = parsed(parse, text)
        assert.equal(JSON.stringify(Object.entries(outcome)), JSON.stringify(Object.entries(JSON.parse(text))))
      },
    ),
  )
  const broken = fc.array(
    fc.constantFrom('{', '}', '"a"', ':', ',', '1', '-', '.5', 'true', 'nul', '[', ']', ' ', '\\', '"'),
    {
      maxLength: 9,
    },
  )
  fc.assert(
    fc.property(broken, (pieces) => {
      const text = pieces.join('')
      let isObject = false
      try {
        const value: unknown = JSON.parse(text)
        isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
      } catch {}
      assert.equal(typeof parsed(parse, text) === 'object', isObject, text)
    }),
    { numRuns: 3000 },
  )
})
