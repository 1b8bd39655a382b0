import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VALUE_BYTES_MAX } from '../../../../base/limits.ts'
import { runSteps } from './harness.ts'

/** Messages of what comes out, of lines of one service. */
function joined(step: object, lines: readonly string[]): string[] {
  const out = runSteps(
    [{ type: 'multiline', ...step }],
    lines.map((message) => ({ service: 's', message })),
  )
  return out.filter((one) => one.startsWith('{')).map((one) => (JSON.parse(one) as { message: string }).message)
}

function blocks(text: string): string[] {
  return text.split('\n---\n').map((block) => block.replace(/^\n|\n$/g, ''))
}

const TRACES: Readonly<Record<string, string>> = {
  java: `
INFO before
---
java.lang.IllegalStateException: boom
	at com.example.Shop.order(Shop.java:42)
	at com.example.Shop.main(Shop.java:7)
Caused by: java.io.IOException: disk
	at com.example.Disk.write(Disk.java:1)
	... 2 more
---
INFO after`,
  python: `
INFO before
---
ERROR order failed
Traceback (most recent call last):
  File "shop.py", line 3, in <module>
    order()
  File "shop.py", line 2, in order
    raise ValueError("x")
ValueError: x

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "shop.py", line 5, in <module>
    other()
KeyError: 'y'
---
INFO after`,
  go: `
INFO before
---
panic: runtime error: index out of range [5] with length 3

goroutine 1 [running]:
main.order(0x1, 0x2)
	/app/main.go:12 +0x1d
main.main()
	/app/main.go:7 +0x20
created by main.start
	/app/main.go:3 +0x11
exit status 2
---
INFO after`,
  node: `
INFO before
---
/app/shop.js:3
    throw new Error('boom')
    ^

Error: boom
    at order (/app/shop.js:3:11)
    at Object.<anonymous> (/app/shop.js:6:1) {
  code: 'E1',
  [cause]: Error: disk
      at write (/app/disk.js:1:1)
}
---
INFO after
---
TypeError: x is not a function
    at order (/app/shop.js:3:11)
---
INFO last`,
}

for (const [preset, text] of Object.entries(TRACES)) {
  test(`stack traces of ${preset} become one record each`, () => {
    const wanted = blocks(text)
    assert.deepEqual(joined({ preset }, wanted.join('\n').split('\n')), wanted)
  })
}

test('records begin at a start, or go on at a continuation', () => {
  const lines = ['tail', '2026 a', ' b', 'c', '2026 d']
  assert.deepEqual(joined({ start: '^\\d{4} ' }, lines), ['tail', '2026 a\n b\nc', '2026 d'])
  assert.deepEqual(joined({ continuation: '^\\s', separator: ' ' }, lines), ['tail', '2026 a  b', 'c', '2026 d'])
})

test('lines of each service and host are joined apart, and records without text end what was open', () => {
  const step = { type: 'multiline', continuation: '^ ', groupBy: ['stream'] }
  const records = [
    { service: 'a', message: '1' },
    { service: 'b', message: '2' },
    { service: 'a', message: ' 3', extra: true },
    { service: 'a', stream: 'err', message: ' 4' },
    { service: 'b', host: 'h', message: ' 5' },
    { service: 'a', n: 6 },
    { service: 'a', message: ' 7' },
  ]
  const out = runSteps([step], records)
  assert.deepEqual(
    out.map((one) => one.replace(/"(?:service|message|stream)":/g, '')),
    [
      'dropped by multiline',
      '{"a","1\\n 3"}',
      '{"a","n":6}',
      '{"b","2"}',
      '{"a","err"," 4"}',
      '{"b","host":"h"," 5"}',
      '{"a"," 7"}',
    ],
  )
})

test('what is joined is bounded in lines and in characters', () => {
  const lines = Array.from({ length: 10 }, () => ' x')
  assert.deepEqual(
    joined({ continuation: '^ ', maxLines: 4 }, lines).map((text) => text.split('\n').length),
    [4, 4, 2],
  )
  const long = ' '.repeat(VALUE_BYTES_MAX / 8)
  const texts = joined({ continuation: '^ ' }, [long, long, long, long])
  assert.equal(texts.join('').length, long.length * 4 + 2)
  for (const text of texts) assert.ok(Buffer.byteLength(text) <= VALUE_BYTES_MAX)
})

test('parts of a container line are joined; time and stream become fields', () => {
  const cri = (line: string) => ({ service: 's', message: line })
  const out = runSteps(
    [{ type: 'cri' }],
    [
      cri('2026-11-21T22:14:15.123456789Z stdout P one '),
      cri('2026-11-21T22:14:16.000000000Z stderr F other'),
      cri('2026-11-21T22:14:17.000000000Z stdout P two '),
      cri('2026-11-21T22:14:18.000000000Z stdout F three'),
      cri('2026-11-21T22:14:19.000000000Z stdout P open'),
    ],
  )
  assert.deepEqual(
    out.filter((one) => one.startsWith('{')),
    [
      '{"service":"s","message":"other","timestamp":"2026-11-21T22:14:16.000000000Z","stream":"stderr"}',
      '{"service":"s","message":"one two three","timestamp":"2026-11-21T22:14:15.123456789Z","stream":"stdout"}',
      '{"service":"s","message":"open","timestamp":"2026-11-21T22:14:19.000000000Z","stream":"stdout"}',
    ],
  )
  assert.deepEqual(runSteps([{ type: 'cri' }], [{ message: 'plain' }]), ['failed in 0: it is not a line of a CRI log'])
  const docker = { log: JSON.stringify({ log: 'a\n', stream: 'stdout', time: '2026-11-21T22:14:15Z' }), ts: 5 }
  assert.deepEqual(runSteps([{ type: 'docker', field: 'log' }], [docker]), [
    '{"log":"a","ts":"2026-11-21T22:14:15Z","stream":"stdout"}',
  ])
})
