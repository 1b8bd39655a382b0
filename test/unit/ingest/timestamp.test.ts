import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { TimestampParser } from '../../../ingest/timestamp.ts'
import { bytesOf } from './harness.ts'

const parser = new TimestampParser()

function parse(text: string): [number, number] | undefined {
  const bytes = bytesOf(`  ${text}9`)
  return parser.parseText(bytes, 2, bytes.length - 1) ? [parser.ms, parser.ns] : undefined
}

test('RFC 3339 texts of every year, fraction and offset mean their instant', () => {
  fc.assert(
    fc.property(
      fc.date({
        min: new Date('0000-01-01T00:00:00Z'),
        max: new Date('9999-12-31T23:59:59.999Z'),
        noInvalidDate: true,
      }),
      fc.nat(999_999),
      fc.integer({ min: -1439, max: 1439 }),
      fc.constantFrom('T', 't', ' '),
      fc.constantFrom('.', ','),
      fc.constantFrom('', 'Z', 'z', '+', '+:'),
      (date, ns, offset, separator, point, zone) => {
        const hasOffset = zone.startsWith('+')
        const shown = new Date(date.getTime() + (hasOffset ? offset * 60_000 : 0))
        if (shown.getUTCFullYear() < 0 || shown.getUTCFullYear() > 9999) return
        const iso = shown.toISOString()
        const magnitude = Math.abs(offset)
        const digits = [Math.floor(magnitude / 60), magnitude % 60].map((n) => String(n).padStart(2, '0'))
        const suffix = hasOffset ? (offset < 0 ? '-' : '+') + digits.join(zone.slice(1)) : zone
        const text =
          iso.slice(0, 10) +
          separator +
          iso.slice(11, 19) +
          point +
          iso.slice(20, 23) +
          String(ns).padStart(6, '0') +
          suffix
        assert.deepEqual(parse(text), [date.getTime(), ns], text)
      },
    ),
    { numRuns: 2000 },
  )
})

test('known texts mean known instants', () => {
  const seven = Date.UTC(2026, 10, 21, 7)
  for (const [text, ms, ns] of [
    ['2026-11-21T07:00:00.123Z', seven + 123, 0],
    ['2026-11-21T07:00:00Z', seven, 0],
    ['2026-11-21 07:00:00', seven, 0],
    ['2026-11-21 07:00:00,5', seven + 500, 0],
    ['2026-11-21T07:00:00.123456789Z', seven + 123, 456_789],
    ['2026-11-21T07:00:00.1234567899999Z', seven + 123, 456_789],
    ['2026-11-21T09:30:00+02:30', seven, 0],
    ['2026-11-21T02:00:00-05', seven, 0],
    ['2026-11-21 07:00:00 +0000', seven, 0],
    ['2026-11-21T06:59:60Z', seven, 0],
    ['2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29), 0],
    ['0000-01-01T00:00:00Z', -62_167_219_200_000, 0],
    ['9999-12-31T23:59:59.999999999Z', 253_402_300_799_999, 999_999],
    ['1790000000', 1_790_000_000_000, 0],
    ['1790000000.5', 1_790_000_000_500, 0],
    ['1790000000.123456789', 1_790_000_000_123, 456_789],
    ['1790000000123', 1_790_000_000_123, 0],
    ['1790000000123.25', 1_790_000_000_123, 250_000],
    ['1790000000123456', 1_790_000_000_123, 456_000],
    ['1790000000123456789', 1_790_000_000_123, 456_789],
    ['1.79e9', 1_790_000_000_000, 0],
    ['1.7900000001234e12', 1_790_000_000_123, 400_000],
    ['-1', -1000, 0],
    ['-0.25', -250, 0],
    ['-0.0000005', -1, 999_500],
    ['0', 0, 0],
  ] as const)
    assert.deepEqual(parse(text), [ms, ns], text)
})

test('what is no time is refused', () => {
  for (const text of [
    '',
    'now',
    '2026-13-01T00:00:00Z',
    '2026-02-29T00:00:00Z',
    '2026-00-10T00:00:00Z',
    '2026-01-00T00:00:00Z',
    '2026-01-32T00:00:00Z',
    '2026-01-01T24:00:00Z',
    '2026-01-01T00:60:00Z',
    '2026-01-01T00:00:61Z',
    '2026-01-01T00:00:00.Z',
    '2026-01-01T00:00:00ZZ',
    '2026-01-01T00:00:00+25:00',
    '2026-01-01T00:00:00+0:00',
    '2026-01-01T00:00:00 UTC',
    '2026-01-01X00:00:00Z',
    '2026/01/01 00:00:00',
    '20261-01-01T00:00:00Z',
    '1e400',
    '1e-',
    '--1',
    '1.',
    '.5',
    '0x10',
    '12a',
    '1 ',
    '99999999999999999999999',
    '1'.repeat(100),
    '٢٠٢٦-01-01T00:00:00Z',
  ])
    assert.equal(parse(text), undefined, text)
})

test('integers agree with their magnitude, however they are written', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1_000_000_000, max: 9_999_999_999 }), fc.nat(999_999_999), (seconds, fraction) => {
      const nine = String(fraction).padStart(9, '0')
      const wanted = [seconds * 1000 + Number(nine.slice(0, 3)), Number(nine.slice(3))]
      assert.deepEqual(parse(`${seconds}.${nine}`), wanted)
      assert.deepEqual(parse(`${seconds}${nine}`), wanted)
      assert.deepEqual(parse(`${seconds}${nine.slice(0, 3)}.${nine.slice(3)}`), wanted)
    }),
  )
})
