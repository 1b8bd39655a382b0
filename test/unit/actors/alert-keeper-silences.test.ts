import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isInForce, isSilenced } from '../../../actors/alert-keeper-silences.ts'
import type { AlertMatcher } from '../../../actors/messages/alert.ts'

const HOUR = 3_600_000
const EVENT = {
  rule: { id: 'r1', revision: 1, name: 'Errors', severity: 'P1', labels: { team: 'shop' }, query: '' },
  group: { service: 'checkout-eu', host: '' },
}

test('a silence is in force from its start to its end, and again where it comes again', () => {
  const once = { matchers: [], startsMs: 10 * HOUR, endsMs: 11 * HOUR }
  assert.deepEqual(
    [9, 10, 10.5, 11, 34.5].map((hour) => isInForce(once, hour * HOUR)),
    [false, true, true, false, false],
  )
  const daily = { ...once, everyMs: 24 * HOUR }
  assert.deepEqual(
    [9, 10, 11, 33, 34, 34.9, 35, 58.5].map((hour) => isInForce(daily, hour * HOUR)),
    [false, true, false, false, true, true, false, true],
  )
})

test('a silence is for what all of its matchers match', () => {
  const matches = (...matchers: AlertMatcher[]) => isSilenced({ matchers, startsMs: 0, endsMs: 1 }, EVENT)
  assert.equal(matches({ field: 'rule', value: 'r1' }), true)
  assert.equal(matches({ field: 'rule', value: 'r' }), false)
  assert.equal(matches({ field: 'service', value: 'checkout*' }, { field: 'severity', value: 'P0', not: true }), true)
  assert.equal(matches({ field: 'service', value: 'checkout*' }, { field: 'severity', value: 'P1', not: true }), false)
  assert.equal(matches({ field: 'labels.team', value: 's*p' }, { field: 'name', value: '*rr*' }), true)
  assert.equal(matches({ field: 'labels.toString', value: '*function*' }), false)
  assert.equal(matches({ field: 'service', value: 'check*check*' }), false)
  assert.equal(matches({ field: 'service', value: 'c*-*eu' }), true)
  assert.equal(matches({ field: 'service', value: 'checkout-eu*u' }), false)
  assert.equal(matches({ field: 'host', value: '*' }), true)
})
