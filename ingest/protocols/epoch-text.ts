/** Digits of every time that is written: nanoseconds since the epoch, from 2001 to 2262. */
const DIGITS = 19
const SECONDS_MIN = 1e9
/** The nanoseconds of more are no int64. */
const SECONDS_MAX = 9_223_372_035
const NANOSECONDS = 1e9
const TWO_32 = 2 ** 32

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
    const { bytes } = this
    // Halves that are integers of 32 bits.
    const most = Math.floor(seconds / 100_000)
    put(bytes, 0, 5, most)
    put(bytes, 5, 5, seconds - most * 100_000)
    put(bytes, 10, 9, nanoseconds)
    return true
  }

  /** The same of an unsigned 64-bit number of nanoseconds, in halves. */
  setNanoseconds(low: number, high: number): boolean {
    // The quotient of what a float holds of the number may be one off; the rest is exact, as it fits 32 bits.
    let seconds = Math.floor((high * TWO_32 + low) / NANOSECONDS)
    let rest = (low - Math.imul(seconds, NANOSECONDS)) | 0
    if (rest < 0) {
      rest += NANOSECONDS
      seconds--
    } else if (rest >= NANOSECONDS) {
      rest -= NANOSECONDS
      seconds++
    }
    return this.set(seconds, rest)
  }
}

/** So many digits of an integer of 32 bits, from `first` on. */
function put(bytes: Uint8Array, first: number, digits: number, value: number): void {
  let rest = value | 0
  for (let i = first + digits - 1; i >= first; i--) {
    const next = (rest / 10) | 0
    bytes[i] = 0x30 + rest - next * 10
    rest = next
  }
}

/** Whether bytes[start, end) are a time as `EpochText` writes it; undefined where they are no whole number at all. */
export function isEpochText(bytes: Uint8Array, start: number, end: number): boolean | undefined {
  if (end === start) return undefined
  for (let i = start; i < end; i++) if (bytes[i]! < 0x30 || bytes[i]! > 0x39) return undefined
  return end - start === DIGITS && bytes[start]! !== 0x30
}
