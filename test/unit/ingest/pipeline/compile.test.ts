import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WeirError } from '../../../../base/errors.ts'
import { compilePipeline, matchesGlob, type PipelineDefinition } from '../../../../ingest/pipeline/compile.ts'
import { environment, runSteps } from './harness.ts'

function refused(definition: unknown): { readonly parameter: unknown; readonly message: string } {
  try {
    compilePipeline('p', 1, definition as PipelineDefinition, environment)
  } catch (error) {
    assert.ok(error instanceof WeirError, String(error))
    assert.equal(error.code, 'invalid_parameter')
    return { parameter: error.details.parameter, message: error.message }
  }
  assert.fail('the definition was taken')
}

test('what is wrong in a definition is named by its path, and nothing is ignored', () => {
  for (const [definition, parameter, hint] of [
    [null, 'definition', /object/],
    [{}, 'steps', /array/],
    [{ steps: [], step: 1 }, 'step', /`steps`/],
    [{ steps: [1] }, 'steps/0', /object/],
    [{ steps: [{}] }, 'steps/0/type', /`convert`/],
    [{ steps: [{ type: 'sett' }] }, 'steps/0/type', /`set`/],
    [{ steps: [{ type: '__proto__' }] }, 'steps/0/type', /`set`/],
    [{ steps: [{ type: 'set', fields: { a: 1 }, overide: true }] }, 'steps/0/overide', /`override`/],
    [{ steps: [{ type: 'set', fields: {} }] }, 'steps/0/fields', /members/],
    [{ steps: [{ type: 'set', fields: { 'a..b': 1 } }] }, 'steps/0/fields', /a\.b/],
    [{ steps: [{ type: 'remove', fields: ['a', 5] }] }, 'steps/0/fields/1', /string/],
    [{ steps: [{ type: 'remove', fields: 'a' }] }, 'steps/0/fields', /array/i],
    [{ steps: [{ type: 'convert', fields: { a: 'float' } }] }, 'steps/0/fields/a', /integer/],
    [{ steps: [{ type: 'remove', fields: ['a'], onError: 'ignore' }] }, 'steps/0/onError', /`continue`/],
    [{ steps: [{ type: 'remove', fields: ['a'], if: 5 }] }, 'steps/0/if', /filter/],
    [{ services: [], steps: [] }, 'services', /names/],
    [{ services: [''], steps: [] }, 'services/0', /string/],
    [{ steps: Array.from({ length: 1001 }, () => ({ type: 'remove', fields: ['a'] })) }, 'steps', /1000/],
  ] as const) {
    const error = refused(definition)
    assert.equal(error.parameter, parameter, JSON.stringify(definition)?.slice(0, 100))
    assert.match(error.message, hint)
  }
})

test('a pipeline is for the services that it names, under whatever alias they came', () => {
  const steps = [{ type: 'set', fields: { seen: true } }]
  const records = [{ service: 'web-1' }, { app: 'api' }, { job: 'apis' }, {}, { service: 'db', app: 'api' }]
  assert.deepEqual(runSteps(steps, records, { services: ['web-*', 'api'] }), [
    '{"service":"web-1","seen":true}',
    '{"app":"api","seen":true}',
    '{"job":"apis"}',
    '{}',
    '{"service":"db","app":"api"}',
  ])
  const defaults = { receivedMs: 0, serviceDefault: 'api' }
  assert.deepEqual(runSteps(steps, [{}], { services: ['api'], defaults }), ['{"seen":true}'])
})

test('a condition leaves other records alone', () => {
  const steps = [{ type: 'remove', if: 'a:1', fields: ['b'] }]
  assert.deepEqual(
    runSteps(steps, [
      { a: '1', b: 2 },
      { a: '2', b: 2 },
    ]),
    ['{"a":"1"}', '{"a":"2","b":2}'],
  )
})

test('globs', () => {
  for (const [glob, text, matches] of [
    ['*', '', true],
    ['a*', 'abc', true],
    ['a*c', 'abcbc', true],
    ['a?c', 'abc', true],
    ['a?c', 'ac', false],
    ['*b*', 'abc', true],
    ['*b', 'abc', false],
    ['a.c', 'abc', false],
  ] as const) {
    assert.equal(matchesGlob(glob, text), matches, `${glob} ${text}`)
  }
  assert.equal(matchesGlob(`${'a*'.repeat(100)}b`, 'a'.repeat(1000)), false)
})

test('a thousand steps, and deep and wide records, pass', () => {
  const steps = Array.from({ length: 1000 }, (_, i) => ({ type: 'set', fields: { [`f${i % 7}`]: i } }))
  assert.match(runSteps(steps, [{ a: 1 }])[0]!, /"f6":\d+/)
  const deep = `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)},"b":1}`
  assert.equal(runSteps([{ type: 'remove', fields: ['b'] }], [deep])[0]!.length, deep.length - 6)
})
