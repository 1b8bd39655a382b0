import { COLUMN_OVERFLOW } from '../base/columns.ts'
import type { Filter } from './ast.ts'

/**
 * The columns, of those that a source has, that a filter may look at: what a block must be opened with. Columns of our own are never
 * searched but for the overflow, which holds fields of senders.
 */
export function neededColumns(filter: Filter, columnNames: readonly string[]): string[] {
  const fields = new Set<string>()
  const readsAll = !collectFields(filter, fields)
  return columnNames.filter(
    (name) => name === COLUMN_OVERFLOW || (name.startsWith('\\@') ? false : readsAll || fields.has(name)),
  )
}

/** Adds the fields that the filter names; false when it looks at every field. */
function collectFields(filter: Filter, fields: Set<string>): boolean {
  switch (filter.kind) {
    case 'all':
      return true
    case 'and':
    case 'or':
      return filter.of.every((part) => collectFields(part, fields))
    case 'not':
      return collectFields(filter.of, fields)
    case 'text':
      if (filter.field === null) return false
      fields.add(filter.field)
      return true
    case 'field':
    case 'exists':
      fields.add(filter.field)
      return true
  }
}
