import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DecodedBody } from '../../../../ingest/protocols/decoded-body.ts'
import { decodeLokiJson, decodeLokiProtobuf } from '../../../../ingest/protocols/loki-push.ts'
import { bytesField, varintField } from '../../../harness/protobuf-writer.ts'
import { decoded, recordsOf, smallRoom } from './harness.ts'

const TIME = '1700000000123456789'

function pair(name: string, value: string): Buffer {
  return bytesField(3, bytesField(1, name), bytesField(2, value))
}

function entry(line: string, ...rest: readonly Buffer[]): Buffer {
  const time = bytesField(1, varintField(1, 1_700_000_000), varintField(2, 123_456_789))
  return bytesField(2, time, bytesField(2, line), ...rest)
}

/** The records, each with its time as text, which a number would not keep. */
function records(source: Buffer, decode: typeof decodeLokiJson): unknown[] {
  const body = decoded(source, decode)
  const exact = body.json.bytes().toString().split('\n')
  return recordsOf(body).map((record, i) => {
    if (typeof record === 'string') return record
    assert.ok(exact[i]!.includes(`"timestamp":${TIME},`), exact[i])
    const { timestamp, ...rest } = record as Record<string, unknown>
    assert.equal(typeof timestamp, 'number')
    return rest
  })
}

test('entries of protobuf are records of labels, metadata, time and line', () => {
  const source = Buffer.concat([
    bytesField(
      1,
      bytesField(1, '{app="shop", level="warn"}'),
      entry('a "b"\n'),
      entry('c', pair('trace_id', 'x'), pair('n', '1')),
    ),
    // Labels behind their entries, fields of later versions, a stream without entries.
    bytesField(1, entry('d', bytesField(4, 'parsed'), varintField(30, 7)), varintField(3, 99), bytesField(1, '{}')),
    bytesField(1, bytesField(1, '{app="none"}')),
    varintField(2, 1),
  ])
  assert.deepEqual(records(source, decodeLokiProtobuf), [
    { app: 'shop', level: 'warn', message: 'a "b"\n' },
    { app: 'shop', level: 'warn', trace_id: 'x', n: '1', message: 'c' },
    { message: 'd' },
  ])
})

test('entries of JSON are the same', () => {
  const source = Buffer.from(`{ "other": [1, {"a": "]"}], "streams": [
    {"stream": {"app": "shop", "level": "wa\\"rn"}, "values": [["${TIME}", "a \\"b\\"\\n"], [ ${TIME} , "c" , {"trace_id": "x",\n "n": 1}]]},
    {"values": [["${TIME}", "d", {}]], "stream": { }, "more": null},
    {"stream": {"app": "none"}, "values": []}
  ] }\n`)
  assert.deepEqual(records(source, decodeLokiJson), [
    { app: 'shop', level: 'wa"rn', message: 'a "b"\n' },
    { app: 'shop', level: 'wa"rn', trace_id: 'x', n: 1, message: 'c' },
    { message: 'd' },
  ])
})

test('an entry that is none, or has no time, is refused alone', () => {
  const values = ['7', '[]', `["${TIME}"]`, `["${TIME}",5]`, `["${TIME}","a",7]`, `["${TIME}","a",{},{}]`]
  const times = ['["now","a"]', '["1.5","a"]', '["170","a"]', `["${TIME}","good"]`]
  const json = (stream: string) => Buffer.from(`{"streams":[{${stream}"values":[${[...values, ...times].join()}]}]}`)
  const refused = [
    ...values.map(() => 'invalid_record'),
    'invalid_timestamp',
    'invalid_timestamp',
    'timestamp_out_of_range',
  ]
  assert.deepEqual(records(json('"stream":{},'), decodeLokiJson), [...refused, { message: 'good' }])
  const unlabelled = [...values.map(() => 'invalid_record'), ...times.map(() => 'invalid_record')]
  assert.deepEqual(records(json('"stream":"x",'), decodeLokiJson), unlabelled)
  assert.deepEqual(records(json(''), decodeLokiJson), unlabelled)

  const early = bytesField(2, bytesField(1, varintField(1, 5)), bytesField(2, 'a'))
  const untimed = bytesField(2, bytesField(2, 'a'))
  const source = bytesField(1, bytesField(1, '{}'), early, untimed, entry('good'))
  assert.deepEqual(records(source, decodeLokiProtobuf), [
    'timestamp_out_of_range',
    'timestamp_out_of_range',
    { message: 'good' },
  ])
  const nameless = Buffer.concat([bytesField(1, bytesField(1, 'app'), entry('a')), bytesField(1, entry('b'))])
  assert.deepEqual(records(nameless, decodeLokiProtobuf), ['invalid_record', 'invalid_record'])
})

test('what is no push request is refused as a whole', () => {
  for (const text of [
    '',
    '[]',
    '{"stream":[]}',
    '{',
    '{"streams":{}}',
    '{"streams":[7]}',
    '{"streams":[{"values":{}}]}',
    '{"streams":[]} x',
  ]) {
    assert.throws(() => decoded(Buffer.from(text), decodeLokiJson), { code: 'invalid_body' }, text)
  }
  const whole = bytesField(1, bytesField(1, '{}'), entry('a'), entry('b'))
  for (let end = 1; end < whole.length; end++) {
    assert.throws(() => decoded(whole.subarray(0, end), decodeLokiProtobuf), { code: 'invalid_body' })
  }
})

test('any bytes are decoded or refused, and every record has its line', () => {
  const good = bytesField(1, bytesField(1, '{a="b"}'), entry('line', pair('k', 'v')), entry('other'))
  const damagedOf = (source: Buffer) =>
    fc.array(fc.tuple(fc.nat(source.length - 1), fc.nat(255)), { maxLength: 4 }).map((changes) => {
      const bytes = Buffer.from(source)
      for (const [at, byte] of changes) bytes[at] = byte
      return bytes
    })
  const json = Buffer.from(`{"streams":[{"stream":{"a":"b"},"values":[["${TIME}","l",{"k":"v"}],["${TIME}","m"]]}]}`)
  for (const [source, decode] of [
    [good, decodeLokiProtobuf],
    [json, decodeLokiJson],
  ] as const) {
    fc.assert(
      fc.property(damagedOf(source), (bytes) => {
        try {
          const body = decoded(bytes, decode)
          assert.equal(body.json.bytes().toString('latin1').split('\n').length - 1, body.count)
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'invalid_body', String(error))
        }
      }),
      { numRuns: 3000 },
    )
  }
})

test('streams without entries are gone through in short slices, and values come once', () => {
  const count = 1_000_000
  for (const [source, decode] of [
    [Buffer.alloc(6 * count, bytesField(1, bytesField(1, '{}'))), decodeLokiProtobuf],
    [Buffer.from(`{"streams":[${'{},'.repeat(count)}{}]}`), decodeLokiJson],
  ] as const) {
    const into = new DecodedBody(source, smallRoom, 0)
    let slices = 1
    for (const steps = decode(source, into); steps.next().done !== true; ) slices++
    assert.ok(slices > 2, String(slices))
  }
  const twice = '{"streams":[{"values":[["1","a"]],"stream":{},"values":[["1","b"]]}]}'
  assert.throws(() => decoded(Buffer.from(twice), decodeLokiJson), { code: 'invalid_body' })
})
