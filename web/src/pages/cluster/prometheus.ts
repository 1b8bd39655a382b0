/** Samples of a page in the Prometheus text format, by name. */
export interface Metrics {
  /** Of all samples of the name, whatever their labels; 0 where there is none. */
  sum(name: string): number
}

/** Reads a page in the Prometheus text format 0.0.4; lines that are none are passed over. */
export function parseMetrics(text: string): Metrics {
  const sums = new Map<string, number>()
  for (const line of text.split('\n')) {
    const found = /^([a-zA-Z_:][\w:]*)(?:\{.*\})? (\S+)/.exec(line)
    if (found === null) continue
    const value = Number(found[2])
    if (!Number.isNaN(value)) sums.set(found[1]!, (sums.get(found[1]!) ?? 0) + value)
  }
  return { sum: (name) => sums.get(name) ?? 0 }
}
