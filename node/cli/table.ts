import { fitted, printable, widthOf } from './printable.ts'

export interface Column<T> {
  readonly title: string
  readonly text: (row: T) => string
  readonly align?: 'right'
  /** Is never cut: an id that commands take. */
  readonly isKept?: true
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
  const isKept = columns.map((column) => column.isKept === true)
  narrow(widths, isKept, widthMax - GAP.length * (columns.length - 1))
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

function narrow(widths: number[], isKept: readonly boolean[], widthMax: number): void {
  const sum = () => widths.reduce((total, width) => total + width, 0)
  for (let excess = sum() - widthMax; excess > 0; excess = sum() - widthMax) {
    const free = widths.filter((_, i) => !isKept[i])
    const widest = Math.max(0, ...free)
    if (widest <= WIDTH_MIN) return
    const second = Math.max(WIDTH_MIN, ...free.filter((width) => width < widest))
    const count = free.filter((width) => width === widest).length
    const next = Math.max(second, widest - Math.ceil(excess / count))
    for (const [i, width] of widths.entries()) if (width === widest && !isKept[i]) widths[i] = next
  }
}
