import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { utf8Bytes } from '../../../base/bytes.ts'
import type { BytesColumn, DictionaryColumn } from '../../../base/columns.ts'
import { VALUE_ABSENT, VALUE_NUMBER, VALUE_STRING, valueText } from '../../../base/columns.ts'
import { DICTIONARY_VALUES_MAX } from '../../../base/limits.ts'
import { compacted, concatColumns } from '../../../storage/column-gather.ts'

/** A row each of `values`. */
function dictionary(values: readonly string[], type: typeof VALUE_NUMBER | typeof VALUE_STRING): DictionaryColumn {
  const offsets = new Uint32Array(values.length + 1)
  for (const [i, value] of values.entries()) offsets[i + 1] = offsets[i]! + value.length
  return {
    kind: 'dictionary',
    name: 'field',
    codes: Uint8Array.from(values, (_, i) => i + 1),
    types: new Uint8Array(values.length).fill(type),
    offsets,
    bytes: utf8Bytes(values.join('')),
  }
}

/** `count` parts whose values are all different, and a part of one row without the field. */
function partsOf(count: number, textOf: (n: number) => string, type: typeof VALUE_NUMBER | typeof VALUE_STRING) {
  const each = 200
  const parts = Array.from({ length: count }, (_, part) => {
    const values = Array.from({ length: each }, (_, i) => textOf(part * each + i))
    return { column: dictionary(values, type), rowCount: each }
  })
  return { parts: [...parts, { column: undefined, rowCount: 1 }], rowCount: count * each + 1 }
}

test('integers of small dictionaries stay integers where they are too many for one dictionary', () => {
  const { parts, rowCount } = partsOf(3, (n) => String(n - 7), VALUE_NUMBER)
  assert.ok(rowCount > DICTIONARY_VALUES_MAX)
  const column = concatColumns('field', parts, rowCount)
  assert.ok(column.kind === 'integer')
  assert.deepEqual(
    [...column.values],
    [...Array.from({ length: rowCount - 1 }, (_, i) => i - 7), Number.NaN],
    'each row has its number',
  )
})

for (const [what, textOf, type] of [
  ['numbers that are no integers', (n: number) => `${n}.5`, VALUE_NUMBER],
  ['texts that look like integers', (n: number) => String(n), VALUE_STRING],
] as const) {
  test(`${what} come back as they were`, () => {
    const { parts, rowCount } = partsOf(3, textOf, type)
    const column = concatColumns('field', parts, rowCount)
    for (let row = 0; row < rowCount - 1; row++) assert.equal(valueText(column, row), textOf(row))
    assert.equal(valueText(column, rowCount - 1), undefined)
  })
}

test('few distinct integers stay a dictionary', () => {
  const { parts, rowCount } = partsOf(3, (n) => String(n % 100), VALUE_NUMBER)
  const distinct = parts.map((part) =>
    part.column === undefined
      ? part
      : {
          column: dictionary(
            Array.from({ length: 100 }, (_, i) => String(i)),
            VALUE_NUMBER,
          ),
          rowCount: 100,
        },
  )
  assert.ok(rowCount > 301)
  assert.equal(concatColumns('field', distinct, 301).kind, 'dictionary')
})

/** A row each of `texts`, numbers; undefined for a row without the field. */
function numbers(texts: readonly (string | undefined)[]): BytesColumn {
  const offsets = new Uint32Array(texts.length + 1)
  for (const [i, text] of texts.entries()) offsets[i + 1] = offsets[i]! + (text?.length ?? 0)
  const types = Uint8Array.from(texts, (text) => (text === undefined ? VALUE_ABSENT : VALUE_NUMBER))
  return { kind: 'bytes', name: 'field', types, offsets, bytes: utf8Bytes(texts.join('')) }
}

/** More values than a dictionary takes. */
const MANY = Array.from({ length: DICTIONARY_VALUES_MAX + 1 }, (_, i) => String(i))

test('numbers become integers where all of them are, and come back as they were sent', () => {
  const text = fc.oneof(
    fc.maxSafeInteger().map(String),
    fc.double().map(String),
    fc.constantFrom(
      '0',
      '-0',
      '-',
      '',
      '00',
      '01',
      '-01',
      '1e3',
      '1.0',
      '999999999999999',
      '9007199254740993',
      undefined,
    ),
  )
  fc.assert(
    fc.property(fc.array(text, { maxLength: 8 }), (some) => {
      const texts = [...MANY, ...some]
      const column = compacted(numbers(texts), texts.length)
      assert.deepEqual(
        texts.map((_, row) => valueText(column, row)),
        texts,
      )
    }),
  )
})

test('integers with rows between them that have none are integers', () => {
  const texts = [...MANY, undefined, '-7', '999999999999999']
  const column = compacted(numbers(texts), texts.length)
  assert.ok(column.kind === 'integer')
  assert.deepEqual([...column.values.slice(-3)], [Number.NaN, -7, 999_999_999_999_999])
})
