import type { Bitmap } from '../base/bitmap.ts'
import {
  type BytesColumn,
  COLUMN_OVERFLOW,
  type Column,
  type ColumnSource,
  VALUE_ABSENT,
  VALUE_BOOLEAN,
  VALUE_NUMBER,
  VALUE_STRING,
} from '../base/columns.ts'
import { type Cell, cellAt } from './aggregate-groups.ts'
import type { Pipe } from './ast.ts'

export type ParsePipe = Extract<Pipe, { kind: 'parse' }>

/** JSON's numbers: a captured text of this form is a number, so that it can be summed and compared. */
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?$/

/**
 * What the captures of a `parse` take from `text`: null when it does not fit. The first literal may stand anywhere (an empty one: at the
 * beginning); each capture reaches to the next place of the literal behind it; a last empty literal lets the capture reach
 * to the end.
 */
function captureText(pipe: ParsePipe, text: string): (string | null)[] | null {
  const { literals, captures } = pipe
  let at = text.indexOf(literals[0]!)
  if (at === -1) return null
  at += literals[0]!.length
  const values: (string | null)[] = []
  for (let i = 0; i < captures.length; i++) {
    const literal = literals[i + 1]!
    const end = literal === '' ? text.length : text.indexOf(literal, at)
    if (end === -1) return null
    values.push(captures[i] === null ? null : text.slice(at, end))
    at = end + literal.length
  }
  return values
}

/**
 * `source` with the captures of `pipes` as further columns, worked out when one is first asked for. A capture hides a field of its
 * name in the rows that it fits; the others keep theirs. Only `rows` are looked at: the others have no captures.
 */
export function withCaptures(source: ColumnSource, pipes: readonly ParsePipe[], rows: Bitmap): ColumnSource {
  return pipes.reduce((under, pipe) => withCapturesOf(under, pipe, rows), source)
}

function withCapturesOf(source: ColumnSource, pipe: ParsePipe, rows: Bitmap): ColumnSource {
  const names = pipe.captures.filter((name) => name !== null)
  let made: Map<string, Column> | null = null
  const overflow = source.column(COLUMN_OVERFLOW)
  return {
    rowCount: source.rowCount,
    timeMs: source.timeMs,
    timeNs: source.timeNs,
    columnNames: [...source.columnNames, ...names.filter((name) => !source.columnNames.includes(name))],
    column(name) {
      if (name === COLUMN_OVERFLOW) return overflow
      if (!names.includes(name)) return source.column(name)
      made ??= captureColumns(source, pipe, rows)
      return made.get(name) ?? source.column(name)
    },
  }
}

function captureColumns(source: ColumnSource, pipe: ParsePipe, rows: Bitmap): Map<string, Column> {
  const from = source.column(pipe.from)
  const builders = pipe.captures.map((name) => (name === null ? null : new TextColumn(name, source)))
  for (let row = 0; row < source.rowCount; row++) {
    const cell = rows.has(row) ? cellAt(source, from, pipe.from, row) : null
    const values = cell === null ? null : captureText(pipe, String(cell))
    builders.forEach((builder, i) => {
      builder?.push(values?.[i])
    })
  }
  return new Map(builders.flatMap((builder) => (builder === null ? [] : [[builder.name, builder.finish()]])))
}

/** Gathers captured texts row by row; keeps what the field had where there is none. */
class TextColumn {
  readonly name: string
  readonly #hidden: Column | undefined
  readonly #source: ColumnSource
  readonly #cells: FlatCell[] = []

  constructor(name: string, source: ColumnSource) {
    this.name = name
    this.#source = source
    this.#hidden = source.column(name)
  }

  push(text: string | null | undefined): void {
    const row = this.#cells.length
    if (typeof text === 'string') this.#cells.push({ type: NUMBER.test(text) ? VALUE_NUMBER : VALUE_STRING, text })
    else this.#cells.push(flatCell(cellAt(this.#source, this.#hidden, this.name, row)))
  }

  finish(): BytesColumn {
    return bytesColumnOf(this.name, this.#cells)
  }
}

interface FlatCell {
  readonly type: number
  readonly text: string
}

function flatCell(cell: Cell): FlatCell {
  if (cell === null) return { type: VALUE_ABSENT, text: '' }
  const type = typeof cell === 'number' ? VALUE_NUMBER : typeof cell === 'boolean' ? VALUE_BOOLEAN : VALUE_STRING
  return { type, text: String(cell) }
}

/** A column of cells, one a row; null is absent. */
export function columnOfCells(name: string, cells: readonly Cell[]): BytesColumn {
  return bytesColumnOf(name, cells.map(flatCell))
}

function bytesColumnOf(name: string, cells: readonly FlatCell[]): BytesColumn {
  const parts = cells.map(({ text }) => Buffer.from(text))
  const offsets = new Uint32Array(parts.length + 1)
  parts.forEach((part, row) => {
    offsets[row + 1] = offsets[row]! + part.length
  })
  const types = Uint8Array.from(cells, ({ type }) => type)
  return { kind: 'bytes', name, types, offsets, bytes: new Uint8Array(Buffer.concat(parts)) }
}
