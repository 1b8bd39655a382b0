import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WeirError } from '../../../../base/errors.ts'
import { RECORD_BYTES_MAX } from '../../../../base/limits.ts'
import { runSteps } from './harness.ts'

test('JSON in a message becomes fields, numbers as they were written; the text may go', () => {
  const message = '{"level":"error","msg":"x","n":1.50,"big":9007199254740993,"user":{"id":"u"}}'
  assert.deepEqual(runSteps([{ type: 'json' }], [{ message, n: 0 }]), [
    `{"message":${JSON.stringify(message)},"n":1.50,"level":"error","msg":"x","big":9007199254740993,"user":{"id":"u"}}`,
  ])
  assert.deepEqual(runSteps([{ type: 'json', removeField: true, overwrite: false }], [{ message, n: 0 }]), [
    '{"n":0,"level":"error","msg":"x","big":9007199254740993,"user":{"id":"u"}}',
  ])
  assert.deepEqual(
    runSteps([{ type: 'json', field: 'raw', target: 'app', removeField: true }], [{ raw: '{"a":1}', app: { b: 2 } }]),
    ['{"app":{"b":2,"a":1}}'],
  )
  // Into the place of the text itself.
  assert.deepEqual(runSteps([{ type: 'json', field: 'raw', target: 'raw', removeField: true }], [{ raw: '{"a":1}' }]), [
    '{"raw":{"a":1}}',
  ])
})

test('a record that a parser cannot read keeps everything, and the reason is one sentence', () => {
  const run = (step: object, record: unknown) => runSteps([{ type: 'json', ...step }], [record])
  assert.deepEqual(run({}, { message: 'plain' }), ['failed in 0: it is not JSON'])
  assert.deepEqual(run({}, { message: 5 }), ['failed in 0: it is not a JSON object'])
  assert.deepEqual(run({}, { msg: null }), ['failed in 0: there is no text in the field'])
  assert.deepEqual(run({ target: 'a.b' }, { message: '{}', a: { b: 1 } }), [
    'failed in 0: the target is there and is no object',
  ])
  assert.deepEqual(run({ onError: 'continue', removeField: true }, { message: '{"a":', b: 1 }), [
    '{"message":"{\\"a\\":","b":1}',
  ])
  const many = JSON.stringify(Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`f${i}`, i])))
  assert.deepEqual(run({}, { message: many }), ['failed in 0: it holds more fields than a record may have'])
  const deep = `${'{"a":'.repeat(10)}1${'}'.repeat(10)}`
  assert.deepEqual(run({ target: 'a.b.c.d.e.f.g.h' }, { message: deep }), [
    'failed in 0: its JSON is nested too deeply',
  ])
})

test('names out of a text are keys; names of the author are paths and find known fields', () => {
  const line = 'a.b=1 message=m __proto__=2'
  assert.deepEqual(runSteps([{ type: 'logfmt', field: 'line', removeField: true }], [{ line, msg: 'old' }]), [
    '{"msg":"old","a.b":1,"message":"m","__proto__":2}',
  ])
  const grok = { type: 'grok', pattern: '^%{LOGLEVEL:level} %{INT:http.status:int} %{GREEDYDATA:message}$' }
  assert.deepEqual(runSteps([grok], [{ msg: 'ERROR 500 it broke' }]), [
    '{"msg":"it broke","level":"ERROR","http":{"status":500}}',
  ])
})

test('each parser works as a step', () => {
  const run = (step: object, message: string) => runSteps([{ type: '', removeField: true, ...step }], [{ message }])[0]
  assert.equal(
    run({ type: 'keyValue', pairSeparator: '; ', valueSeparator: ': ' }, 'a: 1; b: x y'),
    '{"a":1,"b":"x y"}',
  )
  assert.equal(
    run({ type: 'regex', pattern: '^(?<user>\\w+) (?<ms>\\d+)ms', detectTypes: false }, 'ada 15ms'),
    '{"user":"ada","ms":"15"}',
  )
  assert.equal(run({ type: 'regex', patterns: ['^(?<a>x)', '(?<b>Y)'], flags: 'i' }, 'zy'), '{"b":"y"}')
  assert.equal(
    run({ type: 'grok', pattern: '%{ORDER:order}', definitions: { ORDER: 'o-%{INT}' } }, 'for o-42'),
    '{"order":"o-42"}',
  )
  assert.equal(run({ type: 'csv', columns: ['a', '', 'c.d'], delimiter: ';' }, '1;2;"x;y"'), '{"a":1,"c":{"d":"x;y"}}')
})

test('a definition that cannot be is refused with its place', () => {
  for (const [step, place] of [
    [{ type: 'json', deep: true }, 'steps/0/deep'],
    [{ type: 'json', field: 'a..b' }, 'steps/0/field'],
    [{ type: 'keyValue', pairSeparator: '' }, 'steps/0/pairSeparator'],
    [{ type: 'keyValue', valueSeparator: ': ' }, 'steps/0/valueSeparator'],
    [{ type: 'regex' }, 'steps/0/pattern'],
    [{ type: 'regex', pattern: 'a', patterns: ['b'] }, 'steps/0/pattern'],
    [{ type: 'regex', pattern: '(?<a>x' }, 'steps/0/pattern'],
    [{ type: 'regex', pattern: '(a)' }, 'steps/0/pattern'],
    [{ type: 'regex', patterns: ['(?<a>x)', '(?<a>x)\\1'] }, 'steps/0/patterns/1'],
    [{ type: 'grok', pattern: '%{NOPE:x}' }, 'steps/0/pattern'],
    [{ type: 'grok', pattern: '%{A:x}', definitions: { A: '%{A}' } }, 'steps/0/pattern'],
    [{ type: 'grok', pattern: '%{INT:x}', definitions: { 'A B': 'x' } }, 'steps/0/definitions/A B'],
    [{ type: 'csv', columns: [] }, 'steps/0/columns'],
    [{ type: 'csv', columns: ['a'], delimiter: ',,' }, 'steps/0/delimiter'],
    [{ type: 'csv', columns: ['a'], delimiter: '"' }, 'steps/0/quote'],
    [{ type: 'multiline' }, 'steps/0/preset'],
    [{ type: 'multiline', preset: 'cobol' }, 'steps/0/preset'],
    [{ type: 'multiline', start: '(' }, 'steps/0/start'],
    [{ type: 'multiline', start: 'a', continuation: 'b' }, 'steps/0/continuation'],
  ] as const)
    assert.throws(
      () => runSteps([step], []),
      (error) => error instanceof WeirError && error.details.parameter === place,
      JSON.stringify(step),
    )
})

test('hostile messages end as records or as failures, never as a hang', () => {
  const steps = [
    { type: 'json' },
    { type: 'logfmt' },
    { type: 'keyValue' },
    { type: 'csv', columns: ['a', 'b'] },
    { type: 'regex', pattern: '^(?<x>(a+)+)$' },
    { type: 'grok', pattern: '%{COMBINEDAPACHELOG}' },
    { type: 'cri' },
    { type: 'docker' },
    { type: 'multiline', preset: 'java' },
  ]
  for (const piece of ['a', '{"a":', '"', '\\', '=', ',', '\u0000', '\ud800', ' at ', '%{'])
    for (const step of steps)
      assert.equal(runSteps([step], [{ message: piece.repeat(RECORD_BYTES_MAX / 8 / piece.length) }]).length, 1)
})
