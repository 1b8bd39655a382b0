import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { decodeWire, encodeWire, WIRE_VERSION } from '../../../../actors/runtime/wire-codec.ts'
import { TYPED_ARRAYS } from '../../../../actors/runtime/wire-values.ts'
import { checksum } from '../../../../base/checksum.ts'
import { WeirError } from '../../../../base/errors.ts'
import { NODE_MESSAGE_BYTES_MAX } from '../../../../base/limits.ts'

/** As another node has it: nothing is shared with the sender, and the bytes lie anywhere in a buffer. */
function arrived(value: unknown, at = 0): unknown {
  const bytes = encodeWire(value)
  const buffer = new Uint8Array(at + bytes.length + 3)
  buffer.set(bytes, at)
  return decodeWire(buffer.subarray(at, at + bytes.length))
}

/** Bytes whose version and checksum are right, whatever they hold. */
function sealed(body: readonly number[] | Uint8Array): Uint8Array {
  const bytes = new Uint8Array(5 + body.length)
  bytes.set(body, 5)
  bytes[0] = WIRE_VERSION
  new DataView(bytes.buffer).setUint32(1, checksum(bytes.subarray(5)), true)
  return bytes
}

const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.array(fc.nat(0xffff), { maxLength: 100 }).map((units) => String.fromCharCode(...units)),
  fc.constantFrom('', '\ud800', '__proto__', 'constructor', 'toJSON', 'é'.repeat(300), 'x'.repeat(300)),
)
const typedArray = fc
  .tuple(fc.constantFrom(...TYPED_ARRAYS), fc.uint8Array({ maxLength: 80 }), fc.nat(3))
  .map(([Kind, bytes, skip]) => {
    const whole = new Kind(bytes.buffer.slice(0, bytes.length - (bytes.length % Kind.BYTES_PER_ELEMENT)))
    return whole.subarray(Math.min(skip, whole.length))
  })
const leaf = fc.oneof(
  anyText,
  fc.double(),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.bigInt(),
  fc.boolean(),
  fc.constantFrom(null, undefined, -0, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 63, -(2n ** 63n), 2n ** 64n),
  typedArray,
)
const anyKey = fc.oneof(anyText, fc.constantFrom('hasOwnProperty', 'then', '0', '-1'))
const plainObject = (value: fc.Arbitrary<unknown>) =>
  fc.array(fc.tuple(anyKey, value), { maxLength: 5 }).map((entries) => Object.fromEntries(entries))
const plainData = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    leaf,
    fc.array(tie('any'), { maxLength: 5 }),
    plainObject(tie('any')),
    fc.array(fc.tuple(tie('any'), tie('any')), { maxLength: 4 }).map((entries) => new Map(entries)),
    fc.array(tie('any'), { maxLength: 4 }).map((values) => new Set(values)),
  ),
})).any

const isCorrupt = (error: unknown) => error instanceof WeirError && error.code === 'corrupt_data'

describe('what crosses between nodes', () => {
  it('arrives as it was sent, wherever its bytes lie', () => {
    fc.assert(
      fc.property(plainData, fc.nat(9), (value, at) => {
        assert.deepStrictEqual(arrived(value, at), value)
      }),
      { numRuns: 1000 },
    )
  })

  it('tells an absent field from an undefined one, and -0 from 0', () => {
    assert.deepStrictEqual(Object.keys(arrived({ a: undefined, b: [undefined] }) as object), ['a', 'b'])
    assert.ok(Object.is(arrived(-0), -0))
    assert.ok(Object.is(arrived(0), 0))
  })

  it('may have long texts', () => {
    for (const char of ['x', 'é', '日', '😀', '\ud800']) {
      for (const length of [31, 32, 255, 256, 65_535, 65_536, 1e6])
        assert.equal(arrived(char.repeat(length)), char.repeat(length))
    }
  })

  it('may have many fields, many entries and long lists', () => {
    const numbers = Array.from({ length: 100_000 }, (_, i) => i * 1.5)
    const object = Object.fromEntries(numbers.map((value) => [`k${value}`, value]))
    const map = new Map(numbers.map((value) => [value, String(value)]))
    assert.deepStrictEqual(arrived({ numbers, object, map, set: new Set(numbers) }), {
      numbers,
      object,
      map,
      set: new Set(numbers),
    })
  })

  it('has typed arrays of memory of its own, also where the sender shares a buffer or a view of one', () => {
    const numbers = new Float64Array([0.5, -0, Number.NaN])
    const got = arrived(Buffer.from(numbers.buffer, 8, 8)) as Uint8Array
    assert.equal(Object.getPrototypeOf(got), Uint8Array.prototype)
    assert.equal(got.buffer.byteLength, 8)
    const shared = new Uint8Array(new SharedArrayBuffer(4)).fill(7)
    const copy = arrived(shared) as Uint8Array
    shared.fill(0)
    assert.deepStrictEqual(copy, new Uint8Array([7, 7, 7, 7]))
    assert.ok(copy.buffer instanceof ArrayBuffer)
    assert.deepStrictEqual(arrived(numbers.buffer), numbers.buffer)
  })

  it('shares no memory: a SharedArrayBuffer is undefined on the other side', () => {
    assert.deepStrictEqual(arrived({ kind: 'findRows', counted: new SharedArrayBuffer(4) }), {
      kind: 'findRows',
      counted: undefined,
    })
  })

  it('is plain data only, of bounded depth and size', () => {
    const circle: unknown[] = []
    circle.push(circle)
    const refused = [new Date(0), () => {}, /x/, new Error('x'), Symbol('x'), new (class Shard {})(), circle]
    for (const value of refused) {
      assert.throws(() => encodeWire({ deep: [value] }), { code: 'internal', message: /cannot be sent/ })
    }
    const nested = (depth: number): unknown =>
      depth === 0 ? -0 : depth % 2 === 0 ? [nested(depth - 1)] : new Map([[0, nested(depth - 1)]])
    assert.deepStrictEqual(arrived(nested(250)), nested(250))
    assert.throws(() => encodeWire(nested(600)), { code: 'internal' })
    assert.throws(() => encodeWire(new Uint8Array(NODE_MESSAGE_BYTES_MAX)), { code: 'result_too_large' })
  })

  it('may be tens of megabytes', () => {
    const rows = Array.from({ length: 40_000 }, (_, row) => ({ row, json: `{"message":"${'x'.repeat(1000)}"}` }))
    assert.deepStrictEqual(arrived(rows), rows)
    // What is sent next does not hold on to a buffer of that size.
    assert.ok(encodeWire('short').buffer.byteLength < 1e6)
  })
})

