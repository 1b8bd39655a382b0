import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ByteReader, ByteWriter, nameText, utf8Text } from '../../../base/bytes.ts'
import { WeirError } from '../../../base/errors.ts'

test('what is written is read back', () => {
  fc.assert(
    fc.property(
      fc.maxSafeInteger().map(Math.abs),
      fc.string({ unit: 'grapheme' }),
      fc.double(),
      fc.nat({ max: 255 }),
      (n, text, float, byte) => {
        const bytes = new ByteWriter()
          .varint(n)
          .text(text)
          .f64(float)
          .u8(byte)
          .u32(n % 2 ** 32)
          .finish()
        const reader = new ByteReader(bytes)
        assert.deepEqual(
          [reader.varint(), reader.text(1000), reader.f64(), reader.u8(), reader.u32()],
          [n, text, float, byte, n % 2 ** 32],
        )
        reader.finish()
      },
    ),
  )
})

test('any bytes are read or refused as corrupt_data', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20 }), (bytes) => {
      const reader = new ByteReader(bytes)
      try {
        while (reader.remaining > 0) {
          const n = reader.varint(1000)
          assert(n <= 1000)
          reader.text(10)
        }
      } catch (error) {
        assert(error instanceof WeirError && error.code === 'corrupt_data')
      }
    }),
  )
})

test('a name that comes again is found by its bytes alone, whatever came before it', () => {
  const byte = fc.integer({ min: 0, max: 255 })
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 3 }),
    fc.array(byte, { maxLength: 80 }).map((list) => Uint8Array.from(list)),
  )
  fc.assert(
    fc.property(fc.array(bytes, { maxLength: 20 }), (all) => {
      for (const one of [...all, ...all]) {
        const between = Uint8Array.from([1, ...one, 2])
        assert.equal(nameText(between, 1, between.length - 1), utf8Text(one))
      }
    }),
  )
  const latin = Uint8Array.of(0xc3, 0xa9)
  assert.equal(nameText(latin, 0, 2), 'é')
  assert.equal(nameText(Uint8Array.of(0xe9), 0, 1), '\ufffd')
})
