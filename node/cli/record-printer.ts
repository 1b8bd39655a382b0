import { type Fields, fieldOf, isNumber, parseExact, valueText } from './exact-values.ts'
import { printableJson } from './printable.ts'
import { recordText } from './record-text.ts'
import { type Column, tableText } from './table.ts'
import type { Terminal } from './terminal.ts'

export type OutputForm = 'auto' | 'text' | 'table' | 'json' | 'ndjson' | 'raw'

export interface PrinterOptions {
  readonly output: OutputForm
  readonly raw: boolean
  readonly fields?: string | undefined
}

const COLUMNS_DEFAULT = ['timestamp', 'level', 'service', 'message']

/** Prints records and rows of tables, which come as lines of JSON, in the form that is asked for. */
export class RecordPrinter {
  readonly #terminal: Terminal
  readonly #form: Exclude<OutputForm, 'auto'>
  readonly #fields: readonly string[]
  #isBegun = false

  constructor(terminal: Terminal, { output, raw, fields }: PrinterOptions) {
    this.#terminal = terminal
    const forPeople = fields === undefined ? 'text' : 'table'
    this.#form = raw ? 'raw' : output !== 'auto' ? output : terminal.outIsTty ? forPeople : 'ndjson'
    this.#fields = fields?.split(',').map((name) => name.trim()) ?? COLUMNS_DEFAULT
  }

  /** Of a page: with a table the titles stand above each. */
  async records(lines: readonly string[]): Promise<void> {
    if (lines.length === 0) return
    const { paint, outIsTty } = this.#terminal
    switch (this.#form) {
      case 'text':
        return this.#write(lines.map((line) => `${recordText(fieldsOf(line), paint, !outIsTty)}\n`))
      case 'raw':
        return this.#write(lines.map((line) => `${messageOf(fieldsOf(line))}\n`))
      case 'table': {
        const columns = this.#fields.map(
          (name): Column<Fields> => ({ title: name, text: (row) => valueText(fieldOf(row, name) ?? '') }),
        )
        return this.#write([tableText(columns, lines.map(fieldsOf), this.#widthMax)])
      }
      default:
        return this.#json(lines)
    }
  }

  /** Of a query that ends in an aggregating pipe. */
  async table(columns: readonly string[], lines: readonly string[]): Promise<void> {
    if (this.#form === 'json' || this.#form === 'ndjson') return this.#json(lines)
    const rows = lines.map(fieldsOf)
    if (this.#form === 'raw') {
      return this.#write(
        rows.map(
          (row) => `${columns.map((name) => valueText(row[name] ?? '').replace(/[\t\n\r]/g, ' ')).join('\t')}\n`,
        ),
      )
    }
    const shown = columns.map((name): Column<Fields> => {
      const isRight = rows.length > 0 && rows.every((row) => row[name] == null || isNumber(row[name]))
      return { title: name, text: (row) => valueText(row[name] ?? ''), ...(isRight ? { align: 'right' } : {}) }
    })
    await this.#write([tableText(shown, rows, this.#widthMax)])
  }

  /** To be called when all is printed. */
  async end(): Promise<void> {
    if (this.#form === 'json') await this.#write([this.#isBegun ? '\n]\n' : '[]\n'])
  }

  async #json(lines: readonly string[]): Promise<void> {
    if (lines.length === 0) return
    const shown = this.#terminal.outIsTty ? lines.map(printableJson) : lines
    if (this.#form === 'ndjson') return this.#write(shown.map((line) => `${line}\n`))
    const begin = this.#isBegun ? ',\n' : '[\n'
    this.#isBegun = true
    await this.#write([begin, shown.join(',\n')])
  }

  async #write(texts: readonly string[]): Promise<void> {
    await this.#terminal.write(texts.join(''))
  }

  get #widthMax(): number {
    return this.#terminal.outIsTty ? this.#terminal.width : Infinity
  }
}

function fieldsOf(line: string): Fields {
  return parseExact(line) as Fields
}

function messageOf({ message }: Fields): string {
  return message === undefined ? '' : valueText(message)
}
