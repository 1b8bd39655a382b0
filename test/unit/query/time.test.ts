import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { WeirError } from '../../../base/errors.ts'
import { durationMs, parseDuration } from '../../../query/duration.ts'
import { parseTime } from '../../../query/time.ts'

const NOW_MS = Date.UTC(2026, 2, 31, 12, 34, 56, 789)

const TIMES: readonly (readonly [string, number, number?])[] = [
  ['2026-01-31T12:00:00Z', Date.UTC(2026, 0, 31, 12)],
  ['2026-01-31t12:00:00z', Date.UTC(2026, 0, 31, 12)],
  ['2026-01-31 12:00:00', Date.UTC(2026, 0, 31, 12)],
  ['2026-01-31T12:00', Date.UTC(2026, 0, 31, 12)],
  ['2026-01-31', Date.UTC(2026, 0, 31)],
  ['2026-01-31T12:00:00.123456789Z', Date.UTC(2026, 0, 31, 12, 0, 0, 123), 456_789],
  ['2026-01-31T12:00:00,5+02:00', Date.UTC(2026, 0, 31, 10, 0, 0, 500)],
  ['2026-01-31T12:00:00-0530', Date.UTC(2026, 0, 31, 17, 30)],
  ['2026-01-31T12:00:00.1234567899Z', Date.UTC(2026, 0, 31, 12, 0, 0, 123), 456_789],
  ['2016-12-31T23:59:60Z', Date.UTC(2017, 0, 1)],
  ['0001-01-01T00:00:00Z', -62_135_596_800_000],
  ['1700000000', 1_700_000_000_000],
  ['1700000000.123456789', 1_700_000_000_123, 456_789],
  ['1700000000123', 1_700_000_000_123],
  ['1700000000123456', 1_700_000_000_123, 456_000],
  ['1700000000123456789', 1_700_000_000_123, 456_789],
  ['0', 0],
  ['-1.5', -1500],
  ['now', NOW_MS],
  ['now-1h', NOW_MS - 3_600_000],
  ['now+15m', NOW_MS + 900_000],
  ['now-1d-2h', NOW_MS - 26 * 3_600_000],
  ['now/d', Date.UTC(2026, 2, 31)],
  ['now-1d/d', Date.UTC(2026, 2, 30)],
  ['now/w', Date.UTC(2026, 2, 30)],
  ['now/M', Date.UTC(2026, 2, 1)],
  ['now-1M', Date.UTC(2026, 1, 28, 12, 34, 56, 789)],
  ['now-1y/y', Date.UTC(2025, 0, 1)],
  ['now/h+5m', Date.UTC(2026, 2, 31, 12, 5)],
]

for (const [text, ms, ns = 0] of TIMES) {
  test(`${text} is a time`, () => assert.deepEqual(parseTime(text, NOW_MS), { ms, ns }))
}

const NO_TIMES = [
  '',
  'yesterday',
  'now-',
  'now-1',
  'now-1x',
  'now -1h',
  '2026-13-01',
  '2026-02-30',
  '2026-01-01T24:00:00Z',
  '1e9',
  '2026-1-1',
]

for (const text of [
  ...NO_TIMES,
  '2026-01-01T00:00:00+25:00',
  'NaN',
  `now${'-1y'.repeat(90)}`,
  '99999999999999999999999',
]) {
  test(`"${text.slice(0, 30)}" is no time`, () => {
    assert.throws(
      () => parseTime(text, NOW_MS),
      (error) => error instanceof WeirError && error.code === 'invalid_parameter',
    )
  })
}

test('a time written as RFC 3339 or as epoch nanoseconds comes back to the nanosecond', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1e11, max: 253_402_300_799_999 }), fc.nat(999_999), (ms, ns) => {
      const iso = new Date(ms).toISOString()
      const nanoseconds = String(ns).padStart(6, '0')
      assert.deepEqual(parseTime(`${iso.slice(0, -1)}${nanoseconds}Z`, 0), { ms, ns })
      assert.deepEqual(parseTime(`${ms}${nanoseconds}`, 0), { ms, ns })
    }),
  )
})

test('durations add up their parts', () => {
  for (const [text, ms] of [
    ['250ms', 250],
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['1.5s', 1500],
    ['2d', 172_800_000],
    ['1w', 604_800_000],
    ['0s', 0],
    ['500us', 0.5],
  ] as const) {
    assert.equal(parseDuration(text), ms, text)
  }
  for (const text of ['', '5', 'm', '5 m', '-5m', '5M', '1h30', '9999999d']) {
    assert.equal(durationMs(text), undefined, text)
    assert.throws(() => parseDuration(text), { code: 'invalid_parameter' })
  }
})
