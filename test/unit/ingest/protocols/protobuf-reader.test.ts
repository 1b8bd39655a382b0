import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  ProtobufReader,
  tagOf,
  WIRE_BYTES,
  WIRE_FIXED32,
  WIRE_FIXED64,
  WIRE_VARINT,
} from '../../../../ingest/protocols/protobuf-reader.ts'
import { bytesField, fixed32Field, fixed64Field, varintField } from '../../../harness/protobuf-writer.ts'

test('fields come back as they were written, nested ones too', () => {
  const inner = Buffer.concat([varintField(1, 300), bytesField(2, 'ü'), varintField(9, 1)])
  const bytes = Buffer.concat([
    varintField(1, -1),
    fixed64Field(2, 1_700_000_000_123_456_789n),
    bytesField(3, inner),
    fixed32Field(536_870_911, 0xfffffffe),
  ])
  const reader = new ProtobufReader(bytes)
  assert.ok(reader.next(bytes.length))
  assert.equal(reader.tag, tagOf(1, WIRE_VARINT))
  assert.equal(reader.int64(), -1)
  assert.equal(reader.bigInt64(), -1n)
  assert.ok(reader.next(bytes.length))
  assert.equal(reader.tag, tagOf(2, WIRE_FIXED64))
  assert.equal(reader.bigInt64(), 1_700_000_000_123_456_789n)
  assert.ok(reader.next(bytes.length))
  assert.equal(reader.tag, tagOf(3, WIRE_BYTES))
  const { start, end } = reader
  assert.equal(reader.at, end)
  reader.at = start
  assert.ok(reader.next(end))
  assert.equal(reader.int64(), 300)
  assert.ok(reader.next(end))
  assert.equal(bytes.toString('utf8', reader.start, reader.end), 'ü')
  assert.ok(reader.next(end))
  assert.equal(reader.next(end), false)
  assert.ok(reader.next(bytes.length))
  assert.equal(reader.tag, tagOf(536_870_911, WIRE_FIXED32))
  assert.equal(reader.low, 0xfffffffe)
  assert.equal(reader.next(bytes.length), false)
})

test('varints of 64 bits are exact', () => {
  fc.assert(
    fc.property(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), (value) => {
      const bytes = varintField(1, value)
      const reader = new ProtobufReader(bytes)
      assert.ok(reader.next(bytes.length))
      assert.equal(reader.bigInt64(), value)
    }),
  )
})

test('what is cut off, of no wire type, or beyond its limit is refused', () => {
  const bad = ['08', '80', '0d000000', '0900000000000000', '0a05', '0affffffff0f', '0b', '0c', '0e', '00', '0000']
  for (const hex of [...bad, `08${'80'.repeat(10)}00`, '8080808080808001', `0a${'ff'.repeat(9)}01`]) {
    const bytes = Buffer.from(hex, 'hex')
    const reader = new ProtobufReader(bytes)
    assert.throws(() => reader.next(bytes.length), { code: 'invalid_body' }, hex)
  }
  // The inner message says that it is longer than the outer one.
  const bytes = Buffer.from('0a020a050102030405', 'hex')
  const reader = new ProtobufReader(bytes)
  assert.ok(reader.next(bytes.length))
  const { end } = reader
  reader.at = reader.start
  assert.throws(() => reader.next(end), { code: 'invalid_body' })
})

test('any bytes end in time, with values inside of their message', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const reader = new ProtobufReader(bytes)
      let fields = 0
      try {
        while (reader.next(bytes.length)) {
          fields++
          assert.ok(reader.at <= bytes.length)
          if ((reader.tag & 7) === WIRE_BYTES) assert.ok(reader.start <= reader.end && reader.end === reader.at)
        }
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'invalid_body')
      }
      assert.ok(fields <= bytes.length / 2)
    }),
    { numRuns: 3000 },
  )
})

test('a pair is read as its fields say, in whatever order and form they come', () => {
  const part = fc.oneof(
    fc.string({ maxLength: 200 }).map((text) => bytesField(1, text)),
    fc.string({ maxLength: 20 }).map((text) => bytesField(2, text)),
    fc
      .constantFrom('x'.repeat(127), 'x'.repeat(128), 'y'.repeat(16_383), 'y'.repeat(16_384))
      .map((text) => bytesField(2, text)),
    fc.nat().map((value) => varintField(3, value)),
    // A length in two bytes where one would do.
    fc.constantFrom(1, 2).map((field) => Buffer.from([tagOf(field, WIRE_BYTES), 0x81, 0x00, 0x61])),
  )
  fc.assert(
    fc.property(fc.array(part, { maxLength: 4 }), (parts) => {
      const bytes = Buffer.concat([Buffer.from('--'), ...parts, Buffer.from('--')])
      const end = bytes.length - 2
      const wanted: (string | undefined)[] = [undefined, undefined]
      const slow = new ProtobufReader(bytes)
      slow.at = 2
      while (slow.next(end)) {
        if (slow.tag === tagOf(1, WIRE_BYTES)) wanted[0] = bytes.toString('utf8', slow.start, slow.end)
        else if (slow.tag === tagOf(2, WIRE_BYTES)) wanted[1] = bytes.toString('utf8', slow.start, slow.end)
      }
      const reader = new ProtobufReader(bytes)
      reader.pair(2, end)
      const { nameStart, nameEnd, valueStart, valueEnd } = reader
      const name = nameEnd < 0 ? undefined : bytes.toString('utf8', nameStart, nameEnd)
      const value = valueEnd < 0 ? undefined : bytes.toString('utf8', valueStart, valueEnd)
      assert.deepEqual([name, value], wanted)
      assert.equal(reader.at, end)
    }),
    { numRuns: 1000 },
  )
})
