import { deepEqual, equal } from 'node:assert/strict'
import { test } from 'node:test'
import { formatTime, parseTime, spanOf } from '../../../web/src/time-range.ts'

test('a time of an address that no calendar has is none, so that no link breaks a page', () => {
  for (const text of ['now-999999y', 'now+999999y', '9999-12-31T23:59:59-10:00', 'soon'])
    equal(parseTime(text), undefined)
  equal(parseTime('now-1h', 7_200_000), 3_600_000)
  const { fromMs, toMs } = spanOf({ from: 'now-999999y', to: 'now' })
  equal(toMs - fromMs, 3_600_000)
  deepEqual(
    [Infinity, Number.NaN, 1e17].map((ms) => formatTime(ms, 'ms')),
    ['?', '?', '?'],
  )
})
