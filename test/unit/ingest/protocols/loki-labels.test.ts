import assert from 'node:assert/strict'
import { test } from 'node:test'
import { labelMembers } from '../../../../ingest/protocols/loki-labels.ts'

function labels(text: string): unknown {
  const members = labelMembers(text)
  return members && JSON.parse(`{${members}}`)
}

test('labels are read as Go and Prometheus write them', () => {
  assert.deepEqual(labels('{}'), {})
  assert.deepEqual(labels(' { } '), {})
  assert.deepEqual(labels('{app="shop"}'), { app: 'shop' })
  assert.deepEqual(labels('{ app = "a,b}c" , _x1 = `raw\\n"` }'), { app: 'a,b}c', _x1: 'raw\\n"' })
  const escaped = '{a="\\"\\\\\\n\\t\\x41\\u00fc\\U0001F600\\101", b=""}'
  assert.deepEqual(labels(escaped), { a: '"\\\n\tAü😀A', b: '' })
  assert.deepEqual(labels('{a="\\Uffffffff"}'), { a: '\ufffd' })
})

test('what is no set of labels is none', () => {
  const bad = [
    '',
    'app="x"',
    '{',
    '{app}',
    '{app=x}',
    '{app="x"',
    '{app="x",}',
    '{,}',
    '{app="x" b="y"}',
    '{app="x\\"}',
    '{1a="x"}',
    '{a="b"}x',
  ]
  for (const text of [...bad, `{a="${'x'.repeat(70_000)}"}`]) assert.equal(labels(text), undefined, text.slice(0, 20))
})
