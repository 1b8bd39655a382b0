import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RECORD_BYTES_MAX } from '../../../../../base/limits.ts'
import { type CsvOptions, csvParser } from '../../../../../ingest/pipeline/parse/csv.ts'
import { parsed } from '../../../../harness/parsed-object.ts'

function parser(columns: readonly string[], options: Partial<CsvOptions> = {}) {
  return csvParser({ columns, delimiter: ',', quote: '"', detectsTypes: false, ignoresRest: false, ...options })
}

test('values stand between delimiters; quoted ones may hold anything', () => {
  assert.deepEqual(parsed(parser(['a', 'b', 'c']), 'x,"y, ""z""\nnew",\r\n'), { a: 'x', b: 'y, "z"\nnew', c: '' })
  assert.deepEqual(parsed(parser(['a', '', 'c'], { delimiter: ';' }), '1;2;3'), { a: '1', c: '3' })
  assert.deepEqual(parsed(parser(['a', 'b']), 'x'), { a: 'x' })
  assert.deepEqual(parsed(parser(['a', 'b'], { detectsTypes: true }), '1,"1"'), { a: 1, b: '1' })
  assert.deepEqual(parsed(parser(['a'], { ignoresRest: true }), 'x,y,"'), { a: 'x' })
})

test('what is not CSV of these columns is said', () => {
  assert.equal(parsed(parser(['a', 'b']), 'x,y,z'), 'there are more values than columns')
  assert.equal(parsed(parser(['a', 'b']), 'x,"open'), 'a quote is not closed')
  assert.equal(parsed(parser(['a', 'b']), 'x,"open""'), 'a quote is not closed')
  assert.equal(parsed(parser(['a', 'b']), '"x"y,z'), 'something follows a closing quote')
})

test('a megabyte of anything is read at once', () => {
  const columns = Array.from({ length: 200 }, (_, i) => `c${i}`)
  for (const piece of [',', '"', '""', '"",', 'x', '",'])
    assert.ok(parsed(parser(columns), piece.repeat(RECORD_BYTES_MAX / piece.length)) !== null, piece)
})

test('what was written as RFC 4180 is read back', () => {
  const value = fc.string({ unit: fc.constantFrom('a', 'é', ',', ';', '"', '\n', ' ', '😀'), maxLength: 8 })
  fc.assert(
    fc.property(
      fc.array(value, { minLength: 1, maxLength: 6 }),
      fc.constantFrom(',', ';', '\t'),
      (values, delimiter) => {
        const line = values
          .map((one) => (/[",;\n\t]/.test(one) ? `"${one.replaceAll('"', '""')}"` : one))
          .join(delimiter)
        const columns = values.map((_, i) => `c${i}`)
        assert.deepEqual(
          parsed(parser(columns, { delimiter }), line),
          Object.fromEntries(values.map((one, i) => [`c${i}`, one])),
        )
      },
    ),
  )
})
