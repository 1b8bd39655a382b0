import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { JsonWriter, jsonKey } from '../../../../ingest/protocols/json-writer.ts'
import { smallRoom } from './harness.ts'

/** Strings with what has to be escaped, in the middle and at the ends of words of four bytes. */
const text = fc
  .array(
    fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('"', '\\', '\n', '\u0000', '\u001f', '\u007f', 'ü', '😀')),
  )
  .map((parts) => parts.join('').toWellFormed())

function write(writer: JsonWriter, value: unknown): void {
  if (typeof value === 'string') {
    // At an odd place, with something after it.
    const bytes = Buffer.from(`x${value}y"`)
    writer.text(bytes, 1, bytes.length - 2)
  } else if (typeof value === 'number') writer.number(value)
  else if (typeof value === 'boolean') writer.boolean(value)
  else if (value === null) writer.null()
  else if (Array.isArray(value)) {
    writer.openArray()
    for (const element of value) write(writer, element)
    writer.closeArray()
  } else {
    writer.openObject()
    for (const [key, member] of Object.entries(value as object)) {
      if (key.length % 2 === 0) writer.key(jsonKey(key))
      else {
        const bytes = Buffer.from(key)
        writer.keyText(bytes, 0, bytes.length)
      }
      write(writer, member)
    }
    writer.closeObject()
  }
}

const value = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    text,
    fc.integer(),
    fc.constantFrom(0, 9, 10, 99, 100, 999_999_999, 1_000_000_000, 2_147_483_647, 2_147_483_648, -1),
    fc.double({ noNaN: true, noDefaultInfinity: true }).filter((x) => !Object.is(x, -0)),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(text, tie('value'), { maxKeys: 5 }),
  ),
})).value

test('what is written parses to what it was, on one line', () => {
  fc.assert(
    fc.property(fc.array(value, { maxLength: 5 }), (values) => {
      const writer = new JsonWriter(smallRoom, 0)
      for (const one of values) {
        write(writer, one)
        writer.newline(3)
      }
      const lines = writer.bytes().toString().split('\n')
      assert.equal(lines.pop(), '')
      assert.deepEqual(
        lines.map((line) => JSON.parse(line)),
        JSON.parse(JSON.stringify(values)),
      )
    }),
    { numRuns: 500 },
  )
})

test('texts are escaped as JSON.stringify does it', () => {
  fc.assert(
    fc.property(text, (one) => {
      const writer = new JsonWriter(smallRoom, 0)
      write(writer, one)
      const other = new JsonWriter(smallRoom, 0)
      other.string(one)
      assert.equal(writer.bytes().toString(), JSON.stringify(one))
      assert.equal(other.bytes().toString(), JSON.stringify(one))
    }),
    { numRuns: 1000 },
  )
})

test('JSON over several lines becomes one line, and what was in the buffer before is left alone', () => {
  const writer = new JsonWriter(smallRoom, 1000)
  const bytes = Buffer.from('x{"a":\n[1,\r\n2]\n}y')
  writer.openObject()
  writer.key(jsonKey('first'))
  writer.json(bytes, 1, bytes.length - 1)
  writer.key(jsonKey('big'))
  writer.number(9007199254740993n)
  writer.key(jsonKey('nothing'))
  writer.number(Number.NaN)
  writer.key(jsonKey('other'))
  writer.value({ b: [undefined] })
  writer.closeObject()
  writer.newline()
  assert.equal(
    writer.bytes().toString(),
    '{"first":{"a": [1,\r 2] },"big":9007199254740993,"nothing":null,"other":{"b":[null]}}\n',
  )
})

test('bytes that are not UTF-8 come out as they went in', () => {
  const writer = new JsonWriter(smallRoom, 0)
  const bytes = Buffer.from([0xff, 0xc0, 0x80, 0x22, 0xed, 0xa0, 0x80, 0x41, 0x42])
  writer.text(bytes, 0, bytes.length)
  assert.deepEqual([...writer.bytes()], [0x22, 0xff, 0xc0, 0x80, 0x5c, 0x22, 0xed, 0xa0, 0x80, 0x41, 0x42, 0x22])
})

test('bytes are written as hexadecimal digits', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const writer = new JsonWriter(smallRoom, 0)
      writer.openArray()
      writer.hex(bytes, 0, bytes.length)
      writer.hex(bytes, 0, bytes.length)
      writer.closeArray()
      const digits = Buffer.from(bytes).toString('hex')
      assert.deepEqual(JSON.parse(writer.bytes().toString()), [digits, digits])
    }),
  )
})
