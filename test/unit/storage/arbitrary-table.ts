import fc from 'fast-check'
import type { Column, ColumnSource } from '../../../base/columns.ts'
import {
  VALUE_ABSENT,
  VALUE_BOOLEAN,
  VALUE_JSON,
  VALUE_NULL,
  VALUE_NUMBER,
  VALUE_STRING,
  valueText,
  valueType,
} from '../../../base/columns.ts'
import { TableSource } from '../../../storage/table-source.ts'

/** One value of a row, as columns hold it. */
export interface Cell {
  readonly type: number
  readonly text: string
}

const ABSENT: Cell = { type: VALUE_ABSENT, text: '' }

const texts = fc.oneof(
  fc.string({ maxLength: 30 }),
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.constantFrom('', 'Straße', 'ΣΊΣΥΦΟΣ', 'İstanbul', '\uFEFFbom', 'GET /a/b', 'x'.repeat(40), '日本語ログ', '𐐀𐐁'),
)
const integers = fc.oneof(
  fc.integer({ min: -5, max: 300 }),
  fc.maxSafeInteger(),
  fc.constantFrom(Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 0, 2 ** 51, -(2 ** 52), 2 ** 32),
)
const cells: fc.Arbitrary<Cell> = fc.oneof(
  { weight: 6, arbitrary: texts.map((text) => ({ type: VALUE_STRING, text })) },
  { weight: 2, arbitrary: integers.map((n) => ({ type: VALUE_NUMBER, text: String(n) })) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('1.0', '-0', '1e400', '0.1', '12345678901234567890')
      .map((text) => ({ type: VALUE_NUMBER, text })),
  },
  { weight: 1, arbitrary: fc.constantFrom('true', 'false').map((text) => ({ type: VALUE_BOOLEAN, text })) },
  { weight: 1, arbitrary: fc.constant({ type: VALUE_NULL, text: '' }) },
  {
    weight: 1,
    arbitrary: fc
      .oneof(
        fc.jsonValue().map((v) => JSON.stringify([v])),
        fc.constant('["caf\\u00e9 \\nbar"]'),
      )
      .map((text) => ({ type: VALUE_JSON, text })),
  },
  { weight: 3, arbitrary: fc.constant(ABSENT) },
)

export interface TableModel {
  readonly timeMs: readonly number[]
  readonly timeNs: readonly number[]
  readonly columns: readonly { readonly name: string; readonly kind: Column['kind']; readonly cells: readonly Cell[] }[]
}

const FIELD_NAMES = ['message', 'level', 'service', 'host', 'traceId', 'a.b', 'a\\.b', 'n', 'ü', '\\@src.message']
const DAY_START_MS = Date.UTC(2026, 10, 21)

/** Columns of one name keep to one kind of content across tables, most of the time, as they do in life. */
function columnOf(name: string, rowCount: number): fc.Arbitrary<TableModel['columns'][number]> {
  const hex = fc
    .bigInt({ min: 0n, max: (1n << 64n) - 1n })
    .map((n) => ({ type: VALUE_STRING, text: n.toString(16).padStart(16, '0') }))
  const few = fc.constantFrom('INFO', 'WARN', 'ERROR').map((text) => ({ type: VALUE_STRING, text }))
  const list = (cell: fc.Arbitrary<Cell>) => fc.array(cell, { minLength: rowCount, maxLength: rowCount })
  const sometimes = (cell: fc.Arbitrary<Cell>) =>
    fc.oneof({ weight: 20, arbitrary: cell }, { weight: 1, arbitrary: fc.constant(ABSENT) })
  return fc.oneof(
    list(cells).map((values) => ({ name, kind: 'bytes' as const, cells: values })),
    list(hex).map((values) => ({ name, kind: 'bytes' as const, cells: values })),
    list(sometimes(hex)).map((values) => ({ name, kind: 'bytes' as const, cells: values })),
    list(sometimes(few)).map((values) => ({ name, kind: 'dictionary' as const, cells: values })),
    list(few).map((values) => ({ name, kind: 'dictionary' as const, cells: values })),
    list(sometimes(integers.map((n) => ({ type: VALUE_NUMBER, text: String(n) })))).map((values) => ({
      name,
      kind: 'integer' as const,
      cells: values,
    })),
    fc.integer({ min: 0, max: 1e12 }).map((from) => ({
      name,
      kind: 'integer' as const,
      cells: Array.from({ length: rowCount }, (_, i) => ({ type: VALUE_NUMBER, text: String(from + i * 3) })),
    })),
    // One row in a hundred or so has the field.
    fc.tuple(cells, fc.nat({ max: rowCount - 1 })).map(([cell, row]) => ({
      name,
      kind: 'bytes' as const,
      cells: Array.from({ length: rowCount }, (_, i) => (i === row ? cell : ABSENT)),
    })),
  )
}

