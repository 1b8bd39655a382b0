import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DecodedBody, type Decoding } from '../../../../ingest/protocols/decoded-body.ts'
import { decodeForward } from '../../../../ingest/protocols/forward.ts'
import { decodeJournald } from '../../../../ingest/protocols/journald.ts'
import type { ByteRoom } from '../../../../ingest/protocols/json-writer.ts'
import { decodeLokiJson, decodeLokiProtobuf } from '../../../../ingest/protocols/loki-push.ts'
import { decodeOtlpJson } from '../../../../ingest/protocols/otlp-json.ts'
import { decodeOtlpProtobuf } from '../../../../ingest/protocols/otlp-protobuf.ts'
import { bytesField, varintField } from '../../../harness/protobuf-writer.ts'
import { cpuMs, sliceMaxMs } from '../../../harness/slices.ts'

const BODY_BYTES = 10_000_000

const long = (piece: string): string => piece.repeat(Math.ceil(BODY_BYTES / piece.length))
const room: ByteRoom = { acquire: (bytes) => Buffer.allocUnsafeSlow(bytes), release: () => {} }

function field(value: Buffer): Buffer {
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(value.length))
  return Buffer.concat([Buffer.from('MESSAGE\n'), length, value, Buffer.from('\n\n')])
}

/** An array of so many small numbers, or a map of one, in MessagePack. */
function numbers(count: number): Buffer {
  const head = Buffer.from([0xdd, 0, 0, 0, 0])
  head.writeUInt32BE(count, 1)
  return Buffer.concat([head, Buffer.alloc(count, 1)])
}

const unknown = Buffer.alloc(BODY_BYTES, Buffer.from([0x78, 0x01]))
const entry = (text: string): Buffer => Buffer.from(`{"streams":[{"stream":{"a":"b"},"values":[${text}]}]}`)

const BODIES: readonly (readonly [
  name: string,
  decode: (source: Buffer, into: DecodedBody) => Decoding,
  body: Buffer,
])[] = [
  ['Loki JSON, a member that nobody knows', decodeLokiJson, Buffer.from(`{"x":[${long('[],')}0],"streams":[]}`)],
  ['Loki JSON, quotes', decodeLokiJson, Buffer.from(`{"x":"${long('\\"')}","streams":[]}`)],
  [
    'Loki JSON, values before their labels',
    decodeLokiJson,
    Buffer.from(`{"streams":[{"values":[${long('["1700000000000000000","x"],')}0]}]}`),
  ],
  ['Loki JSON, a long line', decodeLokiJson, entry(`["1700000000000000000","${long('\\"')}"]`)],
  [
    'Loki protobuf, an entry',
    decodeLokiProtobuf,
    bytesField(
      1,
      bytesField(1, '{a="b"}'),
      bytesField(2, bytesField(1, varintField(1, 1_700_000_000)), bytesField(2, long('"'))),
    ),
  ],
  ['OTLP JSON, a member', decodeOtlpJson, Buffer.from(`{"x":[${long('{},')}0],"resourceLogs":[]}`)],
  [
    'OTLP JSON, a record',
    decodeOtlpJson,
    Buffer.from(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"x":[${long('{},')}0]}]}]}]}`),
  ],
  [
    'OTLP protobuf, a record',
    decodeOtlpProtobuf,
    bytesField(1, bytesField(2, bytesField(2, bytesField(5, bytesField(1, long('"')))))),
  ],
  ['OTLP protobuf, fields that nobody knows', decodeOtlpProtobuf, bytesField(1, unknown)],
  ['OTLP protobuf, fields of the request', decodeOtlpProtobuf, unknown],
  ['Loki protobuf, fields that nobody knows', decodeLokiProtobuf, bytesField(1, unknown)],
  ['journald, a long value', decodeJournald, field(Buffer.from(long('"')))],
  ['journald, one that is no text', decodeJournald, field(Buffer.alloc(BODY_BYTES, 0xff))],
  [
    'Fluentd forward, an event of numbers',
    (source, into) => decodeForward(source, into, [{ tag: 't', start: 0, end: source.length, mode: 'forward' }]),
    Buffer.concat([Buffer.from([0x91]), numbers(BODY_BYTES)]),
  ],
]

test('no decoder holds the thread for long, whatever a body of 10 MB holds', () => {
  const maxMs = sliceMaxMs()
  const tooLong: string[] = []
  for (const [name, decode, body] of BODIES) {
    let bestMs = Number.POSITIVE_INFINITY
    for (let attempt = 0; attempt < 4 && bestMs > maxMs; attempt++) {
      const into = new DecodedBody(body, room, body.length * 2)
      let worstMs = 0
      const steps = decode(body, into)
      for (let isOver = false; !isOver; ) {
        const tookMs = cpuMs(() => {
          isOver = steps.next().done === true
        })
        worstMs = Math.max(worstMs, tookMs)
      }
      bestMs = Math.min(bestMs, worstMs)
    }
    if (bestMs > maxMs) tooLong.push(`${name}: ${bestMs.toFixed(1)} ms, not ${maxMs.toFixed(1)}`)
  }
  assert.deepEqual(tooLong, [])
})

test('a resource or scope that no record could hold is refused at once', () => {
  const resource = bytesField(1, bytesField(1, bytesField(1, 'a'), bytesField(2, bytesField(1, long('x')))))
  const requests: readonly (readonly [typeof decodeOtlpJson, Buffer])[] = [
    [decodeOtlpProtobuf, bytesField(1, resource)],
    [decodeOtlpProtobuf, bytesField(1, bytesField(2, resource))],
    [decodeOtlpJson, Buffer.from(`{"resourceLogs":[{"resource":{"attributes":["${long('x')}"]}}]}`)],
  ]
  for (const [decode, body] of requests) {
    assert.throws(() => [...decode(body, new DecodedBody(body, room, 0))], { code: 'invalid_body' })
  }
})
