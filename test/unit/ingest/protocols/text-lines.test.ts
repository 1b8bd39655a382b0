import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeTextLines } from '../../../../ingest/protocols/text-lines.ts'
import { decoded, recordsOf } from './harness.ts'

test('each line that is not empty is a message, beside what the request says of all', () => {
  const members = { host: 'a "b"' }
  const body = decoded(Buffer.from('one\r\n\n \n{"a":1}\r\nlast\r'), (source, into) =>
    decodeTextLines(source, into, { members, service: 'shop' }),
  )
  assert.deepEqual(
    recordsOf(body),
    ['one', ' ', '{"a":1}', 'last'].map((message) => ({ ...members, message })),
  )
  assert.equal(body.serviceDefault, 'shop')
  assert.equal(Buffer.from(body.sourceOf(2)).toString(), '{"a":1}')
  assert.deepEqual(
    recordsOf(decoded(Buffer.from('x'), (source, into) => decodeTextLines(source, into, { members: {} }))),
    [{ message: 'x' }],
  )
})