describe('bytes of another node', () => {
  it('are refused when they were cut or changed on the way', () => {
    fc.assert(
      fc.property(plainData, fc.nat(), fc.integer({ min: 1, max: 255 }), fc.boolean(), (value, at, by, isCut) => {
        const bytes = new Uint8Array(encodeWire(value))
        const place = at % bytes.length
        bytes[place]! ^= by
        const code = place === 0 ? 'shard_unavailable' : 'corrupt_data'
        if (isCut) assert.throws(() => decodeWire(encodeWire(value).subarray(0, place)), isCorrupt)
        else assert.throws(() => decodeWire(bytes), { code })
      }),
    )
  })

  it('are refused when they say another version', () => {
    const bytes = encodeWire(1)
    bytes[0] = WIRE_VERSION + 1
    assert.throws(() => decodeWire(bytes), { code: 'shard_unavailable', details: { version: 2, expected: 1 } })
  })

  it('decode to plain data or are refused, whoever made them', () => {
    const mutated = fc
      .tuple(plainData, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }))
      .map(([value, changes]) => {
        const body = encodeWire(value).slice(5)
        for (const [at, byte] of changes) body[at % body.length] = byte
        return body
      })
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ minLength: 1, maxLength: 64 })), (body) => {
        let value: unknown
        try {
          value = decodeWire(sealed(body))
        } catch (error) {
          assert.ok(isCorrupt(error), String(error))
          return
        }
        // What decodes is what could have been sent.
        assert.doesNotThrow(() => encodeWire(value))
      }),
      { numRuns: 3000 },
    )
  })

  it('cannot change what objects are', () => {
    const sent = JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}') as unknown
    const got = arrived(sent) as Record<string, unknown>
    assert.deepStrictEqual(got, sent)
    assert.deepStrictEqual(Object.keys(got), ['__proto__', 'constructor'])
    assert.equal(Object.getPrototypeOf(got), Object.prototype)
    // The same key as a hostile encoder would write it.
    const plain = decodeWire(sealed([0x81, 0xa9, ...Buffer.from('__proto__'), 0x81, 0xa1, 0x78, 0x01])) as object
    assert.equal(Object.getPrototypeOf(plain), Object.prototype)
    assert.equal(({} as { polluted?: unknown }).polluted, undefined)
  })

  it('lead to no allocation beyond what arrived, no recursion without end, no reference, no class', () => {
    const hostile: readonly number[][] = [
      [0xdd, 0xff, 0xff, 0xff, 0xff], // a list of 2^32 - 1
      [0xdf, 0xff, 0xff, 0xff, 0xff], // an object as large
      [0xdb, 0xff, 0xff, 0xff, 0xff], // a text as long
      [0xc9, 0xff, 0xff, 0xff, 0xff, 0x74, 0x00], // a typed array as long
      new Array(100_000).fill(0x91), // lists in lists
      [0x92, 0xd6, 0x69, 0, 0, 0, 1, 0x90, 0xd6, 0x70, 0, 0, 0, 1], // a reference
      [0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 0x01], // the definition of a record
      [0xd4, 0x65, 0x00, 0x92, 0xa1, 0x61, 0xa1, 0x61], // an error
      [0xd4, 0x78, 0x00, 0x92, 0xa1, 0x61, 0xa0], // a regular expression
      [0xd6, 0xff, 0, 0, 0, 0], // a date
      [0xd6, 0x62, 0, 0, 0, 0], // bundled texts
      [0xc4, 0x01, 0x00], // binary data
      [0xc1],
      [0xd4, 0x01, 0x00, 0x92, 0x09, 0xc0], // an escape of no kind
      [0xd4, 0x01, 0x00, 0x92, 0x02, 0x91, 0xc0], // an object of half an entry
      [0xd4, 0x01, 0x00, 0x92, 0x02, 0x92, 0xc0, 0xc0], // an object with a key that is no text
      [0xd4, 0x73, 0x00, 0xa1, 0x61], // a set of letters
      [0x81, 0x01, 0x01], // a key that is a number
      [0xc7, 0x02, 0x74, 0x08, 0x00], // a Float64Array of one byte
      [0xc7, 0x01, 0x74, 0x0f], // a typed array of no kind
      [0x01, 0x01],
    ]
    for (const body of hostile) assert.throws(() => decodeWire(sealed(body)), isCorrupt, String(body.slice(0, 12)))
  })
})
