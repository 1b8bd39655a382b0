import { fitted, printable, widthOf } from './printable.ts'

export interface Column<T> {
  readonly title: string
  readonly text: (row: T) => string
  readonly align?: 'right'
}

const GAP = '  '
/** A column that must give way keeps so much. */
const WIDTH_MIN = 12
const CELL_CHARS_MAX = 2000

/** Lines of a table for a terminal, the titles first, each with its line break. With `widthMax` the widest columns are cut until a line fits. */
export function tableText<T>(columns: readonly Column<T>[], rows: readonly T[], widthMax = Infinity): string {
  const cells = columns.map(({ title, text }) => [
    printable(title),
    ...rows.map((row) => printable(text(row).slice(0, CELL_CHARS_MAX))),
  ])
  const widths = cells.map((column) => column.reduce((widest, cell) => Math.max(widest, widthOf(cell)), 0))
  narrow(widths, widthMax - GAP.length * (columns.length - 1))
  const lines = Array.from({ length: rows.length + 1 }, (_, line) =>
    cells
      .map((column, i) => {
        const width = widths[i] ?? 0
        const cell = fitted(column[line] ?? '', width)
        const blank = ' '.repeat(width - widthOf(cell))
        return columns[i]?.align === 'right' ? blank + cell : cell + blank
      })
      .join(GAP)
      .trimEnd(),
  )
  return lines.map((line) => `${line}\n`).join('')
}

function narrow(widths: number[], widthMax: number): void {
  const sum = () => widths.reduce((total, width) => total + width, 0)
  for (let excess = sum() - widthMax; excess > 0; excess = sum() - widthMax) {
    const widest = Math.max(...widths)
    if (widest <= WIDTH_MIN) return
    const second = Math.max(WIDTH_MIN, ...widths.filter((width) => width < widest))
    const count = widths.filter((width) => width === widest).length
    const next = Math.max(second, WIDTH_MIN, widest - Math.ceil(excess / count))
    for (const [i, width] of widths.entries()) if (width === widest) widths[i] = Math.min(next, widest - 1)
  }
}
