import { QUERY_TEXT_BYTES_MAX } from '../base/limits.ts'
import type { Query } from './ast.ts'
import { QuerySyntaxError } from './errors.ts'
import { parseFilter } from './parse-filter.ts'
import { parsePipes } from './parse-pipes.ts'
import { QueryCursor } from './query-cursor.ts'

/**
 * Reads a query: a filter, then pipes; the language is described in docs/query-language.md. Empty text and `*` match every
 * record. Relative times are resolved against `nowMs`. Throws QuerySyntaxError (invalid_query) with the position, length and
 * a hint for whatever is not understood; nothing is ever left out silently.
 */
export function parseQuery(text: string, options: { readonly nowMs: number }): Query {
  if (text.length > QUERY_TEXT_BYTES_MAX || Buffer.byteLength(text) > QUERY_TEXT_BYTES_MAX) {
    throw new QuerySyntaxError('The query is too long', 0, text.length, `At most ${QUERY_TEXT_BYTES_MAX} bytes.`)
  }
  const cursor = new QueryCursor(text, options.nowMs)
  const filter = parseFilter(cursor)
  return { text, filter, pipes: parsePipes(cursor) }
}
