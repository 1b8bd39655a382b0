import { deepEqual, equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { fitted, printable, printableJson, printableLines, widthOf } from '../../../../node/cli/printable.ts'
import { tableText } from '../../../../node/cli/table.ts'

test('what steers a terminal or turns text round is shown, everything else stays', () => {
  equal(
    printable('a\x1b[31m\x07\x7f\x9b\u202e\u2028\ufeff\u{e0041}\ud800'),
    'a\\x1b[31m\\x07\\x7f\\x9b\\u202e\\u2028\\ufeff\\u{e0041}\\ud800',
  )
  equal(printable('tab\tline\nreturn\r'), 'tab\\tline\\nreturn\\r')
  for (const text of ['ärger', '日本語', 'می\u200cخواهم', '👩\u200d🚀', 'naïve e\u0301']) equal(printable(text), text)
  equal(printableLines('one\r\n\ttwo\x1b\n', '  | '), 'one\n  |     two\\x1b')
})

test('escaped JSON has the same value', () => {
  const value = { 'a\u202e': 'b\u009b\u2028\u{e0041}日本' }
  const json = printableJson(JSON.stringify(value))
  deepEqual(JSON.parse(json), value)
  ok(!/[\p{Cc}\p{Cf}\p{Zl}]/u.test(json))
})

test('widths are those of a terminal, and cut text fits', () => {
  deepEqual(['abc', '日本', 'e\u0301', '🚀', ''].map(widthOf), [3, 4, 1, 2, 0])
  equal(fitted('abcdef', 6), 'abcdef')
  equal(fitted('abcdef', 4), 'abc…')
  equal(fitted('日本語日本語', 5), '日本…')
})

test('a table fits its terminal by cutting its widest columns, never an id', () => {
  const columns = [
    { title: 'ID', text: ({ id }: Row) => id, isKept: true as const },
    { title: 'A', text: ({ a }: Row) => a },
    { title: 'N', text: ({ n }: Row) => n, align: 'right' as const },
  ]
  const rows = [{ id: 'i'.repeat(36), a: 'w'.repeat(200), n: '7' }]
  const lines = tableText(columns, rows, 80).split('\n')
  equal(lines[1], `${'i'.repeat(36)}  ${'w'.repeat(38)}…  7`)
  equal(widthOf(lines[1]!), 80)
  ok(tableText(columns, rows, 20).includes('i'.repeat(36)))
  equal(tableText(columns, [], 80), 'ID  A  N\n')
})

interface Row {
  readonly id: string
  readonly a: string
  readonly n: string
}
