import type { RecordKey } from '../storage/record-id.ts'
import { compareRecordKeys } from '../storage/record-id.ts'
import type { FindRows, LeafRow, LeafScope } from './messages/leaf.ts'
import type { SortOrder } from './messages/search.ts'

/** The question for the first rows of a scope, whole and uncounted. */
export function findRows(
  scope: LeafScope,
  order: SortOrder,
  limit: number,
  after: RecordKey | undefined,
  fields?: readonly string[],
): FindRows {
  return { kind: 'findRows', scope, order, limit, after, countMax: 0, fields, original: false }
}

/** The rows of all leaves, in order (Q1). */
export function mergedRows(answers: readonly { readonly rows: readonly LeafRow[] }[], order: SortOrder): LeafRow[] {
  const sign = order === 'desc' ? -1 : 1
  return answers.flatMap((answer) => answer.rows).sort((a, b) => sign * compareRecordKeys(a.key, b.key))
}
