import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeDatadog, tagsOf } from '../../../../ingest/protocols/datadog.ts'
import { decoded, recordsOf } from './harness.ts'

function datadog(text: string) {
  return recordsOf(decoded(Buffer.from(text), (source, into) => decodeDatadog(source, into, {})))
}

test('entries come alone, in arrays, or one after the other', () => {
  const a = { message: 'a' }
  for (const text of ['[{"message":"a"},{"message":"a"}]', '{"message":"a"}\n{"message":"a"}']) {
    assert.deepEqual(datadog(text), [a, a])
  }
  assert.deepEqual(datadog('{}'), [])
  assert.deepEqual(datadog('[]'), [])
  assert.deepEqual(datadog('[{}]'), [{}])
  assert.deepEqual(datadog('[1,{"a":2},{"a" 2}]'), ['invalid_record', { a: 2 }, 'invalid_record'])
})

test('tags of any form are read, and those that are no text stay', () => {
  assert.deepEqual({ ...tagsOf(' a:1, b ,,c:d:e,__proto__:x') }, { a: '1', b: true, c: 'd:e', ['__proto__']: 'x' })
  assert.deepEqual(datadog('{"ddtags":["a"]}{"ddtags":"a:\\u0031"}{"ddtags":"a:\\x"}'), [
    { ddtags: ['a'] },
    { tags: { a: '1' } },
    'invalid_record',
  ])
})

test('an entry of more members than a record may have, or of endless tags, is refused alone', () => {
  const many = Array.from({ length: 300 }, (_, i) => `"k${i}":1`).join(',')
  assert.deepEqual(datadog(`[{${many}},{"ddtags":"${'a:b,'.repeat(100_000)}"},{"a":1}]`), [
    'too_many_fields',
    'value_too_large',
    { a: 1 },
  ])
})
