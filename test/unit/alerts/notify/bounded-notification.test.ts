import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { boundedNotification, clip, plainText } from '../../../../alerts/notify/bounded-notification.ts'
import { ALERT_LINE_BYTES_MAX } from '../../../../base/notify-limits.ts'
import { notificationOf } from '../../../harness/alert-notification.ts'

describe('A notification is bounded before it is kept', () => {
  test('five lines of at most two KiB, whole characters, without control characters', () => {
    const message = `first\n\tsecond \u0000\u001b[31m ${'é€😀'.repeat(3000)}`
    const line = { timestamp: 't\r\nx', level: 'ERROR', service: 's', host: 'h', message }
    const { samples } = boundedNotification(notificationOf({ samples: Array.from({ length: 9 }, () => line) }))
    assert.equal(samples.length, 5)
    const [first] = samples
    assert.ok(Buffer.byteLength(first!.message) <= ALERT_LINE_BYTES_MAX)
    assert.ok(first!.message.startsWith('first\n\tsecond   [31m '))
    assert.ok(first!.message.endsWith('…'))
    assert.doesNotMatch(first!.message, /\ufffd/)
    assert.equal(first!.timestamp, 't x')
  })

  test('names stand on one line', () => {
    const { rule, group } = boundedNotification(
      notificationOf({
        rule: { ...notificationOf().rule, name: 'a\r\nBcc: all@example.com', labels: { 'k\n': 'v\u2028w' } },
        group: { host: 'x'.repeat(5000) },
      }),
    )
    assert.equal(rule.name, 'a Bcc: all@example.com')
    assert.deepEqual(rule.labels, { 'k ': 'v w' })
    assert.equal(group.host!.length, 256)
  })

  test('each channel once; a runbook is a page', () => {
    const bounded = boundedNotification(
      notificationOf({
        channels: ['a', 'b', 'a'],
        rule: { ...notificationOf().rule, runbook: 'javascript:alert(1)' },
      }),
    )
    assert.deepEqual(bounded.channels, ['a', 'b'])
    assert.equal(bounded.links.runbook, undefined)
    assert.equal(bounded.rule.runbook, undefined)
  })

  test('a firing id that could leave its key or header field is a programmer error', () => {
    for (const firingId of ['', 'a/b', 'a b', 'a\r\nb', 'x'.repeat(65)])
      assert.throws(() => boundedNotification(notificationOf({ firingId })), /firing id/)
  })

  test('clipping keeps pairs whole', () => {
    assert.equal(clip('ab😀cd', 4), 'ab…')
    assert.equal(clip('abc', 3), 'abc')
    assert.equal(plainText('a\ud800b'), 'a b')
  })
})
