export interface Column<T> {
  readonly title: string
  readonly text: (row: T) => string
  readonly align?: 'right'
}

/** Lines of a table for a terminal, the titles first, each with its line break. */
export function tableText<T>(columns: readonly Column<T>[], rows: readonly T[]): string {
  const cells = columns.map(({ title, text }) => [title, ...rows.map((row) => printable(text(row)))])
  const widths = cells.map((column) => Math.max(...column.map((cell) => cell.length)))
  const lines = Array.from({ length: rows.length + 1 }, (_, line) =>
    cells
      .map((column, i) => {
        const cell = column[line] ?? ''
        return columns[i]?.align === 'right' ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)
      })
      .join('  ')
      .trimEnd(),
  )
  return lines.map((line) => `${line}\n`).join('')
}

/** Text of other nodes does not steer the terminal. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, '?')
}
