import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { QuerySyntaxError } from '../../../query/errors.ts'
import { parseQuery } from '../../../query/parser.ts'

const doc = readFileSync(new URL('../../../docs/query-language.md', import.meta.url), 'utf8')

test('every example of the documentation parses', () => {
  const blocks = [...doc.matchAll(/```query\n([\s\S]*?)```/g)].map((match) => match[1]!)
  // What stands behind a gap of three spaces is a remark.
  const examples = blocks.flatMap((block) => block.trim().split('\n')).map((line) => line.replace(/ {3,}.*/, ''))
  assert.ok(examples.length > 20)
  for (const example of examples) parseQuery(example, { nowMs: 0 })
})

test('the error of the documentation is the one that is thrown', () => {
  const shown = JSON.parse(/```json\n([\s\S]*?)```/.exec(doc)![1]!) as Record<string, unknown>
  assert.throws(
    () => parseQuery('a | stat count()', { nowMs: 0 }),
    (error) =>
      error instanceof QuerySyntaxError &&
      error.code === shown.code &&
      error.message === shown.detail &&
      error.position === shown.position &&
      error.length === shown.length &&
      error.hint === shown.hint,
  )
})
