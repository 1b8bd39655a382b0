import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { detectLayout, type FileHints, sniffCompression } from '../../../../ingest/upload/upload-format.ts'

const kindOf = (text: string | Buffer, hints: Partial<FileHints> = {}) =>
  detectLayout(Buffer.from(text), { name: '', type: '', ...hints }).kind

test('compression is told by the bytes', () => {
  assert.equal(sniffCompression(gzipSync('x')), 'gzip')
  assert.equal(sniffCompression(zstdCompressSync('x')), 'zstd')
  assert.equal(sniffCompression(Buffer.from('{"a":1}')), 'identity')
  assert.equal(sniffCompression(Buffer.alloc(0)), 'identity')
})

test('a file is what it begins as', () => {
  const cases: [string, string][] = [
    ['{"a":1}\n{"a":2}\n', 'ndjson'],
    ['{"a":1}', 'ndjson'],
    ['\ufeff{"a":1}\r\n{"a":2}', 'ndjson'],
    ['[{"a":1}]', 'json-array'],
    ['\n [\n {"a":1}]', 'json-array'],
    ['[]', 'json-array'],
    ['{"logs":[{"a":1}]}', 'json-array'],
    ['{\n  "logs" : [\n', 'json-array'],
    ['{\n  "a": 1\n}\n{\n "a": 2\n}', 'json-objects'],
    ['[2026-11-21 10:00:00] started\n', 'text'],
    ['Nov 21 10:00:00 host app: it started, and it went on\n', 'text'],
    ['time,level,message\n2026-11-21T10:00:00Z,INFO,"a, b"\n', 'csv'],
    ['time;level;message\n1;INFO;a\n2;WARN;b\n', 'csv'],
    ['Hello, world\nthis is text\n', 'text'],
    ['', 'text'],
  ]
  for (const [text, kind] of cases) assert.equal(kindOf(text), kind, text)
})

test('names and types decide between what the bytes leave open, and never against them', () => {
  assert.equal(kindOf('a,b\n1,2\n', { name: 'x.log' }), 'text')
  assert.equal(kindOf('justone\nvalue\n', { name: 'x.csv.gz' }), 'csv')
  assert.equal(kindOf('justone\nvalue\n', { type: 'text/csv; charset=utf-8' }), 'csv')
  assert.equal(kindOf('broken', { name: 'x.ndjson' }), 'ndjson')
  assert.equal(kindOf('{"a":1}\n{"a":2}', { name: 'x.csv', type: 'text/csv' }), 'ndjson')
  assert.equal(kindOf('[{"a":1}]', { name: 'x.txt', type: 'text/plain' }), 'json-array')
})

test('what is said of the format goes before all', () => {
  assert.equal(kindOf('{"a":1}\n{"a":2}', { format: 'text' }), 'text')
  assert.equal(kindOf('a\nb', { format: 'csv' }), 'csv')
  assert.equal(kindOf('{"a":1}\n{"a":2}', { format: 'json' }), 'json-objects')
})

test('CSV begins after its header, whose separator is found', () => {
  const layout = detectLayout(Buffer.from('\ufeffa\tb c\t\r\n1\t2\t3'), { name: 'x.tsv', type: '' })
  assert.deepEqual(layout, { kind: 'csv', start: 11, delimiter: 9, names: ['a', 'b c', 'column_3'] })
})

test('UTF-16 and a header that never ends are refused', () => {
  assert.throws(() => kindOf(Buffer.from('\ufeffabc', 'utf16le')), { code: 'invalid_body' })
  assert.throws(() => kindOf('"a,b\n1,2', { format: 'csv' }), { code: 'invalid_body' })
})
