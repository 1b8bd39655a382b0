import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { knownCodeOf } from '../../../ingest/known-fields.ts'
import { bytesOf, canonical, rebuilt, scan, text } from './harness.ts'

/**
 * Keys that mean nothing to us at the top level. None has a backslash: V8's JSON.parse takes the key `\\ud800` for the key
 * `\\` when it has just met an object of such a shape, so it is no judge of these.
 */
const key = fc
  .oneof(
    fc.string({ unit: 'binary', maxLength: 12 }),
    fc.string({ maxLength: 6 }),
    fc.constantFrom('__proto__', 'a', 'b', 'a.b', '"', '', 'constructor', '\ud800', '\u0000', 'é', '𝒳'),
  )
  .filter(
    (name) =>
      !name.includes('\\') && knownCodeOf(name) === 0 && !['service', 'host', 'trace', 'span', 'logs'].includes(name),
  )

const scalar = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ maxLength: 200 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
  fc.constantFrom('\ud800', '\udc00x', '\u2028', '\u0000\u001f"\\/'),
)
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', maxDepth: 5 },
    scalar,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(key, tie('value'), { maxKeys: 4 }),
  ),
}))
const record = fc.dictionary(key, value, { maxKeys: 12 })

function expected(parsed: Record<string, unknown>): string {
  return canonical(Object.assign(Object.create(null), parsed, { level: 'INFO', service: 'unknown' }))
}

/** Escapes more than JSON.stringify does, and spreads white space. */
function respelled(json: string, salt: number): string {
  let out = ''
  let isInString = false
  for (let i = 0; i < json.length; i++) {
    const c = json[i]!
    if (c === '\\') {
      const length = json[i + 1] === 'u' ? 6 : 2
      out += json.slice(i, i + length)
      i += length - 1
    } else if (c === '"') {
      isInString = !isInString
      out += c
    } else if (isInString) {
      const isEscaped = c.charCodeAt(0) < 0xd800 && (i * 7 + salt) % 11 === 0
      out += isEscaped ? `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}` : c === '/' ? '\\/' : c
    } else out += (i + salt) % 5 === 0 && /[{}[\],:]/.test(c) ? ` ${c}\t` : c
  }
  return out
}

test('rows say what JSON.parse says, whatever the spelling, in the order of the records', () => {
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 5 }), fc.nat(50), (records, salt) => {
      const lines = records.map((one) => respelled(JSON.stringify(one), salt))
      const wanted = records.map((one) => expected(JSON.parse(JSON.stringify(one))))
      for (const [body, format] of [
        [lines.join('\n'), 'ndjson'],
        [`\r\n${lines.join('\r\n\n')}\n`, 'ndjson'],
        [`[${lines.join(' , ')}]`, 'json'],
        [`{ "logs" : [${lines.join(',\n')}] }`, 'json'],
        [lines.join(''), 'json'],
      ] as const) {
        const { rows, rejections } = scan(body, { format })
        assert.deepEqual(rejections, [])
        assert.deepEqual(rows.map(rebuilt), wanted)
      }
    }),
    { numRuns: 400 },
  )
})

function isAcceptedByParse(line: Uint8Array): boolean {
  try {
    const parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(line))
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
  } catch {
    return false
  }
}

const CONTEXT_CODES = ['invalid_timestamp', 'timestamp_out_of_range']

test('a line is accepted exactly when JSON.parse accepts it as an object, also with bytes changed', () => {
  const alphabet = [...bytesOf('"\\{}[],:0123456789.-+eEtrufalsn \t\r/bx'), 0, 0x1f, 0x7f, 0x80, 0xc3, 0xa9, 0xed, 0xff]
  fc.assert(
    fc.property(
      record,
      fc.array(fc.tuple(fc.nat(), fc.constantFrom('set', 'insert', 'delete', 'cut'), fc.constantFrom(...alphabet)), {
        maxLength: 3,
      }),
      (one, changes) => {
        let line = [...bytesOf(JSON.stringify(one))]
        for (const [at, kind, byte] of changes) {
          const i = at % (line.length + 1)
          if (kind === 'set') line[Math.min(i, line.length - 1)] = byte
          else if (kind === 'insert') line.splice(i, 0, byte)
          else if (kind === 'delete') line.splice(i, 1)
          else line = line.slice(0, Math.max(i, 1))
        }
        const bytes = Uint8Array.from(line)
        if (bytes.every((byte) => [0x20, 9, 13].includes(byte))) return
        const { rows, rejections } = scan(bytes)
        if (isAcceptedByParse(bytes)) {
          if (rejections[0] !== undefined) assert.ok(CONTEXT_CODES.includes(rejections[0].code), rejections[0].reason)
          else assert.equal(rows.length, 1)
        } else {
          assert.equal(rows.length, 0)
          assert.equal(rejections.length, 1)
          assert.deepEqual([rejections[0]!.index, rejections[0]!.line], [0, 1])
        }
      },
    ),
    { numRuns: 3000 },
  )
})

