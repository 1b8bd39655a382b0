import type { CharMask } from '../base/char-mask.ts'
import { COLUMN_OVERFLOW } from '../base/columns.ts'
import type { Filter } from './ast.ts'
import { charsOfMatch } from './match-chars.ts'

/** What is known of a source before its columns are read; `mayHold` as in base/columns.ts. */
interface Columns {
  readonly columnNames: readonly string[]
  mayHold?(name: string, chars: CharMask): boolean
}

/**
 * Which columns of a source a filter may look at: what a block must be opened with. Columns of our own are never searched but for the
 * overflow, which holds fields of senders.
 */
export function columnsNeededBy(filter: Filter): (columns: Columns) => string[] {
  const fields = new Set<string>()
  const parents: string[] = []
  const anywhere: CharMask[] = []
  collectFields(filter, fields, parents, anywhere)
  const readsFields = fields.size > 0 || anywhere.length > 0
  return (columns) =>
    columns.columnNames.filter((name) => {
      if (name === COLUMN_OVERFLOW) return readsFields
      if (name.startsWith('\\@')) return false
      if (fields.has(name) || parents.some((parent) => name.startsWith(parent))) return true
      return anywhere.some((chars) => columns.mayHold?.(name, chars) !== false)
    })
}

/** Adds the fields that the filter names, prefixes of the fields below them, and of texts looked for in every field their characters. */
function collectFields(filter: Filter, fields: Set<string>, parents: string[], anywhere: CharMask[]): void {
  switch (filter.kind) {
    case 'all':
      return
    case 'and':
    case 'or':
      for (const part of filter.of) collectFields(part, fields, parents, anywhere)
      return
    case 'not':
      collectFields(filter.of, fields, parents, anywhere)
      return
    case 'text':
      if (filter.field === null) anywhere.push(charsOfMatch(filter.match))
      else fields.add(filter.field)
      return
    case 'field':
      fields.add(filter.field)
      return
    case 'exists':
      fields.add(filter.field)
      parents.push(`${filter.field}.`)
  }
}
