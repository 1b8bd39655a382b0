/** Digits of every time that is written: nanoseconds since the epoch, from 2001 to 2262. */
const DIGITS = 19
const SECONDS_MIN = 1e9
/** The nanoseconds of more are no int64. */
const SECONDS_MAX = 9_223_372_035
const NANOSECONDS = 1e9

/**
 * The text of a time in nanoseconds, as digits that are read as such: shorter ones would be taken for another unit. Times without 19
 * digits are beyond any retention, or too far ahead.
 */
export class EpochText {
  /** After a `set` that returned true: 19 digits. */
  readonly bytes: Buffer = Buffer.alloc(DIGITS)

  /** False where the time is out of range. */
  set(seconds: number, nanoseconds: number): boolean {
    if (!(seconds >= SECONDS_MIN && seconds <= SECONDS_MAX && nanoseconds >= 0 && nanoseconds < NANOSECONDS))
      return false
    this.#put(9, seconds)
    this.#put(DIGITS - 1, nanoseconds)
    return true
  }

  /** The same of an unsigned 64-bit number of nanoseconds, in halves. */
  setNanoseconds(low: number, high: number): boolean {
    // Long division by 16 bits: each step is exact.
    let seconds = 0
    let rest = 0
    for (let i = 0; i < 4; i++) {
      const part = i === 0 ? high >>> 16 : i === 1 ? high & 0xffff : i === 2 ? low >>> 16 : low & 0xffff
      const value = rest * 65_536 + part
      const quotient = Math.floor(value / NANOSECONDS)
      rest = value - quotient * NANOSECONDS
      seconds = seconds * 65_536 + quotient
    }
    return this.set(seconds, rest)
  }

  /** The digits of `value` so that the last is at `last`: ten of seconds, nine of nanoseconds. */
  #put(last: number, value: number): void {
    const first = last === 9 ? 0 : 10
    let rest = value
    for (let i = last; i >= first; i--) {
      const next = Math.floor(rest / 10)
      this.bytes[i] = 0x30 + (rest - next * 10)
      rest = next
    }
  }
}

/** Whether bytes[start, end) are a time as `EpochText` writes it; undefined where they are no whole number at all. */
export function isEpochText(bytes: Uint8Array, start: number, end: number): boolean | undefined {
  if (end === start) return undefined
  for (let i = start; i < end; i++) if (bytes[i]! < 0x30 || bytes[i]! > 0x39) return undefined
  return end - start === DIGITS && bytes[start]! !== 0x30
}
