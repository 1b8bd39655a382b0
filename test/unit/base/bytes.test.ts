import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ByteReader, ByteWriter } from '../../../base/bytes.ts'
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
