import type { Clock } from '../../base/clock.ts'
import type { Terminal } from './terminal.ts'

const SHOW_EVERY_MS = 100
const BAR_COLUMNS = 24

export interface Progress {
  /** Bytes, of `total` where that is known. */
  readonly done: number
  readonly total: number | undefined
  readonly records?: number
  /** Behind the figures. */
  readonly note?: string
}

/** A line of progress on a terminal, at most ten times a second. */
export class ProgressBar {
  readonly #terminal: Terminal
  readonly #clock: Clock
  readonly #startedMs: number
  #shownMs = Number.NEGATIVE_INFINITY

  constructor(terminal: Terminal, clock: Clock) {
    this.#terminal = terminal
    this.#clock = clock
    this.#startedMs = clock.monotonicMs()
  }

  show(progress: Progress): void {
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#shownMs < SHOW_EVERY_MS) return
    this.#shownMs = nowMs
    this.#terminal.status(progressText(progress, nowMs - this.#startedMs, this.#terminal.width))
  }

  end(): void {
    this.#terminal.endStatus()
  }
}

function progressText({ done, total, records, note }: Progress, elapsedMs: number, width: number): string {
  const parts: string[] = []
  const share = total === undefined ? undefined : total === 0 ? 1 : Math.min(1, done / total)
  if (share !== undefined) {
    const filled = Math.round(share * BAR_COLUMNS)
    parts.push(`[${'='.repeat(filled)}${' '.repeat(BAR_COLUMNS - filled)}] ${Math.floor(share * 100)} %`)
  }
  parts.push(total === undefined ? bytesText(done) : `${bytesText(done)} of ${bytesText(total)}`)
  if (records !== undefined) parts.push(`${records.toLocaleString('en')} records`)
  if (elapsedMs > 500) {
    const perSecond = (records ?? done) / (elapsedMs / 1000)
    parts.push(records === undefined ? `${bytesText(perSecond)}/s` : `${Math.round(perSecond).toLocaleString('en')}/s`)
    if (share !== undefined && share > 0 && share < 1)
      parts.push(`${secondsText((elapsedMs / share) * (1 - share))} left`)
  }
  if (note !== undefined) parts.push(note)
  return parts.join('  ').slice(0, Math.max(10, width - 1))
}

/** `12.3 MB` */
export function bytesText(bytes: number): string {
  if (bytes < 1000) return `${Math.round(bytes)} B`
  const units = ['kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = -1
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${value < 100 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`
}

/** `0.8 s`, `2 min 5 s` */
export function secondsText(ms: number): string {
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  return minutes < 60 ? `${minutes} min ${seconds % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}