export function tableModels(options: { rowsMax?: number } = {}): fc.Arbitrary<TableModel> {
  return fc
    .tuple(fc.integer({ min: 1, max: options.rowsMax ?? 60 }), fc.subarray(FIELD_NAMES), fc.boolean(), fc.boolean())
    .chain(([rowCount, names, ordered, nanoseconds]) =>
      fc.record({
        timeMs: fc
          .array(fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 86_399_999 })), {
            minLength: rowCount,
            maxLength: rowCount,
          })
          .map((ms) => (ordered ? [...ms].sort((a, b) => a - b) : ms).map((n) => n + DAY_START_MS)),
        timeNs: fc.array(nanoseconds ? fc.integer({ min: 0, max: 999_999 }) : fc.constant(0), {
          minLength: rowCount,
          maxLength: rowCount,
        }),
        columns: fc.tuple(...names.map((name) => columnOf(name, rowCount))),
      }),
    )
}

/** The table as columns; `shift` puts values behind other bytes, as views of larger buffers have them. */
export function sourceOf(model: TableModel, shift = 0): ColumnSource {
  const columns = new Map<string, Column>()
  for (const { name, kind, cells } of model.columns) {
    if (cells.every((cell) => cell.type === VALUE_ABSENT)) continue
    columns.set(name, columnOfCells(name, kind, cells, shift))
  }
  return new TableSource(Float64Array.from(model.timeMs), Uint32Array.from(model.timeNs), columns)
}

export function columnOfCells(name: string, kind: Column['kind'], cells: readonly Cell[], shift = 0): Column {
  if (kind === 'integer')
    return {
      kind,
      name,
      values: Float64Array.from(cells, (cell) => (cell.type === VALUE_ABSENT ? Number.NaN : Number(cell.text))),
    }
  if (kind === 'bytes')
    return { kind, name, types: Uint8Array.from(cells, (cell) => cell.type), ...joined(cells, shift) }
  const keys = [
    ...new Set(cells.filter((cell) => cell.type !== VALUE_ABSENT).map((cell) => `${cell.type}${cell.text}`)),
  ]
  const values = keys.map((key) => ({ type: Number(key[0]), text: key.slice(1) }))
  const codes = Uint8Array.from(cells, (cell) =>
    cell.type === VALUE_ABSENT ? 0 : keys.indexOf(`${cell.type}${cell.text}`) + 1,
  )
  return { kind, name, codes, types: Uint8Array.from(values, (value) => value.type), ...joined(values, shift) }
}

function joined(cells: readonly Cell[], shift: number): { offsets: Uint32Array; bytes: Uint8Array } {
  const pieces = cells.map((cell) => new TextEncoder().encode(cell.text))
  const offsets = new Uint32Array(cells.length + 1)
  offsets[0] = shift
  for (let i = 0; i < pieces.length; i++) offsets[i + 1] = offsets[i]! + pieces[i]!.length
  const bytes = new Uint8Array(offsets[cells.length]! + shift).fill(0x2a)
  for (let i = 0; i < pieces.length; i++) bytes.set(pieces[i]!, offsets[i])
  return { offsets, bytes }
}

/** What a reader sees of each row: time, then every present value with its type. */
export function rowsOf(source: ColumnSource): string[] {
  return Array.from({ length: source.rowCount }, (_, row) => {
    const fields: [string, number, string][] = []
    for (const name of source.columnNames) {
      const column = source.column(name)
      if (column === undefined) throw new Error(`column ${name} is named but not there`)
      const text = valueText(column, row)
      if (text !== undefined) fields.push([name, valueType(column, row), text])
    }
    fields.sort(([a], [b]) => (a < b ? -1 : 1))
    return JSON.stringify([source.timeMs[row], source.timeNs[row], fields])
  })
}
