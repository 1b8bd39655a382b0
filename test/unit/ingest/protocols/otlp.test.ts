import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeOtlpJson } from '../../../../ingest/protocols/otlp-json.ts'
import { decodeOtlpProtobuf } from '../../../../ingest/protocols/otlp-protobuf.ts'
import { bytesField, fixed32Field, fixed64Field, varintField } from '../../../harness/protobuf-writer.ts'
import { decoded, recordsOf } from './harness.ts'

const TIME = 1_700_000_000_123_456_789n
const TRACE = '0af7651916cd43dd8448eb211c80319c'
const SPAN = 'b7ad6b7169203331'

type Value = string | number | bigint | boolean | null | Buffer | Value[] | { [key: string]: Value }

function double(value: number): bigint {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleLE(value)
  return bytes.readBigUInt64LE()
}

/** An AnyValue in protobuf: bigint is an integer, number a double. */
function any(value: Value): Buffer {
  if (value === null) return Buffer.alloc(0)
  if (typeof value === 'string') return bytesField(1, value)
  if (typeof value === 'boolean') return varintField(2, value ? 1 : 0)
  if (typeof value === 'bigint') return varintField(3, value)
  if (typeof value === 'number') return fixed64Field(4, double(value))
  if (Buffer.isBuffer(value)) return bytesField(7, value)
  if (Array.isArray(value)) return bytesField(5, ...value.map((element) => bytesField(1, any(element))))
  return bytesField(6, ...Object.entries(value).map(([key, element]) => pair(1, key, element)))
}

function pair(field: number, key: string, value: Value): Buffer {
  return bytesField(field, bytesField(1, key), bytesField(2, any(value)))
}

/** The same in JSON. */
function anyJson(value: Value): unknown {
  if (value === null) return {}
  if (typeof value === 'string') return { stringValue: value }
  if (typeof value === 'boolean') return { boolValue: value }
  if (typeof value === 'bigint') return { intValue: String(value) }
  if (typeof value === 'number') return { doubleValue: Number.isFinite(value) ? value : String(value) }
  if (Buffer.isBuffer(value)) return { bytesValue: value.toString('base64') }
  if (Array.isArray(value)) return { arrayValue: { values: value.map(anyJson) } }
  return { kvlistValue: { values: pairsJson(value) } }
}

function pairsJson(values: { readonly [key: string]: Value }): unknown[] {
  return Object.entries(values).map(([key, value]) => ({ key, value: anyJson(value) }))
}

const RESOURCE = { 'service.name': 'shop', 'host.name': 'web-1', replica: 3n, zone: 'a' }
const ATTRIBUTES: { [key: string]: Value } = {
  text: 'a "b"\n',
  small: -5n,
  large: 9_007_199_254_740_993n,
  ratio: 0.25,
  endless: Number.POSITIVE_INFINITY,
  yes: true,
  blob: Buffer.from([1, 2, 255]),
  list: ['x', 1n, { deep: [] }],
  object: { 'k.v': 'w', none: null },
  service: 'of the record',
  scope: 'mine',
}
const EXPECTED = {
  resource: { 'service.name': 'shop', 'host.name': 'web-1', replica: 3, zone: 'a' },
  service: 'shop',
  host: 'web-1',
  scope: { name: 'lib', version: '1.2', attributes: { s: 't' } },
  text: 'a "b"\n',
  small: -5,
  large: 9_007_199_254_740_992,
  ratio: 0.25,
  endless: 'Infinity',
  yes: true,
  blob: 'AQL/',
  list: ['x', 1, { deep: [] }],
  object: { 'k.v': 'w', none: null },
  attributes: { service: 'of the record', scope: 'mine' },
  severity_text: 'Warning!',
  level: 'WARN',
  severity_number: 14,
  event_name: 'placed',
  traceId: TRACE,
  spanId: SPAN,
  trace_flags: 1,
  message: 'hello',
}

