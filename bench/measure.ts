import { quantile } from './client.ts'

/** One line of the report: what was measured, in which unit, and the budget it is held to. */
export interface Row {
  readonly name: string
  readonly value: number
  readonly unit: string
  /** Highest value allowed, in the same unit; or the lowest, where `atLeast` is set. Undefined: only told. */
  readonly budget?: number
  readonly atLeast?: boolean
  /** What the budget is made of, such as `1.2 Y`. */
  readonly budgetText?: string
  /** value as a multiple of the yardstick, where that means something. */
  readonly ratio?: number
}

export function isMet(row: Row): boolean | undefined {
  if (row.budget === undefined) return undefined
  return row.atLeast === true ? row.value >= row.budget : row.value <= row.budget
}

/** Runs `once` a few times to warm up, then `runs` times; the median in milliseconds. */
export async function medianMs(once: () => Promise<unknown>, runs = 15, warmUps = 3): Promise<number> {
  for (let i = 0; i < warmUps; i++) await once()
  const times: number[] = []
  for (let i = 0; i < runs; i++) {
    const startedMs = performance.now()
    await once()
    times.push(performance.now() - startedMs)
  }
  return quantile(times, 0.5)
}

export function table(rows: readonly Row[]): string {
  const cells = rows.map((row) => {
    const met = isMet(row)
    return [
      row.name,
      `${shown(row.value)} ${row.unit}`,
      row.ratio === undefined ? '' : `${row.ratio.toFixed(2)} Y`,
      row.budget === undefined
        ? ''
        : `${row.atLeast ? '≥' : '≤'} ${shown(row.budget)} ${row.unit}${row.budgetText ? ` (${row.budgetText})` : ''}`,
      met === undefined ? '' : met ? 'met' : 'MISSED',
    ]
  })
  const head = ['what', 'measured', 'ratio', 'budget', 'verdict']
  const widths = head.map((title, i) => Math.max(title.length, ...cells.map((cell) => cell[i]!.length)))
  const line = (cell: readonly string[]) =>
    cell
      .map((text, i) => text.padEnd(widths[i]!))
      .join('  ')
      .trimEnd()
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...cells.map(line)].join('\n')
}

function shown(value: number): string {
  const magnitude = Math.abs(value)
  if (magnitude >= 1000) return Math.round(value).toLocaleString('en')
  return magnitude >= 100 ? value.toFixed(0) : value.toFixed(2)
}
