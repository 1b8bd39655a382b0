/** What one fault did. */
export interface FaultRecord {
  readonly kind: string
  /** Until searches through the other nodes were complete again, ms; the slowest of them. */
  readonly recoveryMs: number
  /** Longest time in which another node acknowledged nothing, ms. */
  readonly stallMs: number
  readonly errors: ReadonlyMap<string, number>
}

/** A table of a line for each kind of fault, in Markdown. */
export function faultTable(records: readonly FaultRecord[]): string {
  const rows = [
    ['fault', 'count', 'searches complete again, p50 / max', 'longest stall of appends', 'errors seen'],
    ['---', '---', '---', '---', '---'],
  ]
  for (const [kind, same] of Map.groupBy(records, (record) => record.kind)) {
    const recoveries = same.map(({ recoveryMs }) => recoveryMs).sort((a, b) => a - b)
    const errors = new Map<string, number>()
    for (const record of same) for (const [what, n] of record.errors) errors.set(what, (errors.get(what) ?? 0) + n)
    const told = [...errors].sort((a, b) => b[1] - a[1]).map(([what, n]) => `${n} × ${what}`)
    rows.push([
      kind,
      String(same.length),
      `${seconds(recoveries[Math.floor((recoveries.length - 1) / 2)]!)} / ${seconds(recoveries.at(-1)!)}`,
      seconds(Math.max(...same.map(({ stallMs }) => stallMs))),
      told.join('; ') || 'none',
    ])
  }
  return rows.map((row) => `| ${row.join(' | ')} |`).join('\n')
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
