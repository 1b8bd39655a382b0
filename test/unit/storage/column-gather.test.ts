import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8Bytes } from '../../../base/bytes.ts'
import type { DictionaryColumn } from '../../../base/columns.ts'
import { VALUE_NUMBER, VALUE_STRING, valueText } from '../../../base/columns.ts'
import { DICTIONARY_VALUES_MAX } from '../../../base/limits.ts'
import { concatColumns } from '../../../storage/column-gather.ts'

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
