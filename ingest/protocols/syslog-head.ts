import { TimestampParser } from '../timestamp.ts'

const SPACE = 0x20
const COLON = 0x3a
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const PERCENT = 0x25
const DAY_MS = 86_400_000
const MONTHS = 'janfebmaraprmayjunjulaugsepoctnovdec'
/** Longer names are no names of programs. */
const TAG_BYTES_MAX = 64
/** Names of hosts have no more (RFC 1035). */
const HOST_BYTES_MAX = 255
const ZONE_LETTERS_MAX = 5

/**
 * What stands before the text of a message that is not of RFC 5424: time, host and tag as RFC 3164 has them, each of which may be absent, and the
 * forms that are met beside it: times of RFC 3339, with a year or a fraction; Cisco's sequence number, and a colon after the time. Times
 * without a zone are UTC; a time without a year is the one nearest to now. Offsets are -1 where a part is absent.
 */
export class SyslogHead {
  /** Microseconds since the epoch, -1 without a time, or where it is text. */
  timeUs = -1
  timeStart = -1
  timeEnd = -1
  hostStart = -1
  hostEnd = -1
  tagStart = -1
  tagEnd = -1
  pidStart = -1
  pidEnd = -1
  /** Cisco's %FACILITY-SEVERITY-MNEMONIC, without the percent sign. */
  idStart = -1
  idEnd = -1
  messageStart = 0

  readonly #nowMs: number
  readonly #times = new TimestampParser()
  /** The day of the time that was read last, as month × 32 + day, where it had no year. */
  #day = -1
  #dayMs = 0

  constructor(nowMs: number) {
    this.#nowMs = nowMs
  }

  /** True for a time of RFC 3339. */
  isTime(bytes: Uint8Array, start: number, end: number): boolean {
    return end - start >= 19 && bytes[start + 4] === 0x2d && this.#times.parseText(bytes, start, end)
  }

  read(bytes: Uint8Array, start: number, end: number): void {
    this.timeUs = this.timeStart = this.hostStart = this.tagStart = this.pidStart = this.idStart = -1
    let p = this.#time(bytes, start, end)
    if (p < 0) p = this.#timeAfterPrefix(bytes, start, end)
    if (p < 0) p = this.#tag(bytes, start, end)
    else {
      const afterColon = this.#colonAfterTime(bytes, p, end)
      p = afterColon >= 0 ? afterColon : this.#hostAndTag(bytes, skipSpaces(bytes, p, end), end)
    }
    this.messageStart = p
    if (bytes[p] === PERCENT) this.#id(bytes, p + 1, end)
  }

