import type { Column, ColumnSource } from '../base/columns.ts'

/** Rows in memory, every column decoded. */
export class TableSource implements ColumnSource {
  readonly rowCount: number
  readonly timeMs: Float64Array
  readonly timeNs: Uint32Array
  readonly columnNames: readonly string[]
  readonly #columns: ReadonlyMap<string, Column>

  constructor(timeMs: Float64Array, timeNs: Uint32Array, columns: ReadonlyMap<string, Column>) {
    this.rowCount = timeMs.length
    this.timeMs = timeMs
    this.timeNs = timeNs
    this.columnNames = [...columns.keys()]
    this.#columns = columns
  }

  column(name: string): Column | undefined {
    return this.#columns.get(name)
  }
}
