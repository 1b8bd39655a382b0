import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bodyEncoding, declaredFormat, isTextOfLines, sniffFormat, withoutMark } from '../../../api/body-format.ts'

const sniff = (text: string) => sniffFormat(Buffer.from(text))

test('a body that does not say what it is is told apart by its first bytes', () => {
  assert.equal(sniff('{"message":"a"}'), 'json')
  assert.equal(sniff('  \n [{"message":"a"}]'), 'json')
  assert.equal(sniff('{"a":1}\n{"a":2}\n'), 'ndjson')
  assert.equal(sniff('{"a":1} \r\n\n {"a":2}'), 'ndjson')
  assert.equal(sniff('{\n  "a": 1\n}'), 'json')
  assert.equal(sniff('{"logs":[\n{"a":1},\n{"a":2}]}'), 'json')
  assert.equal(sniff('{"a":{"b":1}\n}'), 'json')
  assert.equal(sniff('{"a":1}\n'), 'json')
  assert.equal(sniff('plain text'), 'ndjson')
  assert.equal(sniff(''), 'ndjson')
})

test('a content type names the format, or leaves it to the body', () => {
  assert.equal(declaredFormat('application/json; charset=UTF-8'), 'json')
  assert.equal(declaredFormat('application/vnd.logs+json'), 'json')
  for (const type of ['application/x-ndjson', 'application/stream+json', 'Application/NDJSON']) {
    assert.equal(declaredFormat(type), 'ndjson')
  }
  for (const type of [undefined, '', 'text/plain', 'application/x-www-form-urlencoded']) {
    assert.equal(declaredFormat(type), undefined)
  }
  for (const type of [
    'text/csv',
    'application/xml',
    'multipart/form-data; boundary=x',
    'application/json; charset=utf-16',
  ]) {
    assert.throws(() => declaredFormat(type), { code: 'unsupported_media_type' }, type)
  }
})

test('plain text is lines, unless it begins as objects of JSON do', () => {
  const isText = (text: string, type: string | undefined = 'text/plain') => isTextOfLines(type, Buffer.from(text))
  for (const text of ['plain', '[INFO] a', '[]', '"a"', '', ' \n']) assert.equal(isText(text), true, text)
  for (const text of ['{"a":1}', ' \n{', '[{"a":1}]', ' [ \n {']) assert.equal(isText(text), false, text)
  assert.equal(isText('plain', 'Text/Plain; charset=utf-8'), true)
  for (const type of ['text/plainer', 'application/json', '']) assert.equal(isText('plain', type), false, type)
  assert.equal(isTextOfLines(undefined, Buffer.from('plain')), false)
})

test('one encoding is read, chains and others are refused', () => {
  assert.equal(bodyEncoding(undefined), 'identity')
  assert.equal(bodyEncoding(' GZIP '), 'gzip')
  assert.equal(bodyEncoding('x-gzip'), 'gzip')
  for (const encoding of ['gzip, gzip', 'br', 'identity, zstd', 'gzip\u0000']) {
    assert.throws(() => bodyEncoding(encoding), { code: 'unsupported_media_type' }, encoding)
  }
})

test('a byte order mark is no part of the body', () => {
  assert.equal(withoutMark(Buffer.from('\uFEFF{}')).toString(), '{}')
  assert.equal(withoutMark(Buffer.from('{}')).toString(), '{}')
  assert.equal(withoutMark(Buffer.alloc(0)).length, 0)
})