  /** Returns where the time ends, -1 when there is none. */
  #time(bytes: Uint8Array, start: number, end: number): number {
    const c = bytes[start]!
    if (c >= 0x30 && c <= 0x39) {
      let at = wordEnd(bytes, start, end)
      if (at === start + 10) at = wordEnd(bytes, at + 1, end)
      if (bytes[at - 1] === COLON) at--
      if (!this.isTime(bytes, start, at)) return -1
      this.timeStart = start
      this.timeEnd = at
      return at
    }
    // Cisco: the clock was never set, or has lost its source.
    return this.#date(bytes, c === 0x2a || c === 0x2e ? start + 1 : start, end)
  }

  /** `Nov 21 10:00:00`, with a year before or after the clock, and a fraction. */
  #date(bytes: Uint8Array, start: number, end: number): number {
    const month = monthOf(bytes, start)
    if (month < 0 || bytes[start + 3] !== SPACE) return -1
    let p = skipSpaces(bytes, start + 3, end)
    let at = digitsEnd(bytes, p, end)
    const day = numberOf(bytes, p, at)
    if (at === p || at - p > 2 || day < 1 || day > 31 || bytes[at] !== SPACE) return -1
    p = skipSpaces(bytes, at, end)
    let year = -1
    at = digitsEnd(bytes, p, end)
    if (at - p === 4 && bytes[at] === SPACE) {
      year = numberOf(bytes, p, at)
      p = skipSpaces(bytes, at, end)
    }
    if (p + 8 > end || bytes[p + 2] !== COLON || bytes[p + 5] !== COLON) return -1
    for (const digits of [p, p + 3, p + 6]) if (digitsEnd(bytes, digits, digits + 2) !== digits + 2) return -1
    const hour = numberOf(bytes, p, p + 2)
    const minute = numberOf(bytes, p + 3, p + 5)
    const second = numberOf(bytes, p + 6, p + 8)
    if (hour > 23 || minute > 59 || second > 60) return -1
    p += 8
    let fractionUs = 0
    if (bytes[p] === 0x2e || bytes[p] === 0x2c) {
      at = digitsEnd(bytes, p + 1, end)
      const digits = Math.min(6, at - p - 1)
      if (digits > 0) {
        fractionUs = numberOf(bytes, p + 1, p + 1 + digits) * 10 ** (6 - digits)
        p = at
      }
    }
    if (year < 0 && bytes[p] === SPACE && bytes[p + 1] === 0x32 && bytes[p + 2] === 0x30) {
      at = digitsEnd(bytes, p + 1, end)
      if (at === p + 5 && (at === end || bytes[at] === SPACE || bytes[at] === COLON)) {
        year = numberOf(bytes, p + 1, at)
        p = at
      }
    }
    const dayMs = this.#startOf(year, month, day)
    if (dayMs < 0) return -1
    this.timeUs = (dayMs + ((hour * 60 + minute) * 60 + second) * 1000) * 1000 + fractionUs
    return p
  }

  /** Start of a day; -1 when there is no such day. Without a year (-1): of the year in which it is nearest to now. */
  #startOf(year: number, month: number, day: number): number {
    if (year >= 0) return dayOf(year, month, day)
    const key = month * 32 + day
    if (key === this.#day) return this.#dayMs
    const thisYear = new Date(this.#nowMs).getUTCFullYear()
    let nearest = -1
    for (let y = thisYear - 1; y <= thisYear + 1; y++) {
      const ms = dayOf(y, month, day)
      if (ms >= 0 && (nearest < 0 || this.#distance(ms) < this.#distance(nearest))) nearest = ms
    }
    this.#day = key
    this.#dayMs = nearest
    return nearest
  }

  #distance(dayMs: number): number {
    return Math.abs(dayMs + DAY_MS / 2 - this.#nowMs)
  }

  /** `29: ` and `host: `, one or both, before a time. */
  #timeAfterPrefix(bytes: Uint8Array, start: number, end: number): number {
    let p = start
    for (let i = 0; i < 2; i++) {
      const at = wordEnd(bytes, p, Math.min(end, p + HOST_BYTES_MAX))
      if (at - p < 2 || bytes[at - 1] !== COLON || bytes[at] !== SPACE) break
      if (digitsEnd(bytes, p, at) < at - 1) {
        this.hostStart = p
        this.hostEnd = at - 1
      }
      p = skipSpaces(bytes, at, end)
      const after = this.#time(bytes, p, end)
      if (after >= 0) return after
    }
    this.hostStart = -1
    return -1
  }

  /** A colon after the time, and perhaps a zone between: the text comes next, -1 where it does not. */
  #colonAfterTime(bytes: Uint8Array, start: number, end: number): number {
    let p = start
    if (bytes[p] === SPACE) {
      p++
      const letters = p
      while (p < end && p - letters < ZONE_LETTERS_MAX && bytes[p]! >= 0x41 && bytes[p]! <= 0x5a) p++
      if (p === letters) return -1
    }
    return bytes[p] === COLON && (p + 1 === end || bytes[p + 1] === SPACE) ? skipSpaces(bytes, p + 1, end) : -1
  }

  #hostAndTag(bytes: Uint8Array, start: number, end: number): number {
    const tagged = this.#tag(bytes, start, end)
    if (tagged > start || this.hostStart >= 0) return tagged
    const at = wordEnd(bytes, start, end)
    if (at === start || at - start > HOST_BYTES_MAX) return start
    this.hostStart = start
    this.hostEnd = at
    return this.#tag(bytes, skipSpaces(bytes, at, end), end)
  }

  /** `name:`, `name[pid]:` or `name[pid]`, then a space; returns where the text begins: at `start` when there is no tag. */
  #tag(bytes: Uint8Array, start: number, end: number): number {
    let p = start
    const most = Math.min(end, start + TAG_BYTES_MAX)
    while (p < most && bytes[p]! > SPACE && bytes[p] !== COLON && bytes[p] !== OPEN_BRACKET) p++
    const nameEnd = p
    if (nameEnd === start) return start
    let pid = -1
    if (bytes[p] === OPEN_BRACKET) {
      pid = ++p
      while (p < most && bytes[p]! > SPACE && bytes[p] !== CLOSE_BRACKET) p++
      if (bytes[p] !== CLOSE_BRACKET) return start
      p++
    } else if (bytes[p] !== COLON) return start
    const pidEnd = p - 1
    if (bytes[p] === COLON) p++
    if (p < end && bytes[p] !== SPACE) return start
    this.tagStart = start
    this.tagEnd = nameEnd
    if (pid >= 0 && pidEnd > pid) {
      this.pidStart = pid
      this.pidEnd = pidEnd
    }
    return p < end ? p + 1 : p
  }

  #id(bytes: Uint8Array, start: number, end: number): void {
    let p = start
    let dashes = 0
    const most = Math.min(end, start + TAG_BYTES_MAX)
    for (; p < most && bytes[p] !== COLON; p++) {
      const c = bytes[p]!
      if (c === 0x2d) dashes++
      else if (!((c >= 0x41 && c <= 0x5a) || (c >= 0x30 && c <= 0x39) || c === 0x5f)) return
    }
    if (bytes[p] !== COLON || dashes < 2) return
    this.idStart = start
    this.idEnd = p
  }
}

function dayOf(year: number, month: number, day: number): number {
  const ms = Date.UTC(year, month, day)
  return new Date(ms).getUTCMonth() === month ? ms : -1
}

function monthOf(bytes: Uint8Array, p: number): number {
  for (let month = 0; month < 12; month++) {
    let i = 0
    while (i < 3 && (bytes[p + i]! | 0x20) === MONTHS.charCodeAt(month * 3 + i)) i++
    if (i === 3) return month
  }
  return -1
}

function wordEnd(bytes: Uint8Array, start: number, end: number): number {
  let p = start
  while (p < end && bytes[p] !== SPACE) p++
  return p
}

function skipSpaces(bytes: Uint8Array, start: number, end: number): number {
  let p = start
  while (p < end && bytes[p] === SPACE) p++
  return p
}

function digitsEnd(bytes: Uint8Array, start: number, end: number): number {
  let p = start
  while (p < end && bytes[p]! >= 0x30 && bytes[p]! <= 0x39) p++
  return p
}

function numberOf(bytes: Uint8Array, start: number, end: number): number {
  let value = 0
  for (let p = start; p < end; p++) value = value * 10 + bytes[p]! - 0x30
  return value
}
