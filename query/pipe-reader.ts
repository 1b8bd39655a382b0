import { didYouMean } from './errors.ts'
import { resolvedField } from './fields.ts'
import { type FieldName, isSpace, type QueryCursor } from './query-cursor.ts'

/** A field or column as a pipe names it. */
export interface PipeField extends FieldName {
  /** The column it stands for: aliases of records resolved, names of captures and of tables as they are. */
  readonly resolved: string
}

/** Reads the words of pipes, and knows what names mean at this point: fields of records, or columns of a table. */
export class PipeReader {
  readonly cursor: QueryCursor
  /** Columns of the table; null while there are records. */
  columns: readonly string[] | null = null
  /** Names that `parse` has given; they hide aliases. */
  readonly captured = new Set<string>()

  constructor(cursor: QueryCursor) {
    this.cursor = cursor
  }

  /** Reads `mark`, spaces before it left out; false when something else comes. */
  take(mark: string): boolean {
    this.cursor.skipSpace()
    if (!this.cursor.startsWith(mark)) return false
    this.cursor.at += mark.length
    return true
  }

  /** Reads a keyword in any case. */
  takeWord(word: string): boolean {
    this.cursor.skipSpace()
    const { text, at } = this.cursor
    if (text.slice(at, at + word.length).toLowerCase() !== word) return false
    const next = text[at + word.length] ?? ''
    if (next !== '' && !isSpace(next) && !isMark(next)) return false
    this.cursor.at += word.length
    return true
  }

  /** Reads a run of what names and numbers are made of; may be empty. */
  run(): string {
    const { cursor } = this
    cursor.skipSpace()
    return cursor.chunk((c) => isSpace(c) || isMark(c)).text
  }

  /** Reads a name; null when there is none. */
  name(): FieldName | null {
    const { cursor } = this
    cursor.skipSpace()
    const chunk = cursor.chunk((c) => isSpace(c) || isMark(c))
    return chunk.start === chunk.end ? null : cursor.fieldName(chunk.start, chunk.end)
  }

  /** Reads the name of a field or column. */
  field(): PipeField | null {
    const name = this.name()
    if (name === null) return null
    const isOwn = name.verbatim || this.columns !== null || this.captured.has(name.path)
    return { ...name, resolved: isOwn ? name.path : resolvedField(name.path) }
  }

  /** Throws when there is a table that has no column of this name. */
  requireColumn(field: PipeField): void {
    if (this.columns === null || this.columns.includes(field.path)) return
    const meant = didYouMean(field.path, this.columns)
    this.cursor.fail(
      `The table has no column ${field.path}`,
      field.start,
      field.end,
      `${meant === null ? '' : `Did you mean ${meant}? `}Its columns are ${this.columns.slice(0, 20).join(', ')}.`,
    )
  }
}

function isMark(c: string): boolean {
  return '(),|"=<>!'.includes(c)
}
