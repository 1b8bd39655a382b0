/** `1,234`; `1.2M` from a million on. */
export function formatCount(count: number): string {
  if (!Number.isFinite(count)) return '?'
  if (Math.abs(count) < 1_000_000) return Math.round(count).toLocaleString('en')
  return new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 }).format(count)
}

/** A measured value, of any size: at most four digits that say something. */
export function formatValue(value: number): string {
  if (Number.isInteger(value)) return formatCount(value)
  if (Math.abs(value) >= 1000) return formatCount(value)
  return String(Number(value.toPrecision(4)))
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let size = bytes
  let unit = 0
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024
    unit++
  }
  return `${size < 10 && unit > 0 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`
}
