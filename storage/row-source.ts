import type { Column, ColumnSource } from '../base/columns.ts'
import { COLUMN_RECEIVED, COLUMN_ROW, COLUMN_SEQUENCE } from './block.ts'

/** Rows with their places in the journal: what identifies a record and says when it was received. */
export interface RowSource {
  readonly columns: ColumnSource
  readonly generation: number
  sequenceOf(row: number): number
  rowOf(row: number): number
  receivedMsOf(row: number): number
}

/** Rows of one section, or those of it that `selected` names: one frame, rows counted from `rowBase`. */
export function sectionRows(
  columns: ColumnSource,
  selected: Uint32Array | null,
  generation: number,
  sequence: number,
  rowBase: number,
  receivedMs: number,
): RowSource {
  return {
    columns,
    generation,
    sequenceOf: () => sequence,
    rowOf: (row) => rowBase + (selected === null ? row : selected[row]!),
    receivedMsOf: () => receivedMs,
  }
}

/** Rows that carry their places in our own columns: a block, or joined parts of a head. */
export function storedRows(columns: ColumnSource, generation: number): RowSource {
  const reader = (name: string): ((row: number) => number) => {
    let column: Column | undefined
    return (row) => {
      column ??= columns.column(name)
      return column?.kind === 'integer' ? column.values[row]! : 0
    }
  }
  return {
    columns,
    generation,
    sequenceOf: reader(COLUMN_SEQUENCE),
    rowOf: reader(COLUMN_ROW),
    receivedMsOf: reader(COLUMN_RECEIVED),
  }
}