test('what JSON.parse rejects in one place is rejected there', () => {
  for (const bad of [
    '{"a":01}',
    '{"a":-}',
    '{"a":1.}',
    '{"a":.5}',
    '{"a":+1}',
    '{"a":1e}',
    '{"a":0x1}',
    '{"a":NaN}',
    '{"a":Infinity}',
    '{"a":-Infinity}',
    '{"a":tru}',
    '{"a":nul}',
    '{"a":True}',
    '{"a":undefined}',
    '{"a":\'b\'}',
    '{a:1}',
    '{"a":1,}',
    '{,"a":1}',
    '{"a" 1}',
    '{"a"::1}',
    '{"a":1 "b":2}',
    '{"a":"\\x41"}',
    '{"a":"\\u12g4"}',
    '{"a":"\\u12"}',
    '{"a":"\t"}',
    '{"a":"\u0000"}',
    '{"a\u0001":1}',
    '{"a":"b}',
    '{"a":1',
    '{"a":1}}',
    '{"a":1}x',
    '{"a":[1,]}',
    '{"a":[,1]}',
    '{"a":[1 2]}',
    '{"a":[1}}',
    '{"a":{"b":1]}',
    '{"a":[{"b":}]}',
    '{"a":[{"b" 1}]}',
    '{"a":[{b:1}]}',
    '{"a":[01]}',
    '{"a":["\\q"]}',
    '{"a":["\u0002"]}',
    '{"a":[tru]}',
    '{"a":/*c*/1}',
    '{"a":1}//',
    '{',
    '{"',
    '{"a',
    '{"a"',
    '{"a":',
    '}',
    ']',
    ',',
    ':',
    '"',
    '{"a":\u00a01}',
    '{"a":1}\u000b',
    '\ufeff{',
    '{"a":"\\',
    '{"a":"\\u',
    '{"\\x":1}',
    '{"a":--1}',
    '{"a":1.5.5}',
    '{"a":1e5e5}',
    '{"a":00}',
  ]) {
    assert.throws(() => JSON.parse(bad), bad)
    const { rows, rejections } = scan(`{"n":1}\n${bad}\n{"n":2}`)
    assert.deepEqual(
      rejections.map(({ index, line, code }) => [index, line, code]),
      [[1, 2, 'invalid_json']],
      bad,
    )
    assert.deepEqual(
      rows.map((row) => text(row, 'n')),
      ['1', '2'],
      bad,
    )
  }
})

test('bytes that are not UTF-8 reject their record alone', () => {
  for (const bad of [
    [0xff],
    [0xc3],
    [0xc0, 0x80],
    [0xed, 0xa0, 0x80],
    [0xf5, 0x80, 0x80, 0x80],
    [0xe2, 0x82],
    [0x80],
  ]) {
    const line = Uint8Array.from([...bytesOf('{"a":"'), ...bad, ...bytesOf('"}')])
    const body = Uint8Array.from([...bytesOf('{"é":"好"}\n'), ...line, ...bytesOf('\n{"é":"𝒳"}')])
    const { rows, rejections } = scan(body)
    assert.deepEqual(
      rejections.map(({ index, line: at, code, start, end }) => [index, at, code, start, end - start]),
      [[1, 2, 'invalid_utf8', 13, line.length]],
    )
    assert.deepEqual(
      rows.map((row) => text(row, 'é')),
      ['好', '𝒳'],
    )
  }
})

test('numbers keep their text', () => {
  const { rows } = scan('{"big":9007199254740993,"one":1.0,"exp":-1E+400,"zero":-0,"long":0.10000000000000000000001}')
  assert.deepEqual(
    ['big', 'one', 'exp', 'zero', 'long'].map((path) => rows[0]!.get(path)),
    [
      [2, '9007199254740993'],
      [2, '1.0'],
      [2, '-1E+400'],
      [2, '-0'],
      [2, '0.10000000000000000000001'],
    ],
  )
})

test('the last of equal keys wins, with everything below it', () => {
  const wins = (json: string): void => {
    const { rows, rejections } = scan(json)
    assert.deepEqual(rejections, [])
    assert.equal(rebuilt(rows[0]!), expected(JSON.parse(json)), json)
  }
  wins('{"a":1,"a":2}')
  wins('{"a":{"b":1},"a":{"c":2}}')
  wins('{"a":{"b":1},"a":5}')
  wins('{"a":5,"a":{"b":1}}')
  wins('{"a":{"b":1,"b":{"d":1}},"a":{"b":2}}')
  wins('{"a":{"b":1},"c":0,"\\u0061":{"b":[2]}}')
  wins('{"a":{},"a":1,"a":{}}')
  wins('{"__proto__":1,"__proto__":{"x":2}}')
  const { rows } = scan('{"msg":"first","message":{"x":1},"msg":null,"log":"third","level":"WARN","level":"error"}')
  assert.deepEqual(rows[0]!.get('message'), [1, 'third'])
  assert.deepEqual(rows[0]!.get('msg'), [4, ''])
  assert.deepEqual([text(rows[0], 'level'), text(rows[0], '\\@level')], ['ERROR', 'error'])
})
