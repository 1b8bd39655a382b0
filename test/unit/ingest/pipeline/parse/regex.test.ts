import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CaptureRegex } from '../../../../../base/regex-captures.ts'
import { regexParser } from '../../../../../ingest/pipeline/parse/regex.ts'
import { parsed } from '../../../../harness/parsed-object.ts'

test('named groups of the first expression that matches become fields', () => {
  const parse = regexParser(
    [new CaptureRegex('^(?<code>\\d+)$', ''), new CaptureRegex('(?<user>\\w+)@(?<host>\\w+)(?<port>:\\d+)?', 'i')],
    true,
  )
  assert.deepEqual(parsed(parse, '404'), { code: 404 })
  assert.deepEqual(parsed(parse, 'from ada@web1'), { user: 'ada', host: 'web1' })
  assert.equal(parsed(parse, 'nobody'), 'no pattern matches')
})