function protobufOf(...records: readonly Buffer[]): Buffer {
  const resource = bytesField(1, ...Object.entries(RESOURCE).map(([key, value]) => pair(1, key, value)))
  const scope = bytesField(1, bytesField(1, 'lib'), bytesField(2, '1.2'), pair(3, 's', 't'))
  // The resource stands behind the records that it is of, and so does the scope.
  return bytesField(1, bytesField(2, ...records.map((record) => bytesField(2, record)), scope), resource)
}

const WHOLE = Buffer.concat([
  fixed64Field(1, TIME),
  varintField(2, 14),
  bytesField(3, 'Warning!'),
  bytesField(5, any('hello')),
  ...Object.entries(ATTRIBUTES).map(([key, value]) => pair(6, key, value)),
  fixed32Field(8, 1),
  bytesField(9, Buffer.from(TRACE, 'hex')),
  bytesField(10, Buffer.from(SPAN, 'hex')),
  fixed64Field(11, 1n),
  bytesField(12, 'placed'),
  varintField(77, 1),
])

function jsonOf(...logRecords: readonly unknown[]): Buffer {
  const scope = { name: 'lib', version: '1.2', attributes: pairsJson({ s: 't' }) }
  const scopeLogs = [{ logRecords, scope }]
  return Buffer.from(JSON.stringify({ resourceLogs: [{ scopeLogs, resource: { attributes: pairsJson(RESOURCE) } }] }))
}

const WHOLE_JSON = {
  timeUnixNano: String(TIME),
  observedTimeUnixNano: '1',
  severityNumber: 14,
  severityText: 'Warning!',
  body: { stringValue: 'hello' },
  attributes: pairsJson(ATTRIBUTES),
  flags: 1,
  traceId: TRACE.toUpperCase(),
  spanId: SPAN,
  eventName: 'placed',
}

test('a record of both encodings holds all that was sent, in the same way', () => {
  for (const body of [decoded(protobufOf(WHOLE), decodeOtlpProtobuf), decoded(jsonOf(WHOLE_JSON), decodeOtlpJson)]) {
    const line = body.json.bytes().toString()
    assert.ok(line.includes(`"timestamp":${TIME}`), line)
    assert.ok(line.includes('"large":9007199254740993,'), line)
    const [{ timestamp, ...record }] = recordsOf(body) as [Record<string, unknown>]
    assert.deepEqual(record, EXPECTED)
  }
})

test('a body of any type is kept: text and what is like it as the message, parts as they are', () => {
  const bodies: [Value, unknown][] = [
    ['', { message: '' }],
    [true, { message: 'true' }],
    [9_007_199_254_740_993n, { message: '9007199254740993' }],
    [0.5, { message: '0.5' }],
    [Buffer.from('ab'), { message: 'YWI=' }],
    [{ a: 1n, message: 'x' }, { body: { a: 1, message: 'x' } }],
    [['a', 1n], { body: ['a', 1] }],
  ]
  for (const [value, expected] of bodies) {
    const source = bytesField(1, bytesField(2, bytesField(2, bytesField(5, any(value)))))
    assert.deepEqual(recordsOf(decoded(source, decodeOtlpProtobuf)), [expected])
    const json = { resourceLogs: [{ scopeLogs: [{ logRecords: [{ body: anyJson(value) }] }] }] }
    assert.deepEqual(recordsOf(decoded(Buffer.from(JSON.stringify(json)), decodeOtlpJson)), [expected])
  }
})

test('a record without a time has the one at which it was observed; without ids it has none', () => {
  const bare = Buffer.concat([
    fixed64Field(1, 0n),
    fixed64Field(11, TIME),
    bytesField(9, Buffer.alloc(16)),
    bytesField(10),
  ])
  const source = bytesField(1, bytesField(2, bytesField(2, bare)))
  assert.equal(decoded(source, decodeOtlpProtobuf).json.bytes().toString(), `{"timestamp":${TIME}}\n`)
  const record = { timeUnixNano: '0', observedTimeUnixNano: String(TIME), traceId: '0'.repeat(32), spanId: '' }
  const json = Buffer.from(JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords: [record, {}] }] }] }))
  assert.equal(decoded(json, decodeOtlpJson).json.bytes().toString(), `{"timestamp":${TIME}}\n{}\n`)
})

