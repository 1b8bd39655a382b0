import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { rfc3339, timeFormat } from '../../../../../ingest/pipeline/parse/time-format.ts'
import { TimePatternError } from '../../../../../ingest/pipeline/parse/time-pattern.ts'
import { TimeZone } from '../../../../../ingest/pipeline/parse/time-zone.ts'

const NOW_MS = Date.UTC(2026, 10, 21, 22, 30)

function read(format: string, text: string, zone = 'UTC', nowMs = NOW_MS): string | undefined | false {
  const parser = timeFormat(format, zone)
  return parser.parse(text, nowMs) && rfc3339(parser.ms, parser.ns)
}

const TIMES: readonly (readonly [format: string, text: string, wanted: string | false])[] = [
  ['rfc3339', '2026-11-21T22:14:15.123456789+01:00', '2026-11-21T21:14:15.123456789Z'],
  ['rfc3339', '2026-11-21 22:14:15,5', '2026-11-21T22:14:15.500Z'],
  ['rfc3339', '1790000000', false],
  ['epoch', '1790000000123', '2026-09-21T14:13:20.123Z'],
  ['epoch', '1790000000.000000001', '2026-09-21T14:13:20.000000001Z'],
  ['epochSeconds', '1000', '1970-01-01T00:16:40.000Z'],
  ['epochMillis', '-1', '1969-12-31T23:59:59.999Z'],
  ['epochMicros', '1790000000000001', '2026-09-21T14:13:20.000001000Z'],
  ['epochNanos', '1790000000000000001', '2026-09-21T14:13:20.000000001Z'],
  ['epochNanos', '1e5', false],
  ['yyyy-MM-dd HH:mm:ss,SSS', '2026-11-21 22:14:15,042', '2026-11-21T22:14:15.042Z'],
  ["yyyy-MM-dd'T'HH:mm:ss.SSSXXX", '2026-11-21T22:14:15.123456789-05:30', '2026-11-22T03:44:15.123456789Z'],
  ['EEE, d MMM yyyy HH:mm:ss Z', 'Sat, 1 Nov 2025 02:14:15 +0100', '2025-11-01T01:14:15.000Z'],
  ['dd/MMM/yyyy:HH:mm:ss Z', '10/Oct/2000:13:55:36 -0700', '2000-10-10T20:55:36.000Z'],
  ['MMMM d, yyyy h:mm:ss a', 'September 3, 2026 12:04:05 AM', '2026-09-03T00:04:05.000Z'],
  ['yyyyMMddHHmmss', '20261121221415', '2026-11-21T22:14:15.000Z'],
  ['yyyy-DDD HH:mm', '2024-366 23:59', '2024-12-31T23:59:00.000Z'],
  ["'at' HH 'o''clock' dd.MM.yy", "at 22 o'clock 21.11.26", '2026-11-21T22:00:00.000Z'],
  ['%Y-%m-%d %H:%M:%S.%f', '2026-11-21 22:14:15.5', '2026-11-21T22:14:15.500Z'],
  ['%d/%b/%Y:%H:%M:%S %z', '10/Oct/2000:13:55:36 -0700', '2000-10-10T20:55:36.000Z'],
  ['%a %b %e %H:%M:%S %Y', 'Sun Nov  1 02:14:15 2026', '2026-11-01T02:14:15.000Z'],
  ['%F %T%z', '2026-11-21 22:14:15Z', '2026-11-21T22:14:15.000Z'],
  ['%m/%d/%y %I:%M %p', '11/21/99 12:30 PM', '1999-11-21T12:30:00.000Z'],
  ['%s.%N', '1790000000.25', '2026-09-21T14:13:20.250Z'],
  ['%b %d %T', 'Nov 21 22:14:15', '2026-11-21T22:14:15.000Z'],
  ['%b %d %T', 'Dec 31 23:59:59', '2026-12-31T23:59:59.000Z'],
  ['%b %d %T', 'Jan  2 00:00:00', '2027-01-02T00:00:00.000Z'],
  ['yyyy-MM-dd HH:mm', '2026-02-29 00:00', false],
  ['yyyy-MM-dd HH:mm', '2024-02-29 24:00', false],
  ['yyyy-MM-dd HH:mm', '2026-11-21 22:14 and more', false],
  ['dd MMM yyyy HH:mm', '21 Novel 2026 22:14', false],
  ['yyyy-MM-dd hh:mm a', '2026-11-21 13:00 PM', false],
  ['%Y-%m-%d %H:%M', '', false],
]

