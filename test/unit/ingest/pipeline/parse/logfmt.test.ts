import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RECORD_BYTES_MAX } from '../../../../../base/limits.ts'
import { logfmtParser } from '../../../../../ingest/pipeline/parse/logfmt.ts'
import { parsed } from '../../../../harness/parsed-object.ts'

const parse = logfmtParser({ takesFlags: false, detectsTypes: true })
const texts = logfmtParser({ takesFlags: false, detectsTypes: false })

test('pairs are read with and without quotes; plain numbers and booleans become such', () => {
  assert.deepEqual(parsed(parse, 'at=info method=GET path="/a b?q=\\"x\\"" took=12.50 ok=true id=007 empty= n=""'), {
    at: 'info',
    method: 'GET',
    path: '/a b?q="x"',
    took: 12.5,
    ok: true,
    id: '007',
    empty: '',
    n: '',
  })
  assert.deepEqual(parsed(texts, 'took=12 ok=true'), { took: '12', ok: 'true' })
})

test('words without = are passed over, or true where asked for', () => {
  assert.deepEqual(parsed(parse, 'request done "in time" =x status=200'), { status: 200 })
  const flags = logfmtParser({ takesFlags: true, detectsTypes: true })
  assert.deepEqual(parsed(flags, 'cached status=200 slow'), { cached: true, status: 200, slow: true })
})

test('what is not logfmt is said', () => {
  assert.equal(parsed(parse, ''), 'there is no pair key=value')
  assert.equal(parsed(parse, 'just some words'), 'there is no pair key=value')
  assert.equal(parsed(parse, 'msg="never ends'), 'a quote is not closed')
  assert.equal(parsed(parse, 'msg="ends in \\"'), 'a quote is not closed')
})

test('names with a meaning in JavaScript are names', () => {
  assert.deepEqual(
    Object.entries(parsed(parse, '__proto__=1 constructor=2') as object),
    Object.entries(JSON.parse('{"__proto__":1,"constructor":2}')),
  )
})

test('a megabyte of anything is read at once', () => {
  for (const piece of ['a=b ', '"', '\\', 'a="\\" ', '=', ' ', 'x']) {
    const outcome = parsed(parse, piece.repeat(RECORD_BYTES_MAX / piece.length))
    assert.ok(outcome !== null, piece)
  }
})

test('what was written as logfmt is read back', () => {
  const key = fc.stringMatching(/^[a-zA-Z_.é/-][a-zA-Z0-9_.é/-]{0,10}$/)
  const value = fc.string({ unit: 'grapheme', maxLength: 30 })
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(key, value), { minLength: 1, maxLength: 8, selector: ([k]) => k }), (pairs) => {
      const line = pairs
        .map(([k, v]) => (/^[^\s"=\\\0-\x20]+$/.test(v) ? `${k}=${v}` : `${k}=${JSON.stringify(v)}`))
        .join(' ')
      assert.deepEqual(parsed(texts, line), Object.fromEntries(pairs))
    }),
  )
})
