import { present } from '../base/assert.ts'
import type { Filter } from './ast.ts'
import { QuerySyntaxError, shiftedSyntaxError } from './errors.ts'
import type { QueryCursor } from './query-cursor.ts'
import { checkUserRegex } from './regex.ts'

/**
 * `/source/flags`, the cursor being at the first slash: found in the text (of `field`, or of any), or matching the whole value of
 * `field`.
 */
export function regexTerm(cursor: QueryCursor, kind: 'text' | 'field', field: string | null): Filter {
  const start = cursor.at
  const source = readSource(cursor)
  const flagsStart = cursor.at
  while (/[a-zA-Z0-9]/.test(cursor.peek())) cursor.at++
  const given = cursor.text.slice(flagsStart, cursor.at)
  if (source === '')
    cursor.fail('The regular expression is empty', start, cursor.at, 'Write /pattern/, or * for everything.')
  try {
    checkUserRegex(source, given)
  } catch (error) {
    throw error instanceof QuerySyntaxError ? shiftedSyntaxError(error, start + 1) : error
  }
  // u changes nothing, so it is not kept.
  const flags = [...given]
    .filter((flag) => flag !== 'u')
    .sort()
    .join('')
  if (kind === 'text') return { kind: 'text', field, match: { kind: 'regex', source, flags } }
  return { kind: 'field', field: present(field, 'the field of a value'), match: { kind: 'regex', source, flags } }
}

/** Reads up to and over the slash that closes the expression: one neither escaped nor in a class. */
function readSource(cursor: QueryCursor): string {
  const start = cursor.at++
  let inClass = false
  for (; ; cursor.at++) {
    const c = cursor.peek()
    if (c === '') {
      const path = /^[^\s"]{1,60}/.exec(cursor.text.slice(start))?.[0] ?? ''
      cursor.fail(
        'A regular expression is not closed',
        start,
        cursor.text.length,
        `Add the closing /, write \\/ for the character, or quote a path: "${path}".`,
      )
    }
    if (c === '\\') cursor.at++
    else if (c === '[') inClass = true
    else if (c === ']') inClass = false
    else if (c === '/' && !inClass) break
  }
  return cursor.text.slice(start + 1, cursor.at++)
}