for (const [format, text, wanted] of TIMES) {
  test(`"${text}" as ${format} is ${wanted === false ? 'no time' : wanted}`, () => {
    assert.equal(read(format, text), wanted)
  })
}

test('a time without a zone is that of the zone asked for, in summer and in winter', () => {
  const format = 'yyyy-MM-dd HH:mm:ss'
  assert.equal(read(format, '2026-07-01 12:00:00', 'Europe/Berlin'), '2026-07-01T10:00:00.000Z')
  assert.equal(read(format, '2026-12-01 12:00:00', 'Europe/Berlin'), '2026-12-01T11:00:00.000Z')
  assert.equal(read('rfc3339', '2026-07-01 12:00:00', 'America/New_York'), '2026-07-01T16:00:00.000Z')
  assert.equal(read('rfc3339', '2026-07-01 12:00:00Z', 'America/New_York'), '2026-07-01T12:00:00.000Z')
  assert.equal(read(format, '2026-07-01 12:00:00', '+05:30'), '2026-07-01T06:30:00.000Z')
  // Shown twice: the first. Never shown: as if the clock had not been moved.
  assert.equal(read(format, '2026-10-25 02:30:00', 'Europe/Berlin'), '2026-10-25T00:30:00.000Z')
  assert.equal(read(format, '2026-03-29 02:30:00', 'Europe/Berlin'), '2026-03-29T01:30:00.000Z')
})

test('a pattern that cannot be read is refused', () => {
  for (const pattern of [
    '%Q',
    'yyyy-MM-dd',
    'HH:mm',
    'yyyy-MM-dd hh:mm',
    "yyyy 'open",
    'yyyy-MM-dd HH:mm b',
    '%j %H',
    '%',
  ])
    assert.throws(() => timeFormat(pattern, 'UTC'), TimePatternError, pattern)
  for (const zone of ['Europe/Nowhere', '+1', '']) assert.throws(() => timeFormat('rfc3339', zone), RangeError, zone)
})

test('long texts are no times', () => {
  for (const format of ['rfc3339', 'epoch', 'epochNanos', '%Y-%m-%d %H'])
    for (const piece of ['1', ' ', '2026-', 'x']) assert.equal(read(format, piece.repeat(100_000)), false)
})

test('a time that was written is read back in every zone, but for the hour that is shown twice', () => {
  const zones = ['UTC', 'Europe/Berlin', 'America/St_Johns', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'Pacific/Apia']
  const formats = zones.map((zone) => timeFormat('yyyy-MM-dd HH:mm:ss,SSS', zone))
  const writers = zones.map(
    (timeZone) => new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' }),
  )
  const anyMs = fc.integer({ min: Date.UTC(1990, 0), max: Date.UTC(2040, 0) })
  fc.assert(
    fc.property(anyMs, fc.nat(zones.length - 1), (ms, i) => {
      const format = formats[i]!
      const text = `${writers[i]!.format(ms)},${String(ms % 1000).padStart(3, '0')}`
      assert.ok(format.parse(text, NOW_MS), text)
      if (format.ms === ms) return
      assert.ok(format.ms < ms, `${zones[i]} ${text}`)
      assert.equal(writers[i]!.format(format.ms), writers[i]!.format(ms))
    }),
    { numRuns: 500 },
  )
})

test('a zone is asked once for each quarter of an hour', () => {
  const zone = new TimeZone('Europe/Berlin')
  const started = process.cpuUsage()
  for (let i = 0; i < 1_000_000; i++) zone.offsetMs(NOW_MS + (i % 3_600_000))
  assert.ok(process.cpuUsage(started).user < 2_000_000)
})
