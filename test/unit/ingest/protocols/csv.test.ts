import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeCsvHeader, decodeCsvRows } from '../../../../ingest/protocols/csv.ts'
import { decoded, recordsOf } from './harness.ts'

const COLUMNS = { delimiter: 0x2c, names: ['a', 'b', 'c'] }

function rows(text: string) {
  const body = decoded(Buffer.from(text), (source, into) => decodeCsvRows(source, into, COLUMNS))
  return { body, records: recordsOf(body) }
}

test('fields stand under the names of their columns; numbers are numbers, empty fields are absent', () => {
  assert.deepEqual(rows('x,1,-2.5\r\n,007,1e5\n\n"",12345678901234567890,0\n').records, [
    { a: 'x', b: 1, c: -2.5 },
    { b: '007', c: '1e5' },
    { a: '', b: '12345678901234567890', c: 0 },
  ])
})

test('quoted fields hold separators, newlines and quotes; other quotes stand for themselves', () => {
  assert.deepEqual(rows('"1","x, ""y""\nz",5" disk\n"a"b,"",\n').records, [
    { a: '1', b: 'x, "y"\nz', c: '5" disk' },
    { a: 'ab', b: '' },
  ])
})

test('a row with too many fields, or a quote that does not end, is refused alone', () => {
  const { body, records } = rows('1,2,3\n1,2,3,4\n1,2\n"1,2\n')
  assert.deepEqual(records.length, 4)
  assert.equal(body.refusalOf(0), undefined)
  assert.match(body.refusalOf(1)!.reason, /more fields than the 3 columns/)
  assert.equal(body.refusalOf(2), undefined)
  assert.match(body.refusalOf(3)!.reason, /does not end/)
  assert.equal(Buffer.from(body.sourceOf(1)).toString(), '1,2,3,4\n')
})

test('a header names its columns, and is none when it does not end', () => {
  assert.deepEqual(decodeCsvHeader(Buffer.from('a, "b ""x""",\n1'), 0, 0x2c)?.names, ['a', '"b ""x"""', 'column_3'])
  assert.equal(decodeCsvHeader(Buffer.from('"a'), 0, 0x2c), undefined)
  assert.equal(decodeCsvHeader(Buffer.from(''), 0, 0x2c), undefined)
})

test('whatever is written as CSV comes back', () => {
  const field = fc.string({ unit: 'grapheme', minLength: 1 })
  fc.assert(
    fc.property(fc.array(fc.tuple(field, field, field)), (table) => {
      const quote = (text: string) => `"${text.replaceAll('"', '""')}"`
      const text = table.map((row) => `${row.map(quote).join(',')}\r\n`).join('')
      const expected = table.map(([a, b, c]) => ({ a, b, c }))
      assert.deepEqual(rows(text).records, expected)
    }),
  )
})

test('no bytes make it fail', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('"', ',', '\n', '\r', 'a', '1', '.', '-'), { maxLength: 40 }), (parts) => {
      rows(parts.join(''))
    }),
    { numRuns: 2000 },
  )
})
