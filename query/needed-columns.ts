import { COLUMN_OVERFLOW } from '../base/columns.ts'
import type { Filter } from './ast.ts'

/**
 * The columns, of those that a source has, that a filter may look at: what a block must be opened with. Columns of our own are never
 * searched but for the overflow, which holds fields of senders.
 */
export function neededColumns(filter: Filter, columnNames: readonly string[]): string[] {
  const fields = new Set<string>()
  const parents: string[] = []
  const readsAll = !collectFields(filter, fields, parents)
  return columnNames.filter((name) => {
    if (name === COLUMN_OVERFLOW) return filter.kind !== 'all'
    if (name.startsWith('\\@')) return false
    return readsAll || fields.has(name) || parents.some((parent) => name.startsWith(parent))
  })
}

/** Adds the fields that the filter names, and prefixes of the fields below them; false when it looks at every field. */
function collectFields(filter: Filter, fields: Set<string>, parents: string[]): boolean {
  switch (filter.kind) {
    case 'all':
      return true
    case 'and':
    case 'or':
      return filter.of.every((part) => collectFields(part, fields, parents))
    case 'not':
      return collectFields(filter.of, fields, parents)
    case 'text':
      if (filter.field === null) return false
      fields.add(filter.field)
      return true
    case 'field':
      fields.add(filter.field)
      return true
    case 'exists':
      fields.add(filter.field)
      parents.push(`${filter.field}.`)
      return true
  }
}
