/**
 * RFC 3339 text of a time, in UTC: three digits of fraction, or as many as it takes (up to nine) when it is finer. The part up to the
 * second is kept between calls, for neighbours in time are asked for together.
 */
export function timestampText(timeMs: number, timeNs: number): string {
  const second = Math.floor(timeMs / 1000)
  if (second !== lastSecond) {
    lastSecond = second
    lastPrefix = new Date(second * 1000).toISOString().slice(0, -4)
  }
  const prefix = lastPrefix + DIGITS[timeMs - second * 1000]!
  if (timeNs === 0) return `${prefix}Z`
  return `${prefix}${String(timeNs).padStart(6, '0').replace(/0+$/, '')}Z`
}

const DIGITS = Array.from({ length: 1000 }, (_, ms) => String(ms).padStart(3, '0'))
let lastSecond = Number.NaN
let lastPrefix = ''
