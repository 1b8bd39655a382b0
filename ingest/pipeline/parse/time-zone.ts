/** Fifteen minutes: no zone changes its offset in between. */
const SLOT_MS = 900_000
const DAY_MS = 86_400_000
/** Offsets kept of one zone; logs are mostly of today. */
const SLOTS_KEPT_MAX = 4096

/** Offsets of a zone of the IANA database, or a fixed one, for times that are told by a clock on a wall. */
export class TimeZone {
  readonly #format: Intl.DateTimeFormat | undefined
  readonly #fixedMs: number
  readonly #offsets = new Map<number, number>()

  /** `Europe/Berlin`, `UTC`, `+02:00`, `-0500`. Throws RangeError for others. */
  constructor(name: string) {
    const fixed = /^([+-])(\d{2}):?(\d{2})$/.exec(name)
    this.#fixedMs =
      fixed === null ? 0 : (fixed[1] === '-' ? -1 : 1) * (Number(fixed[2]) * 60 + Number(fixed[3])) * 60_000
    if (fixed !== null || name === 'UTC' || name === 'Z') return
    this.#format = new Intl.DateTimeFormat('en-US', {
      timeZone: name,
      calendar: 'gregory',
      hourCycle: 'h23',
      era: 'short',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
  }

  /**
   * Milliseconds to take from the time on the wall (as if it were UTC) for that in UTC. Of a time that the clock shows twice, the first; one that it never
   * shows is taken as if the clock had not been moved.
   */
  offsetMs(wallMs: number): number {
    if (this.#format === undefined) return this.#fixedMs
    const slot = Math.floor(wallMs / SLOT_MS)
    const known = this.#offsets.get(slot)
    if (known !== undefined) return known
    const before = this.#offsetAt(wallMs - DAY_MS)
    const after = this.#offsetAt(wallMs + DAY_MS)
    const isAfter =
      before !== after && this.#offsetAt(wallMs - before) !== before && this.#offsetAt(wallMs - after) === after
    const offset = isAfter ? after : before
    if (this.#offsets.size >= SLOTS_KEPT_MAX) this.#offsets.clear()
    this.#offsets.set(slot, offset)
    return offset
  }

  /** Offset of the zone at a time of UTC. */
  #offsetAt(utcMs: number): number {
    const parts = new Map(this.#format!.formatToParts(utcMs).map(({ type, value }) => [type, value]))
    const part = (type: Intl.DateTimeFormatPartTypes) => Number(parts.get(type))
    const year = parts.get('era') === 'BC' ? 1 - part('year') : part('year')
    const wall = new Date(0)
    wall.setUTCFullYear(year, part('month') - 1, part('day'))
    wall.setUTCHours(part('hour'), part('minute'), part('second'))
    return wall.getTime() - Math.floor(utcMs / 1000) * 1000
  }
}
