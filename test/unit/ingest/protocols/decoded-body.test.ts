import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DECODE_SLICE_BYTES, DECODED_RECORDS_MAX } from '../../../../base/limits.ts'
import { DecodedBody } from '../../../../ingest/protocols/decoded-body.ts'
import { jsonKey } from '../../../../ingest/protocols/json-writer.ts'
import { recordsOf, smallRoom } from './harness.ts'

const A = jsonKey('a')
const REFUSAL = { code: 'invalid_record', reason: 'it is none' } as const

test('a record that is refused, even half written, keeps its line, its number and its bytes', () => {
  const source = Buffer.from('0123456789')
  const body = new DecodedBody(source, smallRoom, 0)
  const good = (start: number, end: number) => {
    body.begin()
    body.json.key(A)
    body.json.number(start)
    body.end(start, end)
  }
  good(0, 1)
  body.refuse(1, 3, REFUSAL)
  body.begin()
  body.json.key(A)
  body.json.openObject()
  body.refuse(4, 8, REFUSAL)
  good(8, 9)
  body.refuse(9, 9, REFUSAL)
  assert.deepEqual(recordsOf(body), [{ a: 0 }, 'invalid_record', 'invalid_record', { a: 8 }, 'invalid_record'])
  assert.deepEqual(
    Array.from({ length: body.count }, (_, i) => Buffer.from(body.sourceOf(i)).toString()),
    ['0', '12', '4567', '8', ''],
  )
  assert.equal(body.refusalOf(0), undefined)
  assert.equal(body.refusalOf(99), undefined)
  // The line is as long as what is kept of the record, so that chunks are cut by what they cost.
  assert.equal(body.json.bytes().toString().split('\n')[2]?.length, 1 + 4)
  assert.throws(() => body.refuse(3, 4, REFUSAL), /one after the other/)
})

test('pauses come with what is read and with what is written', () => {
  const body = new DecodedBody(Buffer.alloc(0), smallRoom, 0)
  assert.equal(body.isPauseDue(1000), false)
  assert.equal(body.isPauseDue(1024 * 1024), true)
  assert.equal(body.isPauseDue(1024 * 1024), false)
  const large = Buffer.alloc(1024 * 1024, 0x61)
  body.begin()
  body.json.key(A)
  body.json.text(large, 0, large.length)
  body.end(0, 0)
  assert.equal(body.isPauseDue(1024 * 1024), true)
})

test('a request with more records than may be remembered is too large', () => {
  const body = new DecodedBody(Buffer.alloc(0), { acquire: (n) => Buffer.alloc(n), release: () => {} }, 2 ** 22)
  for (let i = 0; i < DECODED_RECORDS_MAX; i++) body.refuse(0, 0, REFUSAL)
  assert.throws(() => body.refuse(0, 0, REFUSAL), { code: 'body_too_large' })
  assert.equal(body.refusalOf(DECODED_RECORDS_MAX - 1), REFUSAL)
})

test('what was written and taken back counts as work done', () => {
  const source = Buffer.alloc(10_000)
  const text = Buffer.alloc(DECODE_SLICE_BYTES / 4, 'x')
  const into = new DecodedBody(source, smallRoom, 0)
  let pauses = 0
  for (let i = 0; i < 16; i++) {
    if (into.isPauseDue(i)) pauses++
    into.begin()
    into.json.key(jsonKey('a'))
    into.json.text(text, 0, text.length)
    into.refuse(i, i + 1, { code: 'invalid_record', reason: 'no' })
  }
  assert.ok(pauses >= 3, String(pauses))
})