test('a record that is none, has no time or is too deep is refused alone', () => {
  let deep: Value = 1n
  for (let i = 0; i < 40; i++) deep = [deep]
  const records = [fixed64Field(1, 5n), bytesField(5, any(deep)), pair(6, 'a', deep), WHOLE]
  const codes = (body: ReturnType<typeof decoded>) => recordsOf(body).map((r) => (typeof r === 'string' ? r : 'ok'))
  assert.deepEqual(codes(decoded(protobufOf(...records), decodeOtlpProtobuf)), [
    'timestamp_out_of_range',
    'nesting_too_deep',
    'nesting_too_deep',
    'ok',
  ])
  const json = [
    { timeUnixNano: '5' },
    { body: anyJson(deep) },
    { attributes: pairsJson({ a: deep }) },
    WHOLE_JSON,
    7,
    { timeUnixNano: 'soon' },
    { timeUnixNano: 1_700_000_000_000_000_000 },
    { severityNumber: 'SEVERITY_NUMBER_ERROR2' },
  ]
  assert.deepEqual(codes(decoded(jsonOf(...json), decodeOtlpJson)), [
    'timestamp_out_of_range',
    'nesting_too_deep',
    'nesting_too_deep',
    'ok',
    'invalid_record',
    'invalid_timestamp',
    'ok',
    'ok',
  ])
})

test('any bytes are decoded or refused, and every record has its line', () => {
  for (const [source, decode] of [
    [protobufOf(WHOLE, WHOLE), decodeOtlpProtobuf],
    [jsonOf(WHOLE_JSON, WHOLE_JSON), decodeOtlpJson],
  ] as const) {
    const changes = fc.array(fc.tuple(fc.nat(source.length - 1), fc.nat(255)), { maxLength: 5 })
    fc.assert(
      fc.property(changes, fc.nat(source.length), fc.boolean(), (bytes, end, isCut) => {
        const damaged = Buffer.from(isCut ? source.subarray(0, end) : source)
        for (const [at, byte] of bytes) if (at < damaged.length) damaged[at] = byte
        try {
          const body = decoded(damaged, decode)
          assert.equal(body.json.bytes().toString('latin1').split('\n').length - 1, body.count)
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'invalid_body', String(error))
        }
      }),
      { numRuns: 2000 },
    )
  }
})

test('many scopes of one large resource cost what they are long', () => {
  const scopes = 20_000
  const attributes = Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`attribute-${i}`, 'x'.repeat(20)]))
  const resource = bytesField(1, ...Object.entries(attributes).map(([key, value]) => pair(1, key, value)))
  const protobuf = bytesField(1, resource, Buffer.alloc(2 * scopes, bytesField(2)))
  const json = {
    resource: { attributes: pairsJson(attributes) },
    scopeLogs: Array.from({ length: scopes }, () => ({})),
  }
  for (const decode of [
    () => decoded(protobuf, decodeOtlpProtobuf),
    () => decoded(Buffer.from(JSON.stringify({ resourceLogs: [json] })), decodeOtlpJson),
  ]) {
    const before = process.cpuUsage()
    assert.equal(decode().count, 0)
    assert.ok(process.cpuUsage(before).user < 2_000_000)
  }
})

test('what has parts where a text belongs is refused alone', () => {
  const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`
  const records = [
    '{"body":{"stringValue":{"toString":1}}}',
    `{"body":{"stringValue":${deep}}}`,
    `{"attributes":[{"key":"a","value":{"stringValue":${deep}}}]}`,
    '{"timeUnixNano":{"toString":1}}',
    '{"body":{"stringValue":"good"}}',
  ]
  const text = `{"resourceLogs":[{"scopeLogs":[{"logRecords":[${records.join(',')}]}]}]}`
  const codes = ['invalid_record', 'invalid_record', 'nesting_too_deep', 'invalid_timestamp']
  assert.deepEqual(recordsOf(decoded(Buffer.from(text), decodeOtlpJson)), [...codes, { message: 'good' }])
})
