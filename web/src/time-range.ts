import { computed } from '@preact/signals'
import { nowMs } from './browser-clock.ts'
import { remembered } from './settings-store.ts'

/** A range as it is written in the address: RFC 3339, or relative to now (`now-1h`, `now-1d/d`). */
export interface TimeRange {
  readonly from: string
  readonly to: string
}

/** The same as moments, `toMs` exclusive. */
export interface TimeSpan {
  readonly fromMs: number
  readonly toMs: number
}

export const RANGE_DEFAULT: TimeRange = { from: 'now-1h', to: 'now' }

export const QUICK_RANGES: readonly (TimeRange & { readonly label: string })[] = [
  ['now-5m', 'Last 5 minutes'],
  ['now-15m', 'Last 15 minutes'],
  ['now-30m', 'Last 30 minutes'],
  ['now-1h', 'Last hour'],
  ['now-3h', 'Last 3 hours'],
  ['now-6h', 'Last 6 hours'],
  ['now-12h', 'Last 12 hours'],
  ['now-24h', 'Last 24 hours'],
  ['now-2d', 'Last 2 days'],
  ['now-7d', 'Last 7 days'],
  ['now-30d', 'Last 30 days'],
].map(([from, label]) => ({ from: from!, to: 'now', label: label! }))

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
  M: 30 * 86_400_000,
  y: 365 * 86_400_000,
}

export const timesInUtc = remembered('utc', false, (value): value is boolean => typeof value === 'boolean')

/** Minutes to add to UTC for what the user reads. */
const offset = computed(() => (timesInUtc.value ? () => 0 : (ms: number) => -new Date(ms).getTimezoneOffset()))

/** End of the year 9999: what is later has no text in RFC 3339. */
const TIME_MS_MAX = 253_402_300_799_999
const TIME_MS_MIN = -62_167_219_200_000

/** A time of an address in milliseconds, of the years 0 to 9999; undefined when it is none. */
export function parseTime(text: string, atMs = nowMs()): number | undefined {
  const ms = momentOf(text, atMs)
  return ms !== undefined && ms >= TIME_MS_MIN && ms <= TIME_MS_MAX ? ms : undefined
}

function momentOf(text: string, atMs: number): number | undefined {
  const relative = /^now(?:([+-])(\d{1,6})(ms|[smhdwMy]))?(?:\/([smhd]))?$/.exec(text.trim())
  if (relative !== null) {
    const [, sign, count, unit, round] = relative
    const ms = unit === undefined ? atMs : atMs + (sign === '-' ? -1 : 1) * Number(count) * UNIT_MS[unit]!
    return round === undefined ? ms : Math.floor(ms / UNIT_MS[round]!) * UNIT_MS[round]!
  }
  if (/^\d{12,14}$/.test(text)) return Number(text)
  if (!/^\d{4}-\d\d-\d\d/.test(text.trim())) return undefined
  const iso = text.trim().replace(' ', 'T')
  const hasZone = /(?:Z|[+-]\d\d:?\d\d)$/i.test(iso)
  const ms = Date.parse(hasZone ? iso : iso.includes('T') ? `${iso}Z` : `${iso}T00:00:00Z`)
  if (Number.isNaN(ms)) return undefined
  if (hasZone) return ms
  // The offset of that moment, which another one may have: clocks are changed between them.
  const nearMs = ms - offset.value(ms) * 60_000
  return ms - offset.value(nearMs) * 60_000
}

/** The moments of a range now; the default where it is malformed or ends before it begins. */
export function spanOf({ from, to }: TimeRange): TimeSpan {
  const atMs = nowMs()
  const fromMs = parseTime(from, atMs)
  const toMs = parseTime(to, atMs)
  if (fromMs === undefined || toMs === undefined || fromMs >= toMs) return { fromMs: atMs - UNIT_MS.h!, toMs: atMs }
  return { fromMs, toMs }
}

export function rangeLabel({ from, to }: TimeRange): string {
  const quick = QUICK_RANGES.find((range) => range.from === from && range.to === to)
  if (quick !== undefined) return quick.label
  const end = (text: string) => (text.startsWith('now') ? text : formatTime(parseTime(text) ?? Number.NaN, 'second'))
  return `${end(from)} – ${end(to)}`
}

/** A moment as people read it, in their zone or in UTC: `2026-11-22 14:03:07.250`. */
export function formatTime(ms: number, precision: 'minute' | 'second' | 'ms'): string {
  if (!(Math.abs(ms) <= TIME_MS_MAX)) return '?'
  const text = new Date(ms + offset.value(ms) * 60_000).toISOString()
  return `${text.slice(0, 10)} ${text.slice(11, precision === 'minute' ? 16 : precision === 'second' ? 19 : 23)}`
}

/** `14:03:07.250`, for rows of a list. */
export function formatClock(ms: number): string {
  return formatTime(ms, 'ms').slice(11)
}

export function formatDuration(ms: number): string {
  if (ms < 1) return `${Math.round(ms * 1000)} µs`
  if (ms < 1000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`
  if (ms < UNIT_MS.h!) return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`
  if (ms < UNIT_MS.d!) return `${Math.floor(ms / UNIT_MS.h!)} h ${Math.round((ms % UNIT_MS.h!) / 60_000)} min`
  return `${(ms / UNIT_MS.d!).toFixed(1)} d`
}

/** Milliseconds of a width such as `1m30s`. */
export function parseDuration(text: string): number {
  return [...text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhdw])/g)].reduce(
    (sum, [, count, unit]) => sum + Number(count) * UNIT_MS[unit!]!,
    0,
  )
}
