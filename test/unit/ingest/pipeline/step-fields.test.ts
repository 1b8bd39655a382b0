import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runSteps } from './harness.ts'

test('set writes values, also nested ones, and leaves the rest as it was written', () => {
  const set = { type: 'set', fields: { env: 'prod', 'tags.team': 'web', 'tags.n': 1 } }
  assert.deepEqual(runSteps([set], ['{"a": 9007199254740993 ,"tags":{"x":1.50,"team":"y"},"\\u0062":"\\u0063"}']), [
    '{"a":9007199254740993,"tags":{"x":1.50,"team":"web","n":1},"b":"\\u0063","env":"prod"}',
  ])
  assert.deepEqual(runSteps([{ ...set, override: false }], [{ env: 'dev', tags: { team: null } }]), [
    '{"env":"dev","tags":{"team":null,"n":1}}',
  ])
  assert.deepEqual(runSteps([set], [{ tags: 'text' }]), ['failed in 0: a part of the path is there and is no object'])
})

test('known fields are found and changed under the name by which they came', () => {
  const set = { type: 'set', fields: { message: 'm', level: 'WARN', service: 's', host: 'h' } }
  assert.deepEqual(runSteps([set], [{ msg: 'a', log: { level: 'info' }, job: 'j', hostname: 'x' }]), [
    '{"msg":"m","log":{"level":"WARN"},"job":"s","hostname":"h"}',
  ])
  assert.deepEqual(runSteps([{ type: 'rename', fields: { message: 'text' } }], [{ _msg: 'a', body: 'b' }]), [
    '{"text":"a","body":"b"}',
  ])
  // An alias with an object means nothing.
  assert.deepEqual(runSteps([{ type: 'remove', fields: ['service'] }], [{ service: { name: 'web' }, app: 'x' }]), [
    '{"app":"x"}',
  ])
  assert.deepEqual(runSteps([{ type: 'remove', fields: ['message'] }], [{ log: {}, body: 'b' }]), ['{"log":{}}'])
})

test('rename moves values over what is there, into objects and out of them', () => {
  const rename = (fields: Record<string, string>) => ({ type: 'rename', fields })
  assert.deepEqual(runSteps([rename({ a: 'b' })], ['{"b":1,"a":2.0,"c":3}']), ['{"b":2.0,"c":3}'])
  assert.deepEqual(runSteps([rename({ a: 'x.y' })], [{ a: [1], x: { z: 1 } }]), ['{"x":{"z":1,"y":[1]}}'])
  assert.deepEqual(runSteps([rename({ 'x.y': 'a' })], [{ x: { y: 1, z: 2 } }]), ['{"x":{"z":2},"a":1}'])
  assert.deepEqual(runSteps([rename({ a: 'x.y' })], [{ a: 1, x: 5 }]), [
    'failed in 0: a part of the path is there and is no object',
  ])
  assert.deepEqual(runSteps([rename({ 'a\\.b': 'c', nothing: 'd' })], [{ 'a.b': 1 }]), ['{"c":1}'])
})

test('the last of equal keys counts, and names of JavaScript mean nothing', () => {
  assert.deepEqual(runSteps([{ type: 'remove', fields: ['a'] }], ['{"a":1,"b":2,"a":3}']), ['{"b":2}'])
  assert.deepEqual(runSteps([{ type: 'rename', fields: { a: 'c' } }], ['{"a":1,"b":2,"a":3}']), ['{"b":2,"c":3}'])
  const proto = '{"__proto__":{"x":1},"constructor":2,"toString":"t"}'
  assert.deepEqual(runSteps([{ type: 'rename', fields: { '__proto__.x': 'y' } }], [proto]), [
    '{"__proto__":{},"constructor":2,"toString":"t","y":1}',
  ])
})

test('convert makes numbers, booleans and strings, and fails on what has no such form', () => {
  const convert = (type: string, value: unknown) =>
    runSteps([{ type: 'convert', fields: { v: type } }], [{ v: value }])[0]
  for (const [type, value, json] of [
    ['number', '007.50', '7.50'],
    ['number', '-0.5e3', '-0.5e3'],
    ['number', ' +12 ', '12'],
    ['number', '9007199254740993', '9007199254740993'],
    ['integer', '3.9', '3'],
    ['integer', '1e20', '100000000000000000000'],
    ['boolean', 'YES', 'true'],
    ['boolean', 0, 'false'],
    ['string', 1.5, '"1.5"'],
    ['string', true, '"true"'],
    ['lowercase', 'GET', '"get"'],
    ['trim', ' a ', '"a"'],
    ['number', null, 'null'],
  ] as const) {
    assert.equal(convert(type, value), `{"v":${json}}`, `${type} of ${value}`)
  }
  for (const [type, value] of [
    ['number', '0x10'],
    ['number', ''],
    ['number', 'Infinity'],
    ['integer', 'many'],
    ['boolean', 'perhaps'],
    ['string', {}],
    ['number', [1]],
  ] as const) {
    assert.match(convert(type, value)!, /^failed in 0: `v` does not convert/, `${type} of ${value}`)
  }
  const number = '{"v":12345678901234567890.10}'
  assert.deepEqual(runSteps([{ type: 'convert', fields: { v: 'number' } }], [number]), [number])
})

test('what becomes of a record on which a step fails is for the step to say', () => {
  const convert = { type: 'convert', fields: { v: 'number' } }
  const after = { type: 'set', fields: { done: true } }
  const of = (onError?: 'continue' | 'drop' | 'deadLetter') =>
    runSteps([{ ...convert, ...(onError === undefined ? {} : { onError }) }, after], [{ v: 'x' }])
  assert.deepEqual(of(), ['failed in 0: `v` does not convert to number'])
  assert.deepEqual(of('deadLetter'), of())
  assert.deepEqual(of('drop'), ['dropped by convert'])
  assert.deepEqual(of('continue'), ['{"v":"x","done":true}'])
})
