import { equal, match, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { failureText } from '../../../../node/cli/failure-text.ts'
import { UnreachableFailure } from '../../../../node/cli/failures.ts'

test('what a node says cannot steer the terminal by way of any error', () => {
  const hostile = '\u001b]0;title\u0007\u009b2J'
  const parsed = (() => {
    try {
      return JSON.parse(hostile) as unknown
    } catch (error) {
      return error
    }
  })()
  for (const error of [parsed, new UnreachableFailure(hostile), new Error(hostile), hostile]) {
    const { text, exitStatus } = failureText(error, (words) => words)
    ok(!/\p{Cc}/u.test(text.replaceAll('\n', '')), JSON.stringify(text))
    match(text, /^weir: /)
    ok(exitStatus > 0)
  }
  equal(failureText('a\nb', (words) => words).text, 'weir: a\n  b')
})
