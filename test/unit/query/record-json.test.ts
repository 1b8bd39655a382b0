import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { COLUMN_LEVEL_TEXT, COLUMN_SOURCE_PREFIX, pathOf, type ValueType } from '../../../base/columns.ts'
import { originalJson, recordJson } from '../../../query/record-json.ts'
import { columnSourceOf, type FlatRecord, type FlatValue, flatRecord, string } from '../../harness/column-source.ts'

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

const META = { id: 'the-id', ingestedAtMs: 1_700_000_000_000 }
const TIME = '2023-11-14T22:13:20.000Z'

/** Fields of an object as the scanner takes them apart. */
function flatten(object: { [key: string]: Json }): Map<string, FlatValue> {
  const fields = new Map<string, FlatValue>()
  const walk = (value: Json, keys: string[]): void => {
    if (typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length > 0) {
      for (const [key, inner] of Object.entries(value)) walk(inner, [...keys, key])
      return
    }
    const type: ValueType =
      value === null
        ? 4
        : typeof value === 'object'
          ? 5
          : typeof value === 'string'
            ? 1
            : typeof value === 'number'
              ? 2
              : 3
    const text = value === null ? '' : typeof value === 'string' ? value : JSON.stringify(value)
    fields.set(pathOf(keys), { type, text })
  }
  for (const [key, value] of Object.entries(object)) walk(value, [key])
  return fields
}

/**
 * One key at most that JSON text escapes: V8 13.6 (Node 24) reads {"a":1,"\\n":2} as {"a":1,"\\":2} once it has read an object
 * with the keys a and \\.
 */
const key = fc.constantFrom('a', 'b', 'a.b', '\\', '__proto__', 'constructor', 'message', 'metadata', 'tags', '', 'é')
const object = fc.letrec<{ value: Json; object: { [key: string]: Json } }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.string({ unit: 'binary' }).map((text) => text.toWellFormed()),
    fc.constantFrom<Json>(null, true, false, [], {}, 0, -1, 1.5, 'say "hi"\n', [1, { a: [] }]),
    fc.integer(),
    tie('object'),
  ),
  object: fc.dictionary(key, tie('value'), { maxKeys: 5 }) as fc.Arbitrary<{ [key: string]: Json }>,
})).object

function recordOf(value: { [key: string]: Json }, overflow: boolean): FlatRecord {
  const fields = flatten(value)
  return {
    timeMs: META.ingestedAtMs,
    timeNs: 0,
    fields,
    overflow: new Set(overflow ? [...fields.keys()].slice(1) : []),
  }
}

describe('the JSON of a record', () => {
  it('brings every field back to its place, with its type', () => {
    fc.assert(
      fc.property(
        fc.array(object, { minLength: 1, maxLength: 6 }),
        fc.constantFrom('bytes', 'dictionary', 'integer'),
        fc.boolean(),
        (objects, kind, overflow) => {
          const source = columnSourceOf(
            objects.map((value) => recordOf(value, overflow)),
            () => kind as 'bytes',
          )
          objects.forEach((value, row) => {
            // Through JSON text, so that a key __proto__ is a key on both sides.
            const expected = JSON.stringify({ id: META.id, timestamp: TIME, ingestedAt: TIME })
            const joined = `${expected.slice(0, -1)}${Object.keys(value).length > 0 ? ',' : ''}${JSON.stringify(value).slice(1)}`
            assert.deepEqual(JSON.parse(recordJson(source, row, META)), JSON.parse(joined))
            const original = JSON.parse(originalJson(source, row)) as { [key: string]: Json }
            delete original.timestamp
            assert.deepEqual(original, JSON.parse(JSON.stringify(value)))
          })
        },
      ),
      { numRuns: 400 },
    )
  })

  it('keeps the text of numbers and the nanoseconds of the time', () => {
    const fields = new Map<string, FlatValue>([
      ['n', { type: 2, text: '9007199254740993' }],
      ['m', { type: 2, text: '1.0' }],
    ])
    const source = columnSourceOf([{ timeMs: META.ingestedAtMs + 7, timeNs: 120_000, fields }])
    assert.equal(
      recordJson(source, 0, META),
      `{"id":"the-id","timestamp":"2023-11-14T22:13:20.00712Z","n":9007199254740993,"m":1.0,"ingestedAt":"${TIME}"}`,
    )
  })

  it('escapes keys and values', () => {
    const source = columnSourceOf([flatRecord(META.ingestedAtMs, { '"\n': 'a\u0000"\\', 'x.\\\\': 1 })])
    assert.equal(recordJson(source, 0, META, ['"\n', 'x']), String.raw`{"\"\n":"a\u0000\"\\","x":{"\\":1}}`)
  })

  it('shows the fields asked for and what lies below them', () => {
    const source = columnSourceOf([
      flatRecord(META.ingestedAtMs, { message: 'm', 'a.b': 1, 'a.c.d': 2, 'a\\.b': 3, x: 4 }),
    ])
    const shown = (...fields: string[]): unknown => JSON.parse(recordJson(source, 0, META, fields))
    assert.deepEqual(shown('a', 'timestamp'), { timestamp: TIME, a: { b: 1, c: { d: 2 } } })
    assert.deepEqual(shown('a.c', 'id'), { id: 'the-id', a: { c: { d: 2 } } })
    assert.deepEqual(shown('a\\.b', 'nowhere'), { 'a.b': 3 })
    assert.deepEqual(shown(), {})
  })

  it('moves what our own keys hide under metadata, and gives way to what is there', () => {
    const source = columnSourceOf([
      flatRecord(META.ingestedAtMs, { id: 'theirs', 'timestamp.zone': 'UTC', 'metadata.id': 'another' }),
      flatRecord(META.ingestedAtMs, { id: 'theirs', metadata: 'text' }),
    ])
    const parsed = (row: number): unknown => JSON.parse(recordJson(source, row, META))
    const own = { id: META.id, timestamp: TIME, ingestedAt: TIME }
    assert.deepEqual(parsed(0), { ...own, metadata: { '@id': 'theirs', id: 'another', timestamp: { zone: 'UTC' } } })
    assert.deepEqual(parsed(1), { ...own, metadata: 'text', 'metadata.@id': 'theirs' })
  })

  it('is JSON even of a record that cannot be', () => {
    const source = columnSourceOf([flatRecord(0, { a: 1, 'a.b': 2, 'a.b.c': 3 })])
    assert.deepEqual(JSON.parse(recordJson(source, 0, META, ['a'])), { a: 1, 'a.b': 2, 'a.b.c': 3 })
  })

  it('gives the original its own names back', () => {
    const record = flatRecord(META.ingestedAtMs, { message: 'm', level: 'WARN', service: 's' })
    const fields = new Map([
      ...record.fields,
      [`${COLUMN_SOURCE_PREFIX}message`, string('msg')],
      [`${COLUMN_SOURCE_PREFIX}service`, string('service\\.name')],
      [`${COLUMN_SOURCE_PREFIX}timestamp`, string('@timestamp')],
      [COLUMN_LEVEL_TEXT, string('warning')],
    ])
    const source = columnSourceOf([{ ...record, fields }])
    assert.deepEqual(JSON.parse(originalJson(source, 0)), {
      '@timestamp': TIME,
      msg: 'm',
      level: 'warning',
      'service.name': 's',
    })
  })
})
