import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { EpochText, isEpochText } from '../../../../ingest/protocols/epoch-text.ts'

test('times are written to the nanosecond', () => {
  const time = new EpochText()
  fc.assert(
    fc.property(fc.bigInt(10n ** 18n, 9_223_372_035_999_999_999n), (value) => {
      assert.ok(time.setNanoseconds(Number(value & 0xffffffffn), Number(value >> 32n)))
      assert.equal(time.bytes.toString(), String(value))
      assert.ok(time.set(Number(value / 1_000_000_000n), Number(value % 1_000_000_000n)))
      assert.equal(time.bytes.toString(), String(value))
      assert.equal(isEpochText(time.bytes, 0, 19), true)
    }),
  )
})

test('times that would be read as another unit, or are none, are not written', () => {
  const time = new EpochText()
  for (const [seconds, nanoseconds] of [
    [0, 0],
    [999_999_999, 0],
    [-1, 5],
    [1e10, 0],
    [Number.NaN, 0],
    [2e9, -1],
    [2e9, 1e9],
  ] as const) {
    assert.equal(time.set(seconds, nanoseconds), false)
  }
  assert.equal(time.setNanoseconds(0xffffffff, 0xffffffff), false)
  const said = (text: string) => isEpochText(Buffer.from(text), 0, text.length)
  assert.equal(said('1700000000'), false)
  assert.equal(said('0700000000123456789'), false)
  for (const text of ['', '-1700000000123456789', '1.7e18', 'soon']) assert.equal(said(text), undefined)
})
